//! Hosts on a switch: network namespaces joined by a bridge.
//!
//! Every peer has addresses of its own because clients tell peers apart by address: Transmission
//! refuses 127/8 and forgets which of two peers on one address was the seed, libtorrent takes
//! one connection from each.

use std::cell::Cell;
use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::thread::{UnshareFlags, gettid, unshare_unsafe};

use crate::link::{self, Link};
use crate::{Client, Content, Road, Start, Tally, Tracker};

type Job = Box<dyn FnOnce() + Send>;

/// A port on which nobody listens.
const NOBODY: u16 = 9;
/// How long the switch may take to hear a new host.
const HEARD_IN: Duration = Duration::from_secs(30);

/// A switch, to which every host of a test is joined.
pub struct Network {
    switch: Host,
    hosts: Cell<u8>,
    /// There is no switch but one machine, with an address for each host.
    loopback: bool,
}

impl Network {
    /// A switch without hosts. The test itself has an address on it, so that it can ask a
    /// program whether it listens.
    ///
    /// # Panics
    ///
    /// When this process may not make network namespaces.
    #[must_use]
    pub fn new() -> Network {
        let switch = Host::bare(254);
        switch.ip(&format!(
            "link set lo up\n\
             link add switch type bridge\n\
             addr add {}/24 dev switch\n\
             addr add {}/64 dev switch nodad\n\
             link set switch up\n",
            switch.v4(),
            switch.v6(),
        ));
        Network { switch, hosts: Cell::new(0), loopback: false }
    }

    /// One machine instead of several: the hosts are addresses of its loopback device, which is
    /// the fastest network there is.
    ///
    /// # Panics
    ///
    /// When this process may not make network namespaces.
    #[must_use]
    pub fn loopback() -> Network {
        let switch = Host::bare(254);
        switch.ip(&format!("link set lo up\naddr add {}/32 dev lo\n", switch.v4()));
        Network { switch, hosts: Cell::new(0), loopback: true }
    }

    /// Begins the description of a peer on a new host.
    #[must_use]
    pub fn start<'a>(&'a self, client: Client, content: &'a Content) -> Start<'a> {
        Start::new(self, client, content)
    }

    /// Starts a tracker, opentracker, on a new host, for this content only.
    #[must_use]
    pub fn tracker(&self, content: &Content) -> Tracker {
        Tracker::opentracker(self, content)
    }

    /// A new host on the switch.
    #[must_use]
    pub fn host(&self) -> Host {
        let number = self.number();
        if self.loopback { self.address(number, &self.switch) } else { self.join(number) }
    }

    /// A new host that is another address of the same machine.
    #[must_use]
    pub fn host_on(&self, machine: &Host) -> Host {
        self.address(self.number(), machine)
    }

    /// A new host on the switch, at the end of a road.
    ///
    /// # Panics
    ///
    /// When this network has no switch, or this process may not make network devices.
    #[must_use]
    pub fn far_host(&self, road: Road) -> Host {
        assert!(!self.loopback, "on one machine nothing is far");
        let mut host = Host::bare(self.number());
        let port = format!("port{}", host.number);
        let attach = format!("link set {port} master switch up\n");
        let ends =
            [host.run(|| link::device("eth0")), self.switch.run(move || link::device(&port))];
        let ends = ends.map(|end| end.expect("/dev/net/tun makes devices (modprobe tun)"));
        self.switch.ip(&attach);
        host.plug_in();
        host.link = Some(Link::open(ends, road));
        self.until_heard(&host);
        host
    }

    /// The number of the next host.
    fn number(&self) -> u8 {
        let number = self.hosts.get() + 1;
        assert!(number < 254, "a network has room for 253 hosts");
        self.hosts.set(number);
        number
    }

    /// One more address of a machine.
    fn address(&self, number: u8, machine: &Host) -> Host {
        let device = if self.loopback { "lo" } else { "eth0" };
        let host = Host { number, thread: machine.thread, jobs: machine.jobs.clone(), link: None };
        let (v4, v6) = (host.v4(), host.v6());
        host.ip(&format!("addr add {v4}/32 dev {device}\naddr add {v6}/128 dev {device} nodad\n"));
        host
    }

    /// A machine with a cable to the switch, over which goes what is said to everybody:
    /// Transmission leaves that to the system.
    fn join(&self, number: u8) -> Host {
        let host = Host::bare(number);
        self.switch.ip(&format!(
            "link add port{number} type veth peer name eth0 netns {}\n\
             link set port{number} master switch up\n",
            host.thread,
        ));
        host.plug_in();
        self.until_heard(&host);
        host
    }

