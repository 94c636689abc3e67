//! qBittorrent without a face, on Debian's libtorrent 2.0: the same settings as libtorrent's.

use std::fs;
use std::process::Command;

use super::{End, Job, write};

pub(super) fn version() -> Command {
    let mut command = Command::new("qbittorrent-nox");
    command.arg("--version");
    command
}

/// It downloads what is not there, and seeds what is.
pub(super) fn run(job: &Job<'_>) -> (Command, End) {
    let folder = job.home.join("qBittorrent/config");
    fs::create_dir_all(&folder).expect("a new folder is writable");
    let (ip, port) = (job.listen.ip(), job.listen.port());
    let settings = format!(
        "[LegalNotice]\nAccepted=true\n\
         [AutoRun]\nenabled=true\nprogram={hook}\n\
         [Network]\nPortForwardingEnabled=false\n\
         [BitTorrent]\n\
         Session\\Port={port}\n\
         Session\\Interface=lo\nSession\\InterfaceName=lo\nSession\\InterfaceAddress={ip}\n\
         Session\\BTProtocol=TCP\nSession\\Encryption=2\n\
         Session\\DHTEnabled=false\nSession\\LSDEnabled=false\nSession\\PeXEnabled=false\n\
         Session\\QueueingSystemEnabled=false\nSession\\MultiConnectionsPerIp=true\n\
         Session\\AsyncIOThreadsCount=4\nSession\\RequestQueueSize=2000\n\
         Session\\SendBufferWatermark=8192\nSession\\SSRFMitigation=false\n\
         Session\\DefaultSavePath={data}\n\
         [Preferences]\nWebUI\\Port={web}\nWebUI\\Address=127.0.0.1\nWebUI\\LocalHostAuth=false\n",
        hook = job.hook().display(),
        data = job.data.display(),
        web = port ^ 1,
    );
    write(&folder.join("qBittorrent.conf"), &settings);
    let mut command = Command::new("qbittorrent-nox");
    command.arg(format!("--profile={}", job.home.display()));
    command.arg(format!("--save-path={}", job.data.display()));
    command.args(["--add-paused=false", "--skip-dialog=true"]).arg(job.torrent);
    (command, End::Marker)
}