    /// Waits until the switch passes on what a new host says: the system may learn a second late
    /// that there is a cable, and what is said before is lost.
    fn until_heard(&self, host: &Host) {
        let switch = SocketAddr::new(self.switch.v4(), NOBODY);
        let said = host.run(move || TcpStream::connect_timeout(&switch, HEARD_IN));
        let refused = said.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
        assert!(refused, "the switch does not hear {}", host.v4());
    }

    /// The host of the test itself.
    pub(crate) fn switch(&self) -> &Host {
        &self.switch
    }
}

impl Default for Network {
    fn default() -> Network {
        Network::new()
    }
}

/// A network namespace, held by a thread: what that thread starts is on this host.
pub struct Host {
    number: u8,
    thread: i32,
    jobs: mpsc::Sender<Job>,
    /// The road to the switch, where there is one.
    link: Option<Link>,
}

impl Host {
    fn bare(number: u8) -> Host {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (ready, started) = mpsc::channel();
        thread::spawn(move || {
            let made = enter_new_namespace();
            let entered = made.is_ok();
            ready.send(made.map(|()| gettid().as_raw_nonzero().get())).ok();
            // The namespace goes when this thread and the programs in it have gone.
            queue.into_iter().take_while(|_| entered).for_each(|job| job());
        });
        let thread = started.recv().expect("the thread of a host answers");
        let thread = thread.unwrap_or_else(|error| {
            panic!(
                "a network namespace cannot be made here ({error}): \
                 run the tests with cargo xtask test --only interop"
            )
        });
        let host = Host { number, thread, jobs, link: None };
        // BBR, a common default, paces: on a loopback device that costs more than half.
        host.run(|| fs::write("/proc/sys/net/ipv4/tcp_congestion_control", "reno"))
            .expect("the kernel offers reno to every namespace");
        host
    }

    /// Gives its cable to the switch its addresses.
    fn plug_in(&self) {
        self.ip(&format!(
            "link set lo up\n\
             addr add {}/24 dev eth0\n\
             addr add {}/64 dev eth0 nodad\n\
             link set eth0 up\n\
             route add 239.0.0.0/8 dev eth0\n",
            self.v4(),
            self.v6(),
        ));
    }

    /// What became of the packets on its road until now; nothing where there is none.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.link.as_ref().map(Link::tally).unwrap_or_default()
    }

    /// The last number of its addresses.
    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// The host's IPv4 address.
    #[must_use]
    pub fn v4(&self) -> IpAddr {
        Ipv4Addr::new(10, 77, 0, self.number).into()
    }

    /// The host's IPv6 address.
    #[must_use]
    pub fn v6(&self) -> IpAddr {
        Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, self.number.into()).into()
    }

    /// Runs a function on this host: sockets it opens and programs it starts are there.
    ///
    /// # Panics
    ///
    /// When the function panics.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        let job = move || {
            done.send(job()).ok();
        };
        self.jobs.send(Box::new(job)).expect("the thread of a host waits for jobs");
        result.recv().expect("a job on a host does not panic")
    }

    /// Starts a program on this host.
    ///
    /// # Panics
    ///
    /// When it does not start, for example because it is not installed.
    #[must_use]
    pub fn spawn(&self, mut command: Command) -> Child {
        let name = command.get_program().to_string_lossy().into_owned();
        self.run(move || command.spawn()).unwrap_or_else(|error| {
            panic!("{name} does not start ({error}): cargo xtask tools installs it")
        })
    }

    /// Gives `ip` a list of commands.
    fn ip(&self, batch: &str) {
        let mut command = Command::new("ip");
        command.args(["-batch", "-"]).stdin(Stdio::piped());
        let path = std::env::var("PATH").unwrap_or_default();
        // Debian keeps it where only root looks.
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        let mut child = self.spawn(command);
        let mut stdin = child.stdin.take().expect("its standard input is a pipe");
        stdin.write_all(batch.as_bytes()).expect("ip reads its commands");
        drop(stdin);
        let status = child.wait().expect("ip is our child");
        assert!(status.success(), "ip refused one of these commands:\n{batch}");
    }
}

/// Puts this thread, and it alone, in a network namespace of its own.
#[allow(unsafe_code, reason = "the safe name of this call is deprecated")]
fn enter_new_namespace() -> rustix::io::Result<()> {
    // SAFETY: what makes the call unsafe is that it may give a thread a file table of its own;
    // a network namespace leaves file descriptors as they are.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
}
