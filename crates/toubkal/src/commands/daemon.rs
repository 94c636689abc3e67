//! `toubkal daemon`: the client that lives for years.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use toubkal_daemon::{Client, Options};
use toubkal_web::{Credentials, Web};

use crate::cli::{self, Listen};
use crate::config::Config;
use crate::exit::{Exit, Failure, io_cause};
use crate::signals::Interrupt;
use crate::{json, network, places, progress};

/// How long peers, disk and trackers get at the end.
const PATIENCE: Duration = Duration::from_secs(4);

/// Run in the background: torrents, page and APIs
#[derive(Args, Debug)]
#[command(
    long_about = "Run as a daemon: it keeps torrents, and serves a page and APIs, until Ctrl-C \
        or a signal.\n\n\
        Torrents, and what was changed while it ran, are kept under $XDG_STATE_HOME/toubkal. \
        `toubkal add`, `list`, `show` and others speak to it.\n\n\
        Page and APIs are on loopback, at http://127.0.0.1:4167, unless --http or the \
        configuration says otherwise; anywhere else they need a password or a token. A name and \
        a password come from the configuration, or from TOUBKAL_USER and TOUBKAL_PASSWORD.",
    after_help = "Examples:\n  \
        toubkal daemon\n  \
        toubkal daemon --http 127.0.0.1:8080 --download-dir ~/Downloads\n  \
        toubkal config --example > ~/.config/toubkal/config.toml"
)]
pub(crate) struct DaemonArgs {
    /// Where page and APIs are; port 0: any that is free
    #[arg(long, value_name = "ADDR:PORT", env = "TOUBKAL_HTTP", value_parser = cli::parse_address)]
    http: Option<SocketAddr>,
    /// No page and no APIs but the local socket
    #[arg(long, conflicts_with = "http")]
    no_http: bool,
    /// Where torrents go that say nothing else
    #[arg(long, value_name = "DIR", env = "TOUBKAL_DOWNLOAD_DIR")]
    download_dir: Option<PathBuf>,
    /// The configuration [default: ~/.config/toubkal/config.toml]
    #[arg(long, value_name = "FILE", env = "TOUBKAL_CONFIG")]
    config: Option<PathBuf>,
    /// Where torrents are remembered [default: ~/.local/state/toubkal]
    #[arg(long, value_name = "DIR", env = "TOUBKAL_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Where peers can reach you: a port, or ADDRESS:PORT [default: 6881, or any that is free]
    #[arg(long, value_name = "ADDR:PORT", env = "TOUBKAL_LISTEN", value_parser = cli::parse_listen)]
    listen: Option<Listen>,
    /// Do not look for peers on the local network, nor tell anybody there
    #[arg(long)]
    no_lan: bool,
    #[command(flatten)]
    dht: cli::DhtArgs,
    /// Say only errors
    #[arg(short, long)]
    quiet: bool,
    /// Print where it is as JSON, one object a line (docs/json.md)
    #[arg(long)]
    json: bool,
}

/// What is told when it is up.
#[derive(Debug, Serialize)]
struct Ready {
    event: &'static str,
    /// Where page and APIs are.
    http: Option<String>,
    socket: PathBuf,
    listening: Vec<SocketAddr>,
    torrents: u32,
}

pub(crate) fn run(args: &DaemonArgs) -> Result<Exit, Failure> {
    let config =
        Config::read(&places::config_file(args.config.as_deref())?, args.config.is_some())?;
    let state_dir = places::state_dir(args.state_dir.as_deref())?;
    make_private(&state_dir)?;
    let interrupt = Interrupt::new();
    let web = web_options(args, &config, &state_dir)?;
    let client = start(args, &config, &state_dir)?;
    let listening = client.listening_on();
    let torrents = client.stats().torrents;
    let web = match Web::start(client.clone(), &web) {
        Ok(web) => web,
        Err(error) => {
            client.shutdown(PATIENCE);
            return Err(refusal(error));
        }
    };
    let http = web.address().map(|address| format!("http://{address}"));
    let socket = places::socket(&state_dir);
    let ready = Ready { event: "ready", http, socket, listening, torrents };
    tell(args, &ready)?;
    // Whoever started us under systemd waits for this; without it nobody does.
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    while !interrupt.is_raised() && !client.is_asked_to_end() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
    drop(web);
    client.shutdown(PATIENCE);
    Ok(Exit::Done)
}

fn tell(args: &DaemonArgs, ready: &Ready) -> Result<(), Failure> {
    if args.json {
        return json::print(ready);
    }
    if args.quiet {
        return Ok(());
    }
    let mut screen = progress::Screen::new(false);
    screen.say(&format!(
        "{} here",
        crate::text::count(ready.torrents.into(), "torrent is", "torrents are")
    ));
    if let Some(address) = ready.listening.first() {
        screen.say(&format!("peers reach you on port {}", address.port()));
    }
    match &ready.http {
        Some(http) => screen.say(&format!("open {http}")),
        None => screen.say(&format!("listening on {}", ready.socket.display())),
    }
    if !toubkal_web::HAS_PAGE && ready.http.is_some() {
        screen.say("this toubkal was built without its page: there are APIs alone");
    }
    Ok(())
}

fn start(args: &DaemonArgs, config: &Config, state_dir: &Path) -> Result<Client, Failure> {
    let usage = |cause: String| Failure::new(Exit::Usage, "cannot start").cause(cause);
    let home = places::home().unwrap_or_else(|| PathBuf::from("/"));
    let mut settings = config.settings(&home).map_err(usage)?;
    let given = args.download_dir.as_ref();
    let given = given.map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.clone()));
    if let Some(dir) = &given {
        settings.downloads.clone_from(dir);
    }
    let session = toubkal_session::Options {
        lan: config.peers.lan && !args.no_lan,
        dht: config.peers.dht && !args.dht.no_dht,
        bootstrap: match args.dht.bootstrap.is_empty()
            && std::env::var_os("TOUBKAL_BOOTSTRAP").is_none()
        {
            true => config.bootstrap().map_err(usage)?,
            false => args.dht.nodes()?,
        },
        links_max: config.peers.connections,
        slots: config.peers.uploads,
        state: Some(state_dir.join("state.db")),
        ..toubkal_session::Options::default()
    };
    let listen = match &args.listen {
        Some(listen) => Some(listen.clone()),
        None => config.peer_listen().map_err(usage)?,
    };
    let listen = listen.map(|Listen(addresses)| addresses);
    let listen = network::free(listen, |listen| {
        let session = toubkal_session::Options { listen, ..session.clone() };
        let folders = config.folders(&home);
        let fetch_local = config.fetch_local;
        Client::start(Options { session, settings: settings.clone(), folders, fetch_local })
    });
    let client = listen.map_err(|error| match error {
        toubkal_daemon::StartError::Session(error) => network::refusal(&error),
        other => Failure::new(Exit::Failed, "cannot start").cause(other.to_string()),
    })?;
    if let Some(dir) = given {
        let edit = toubkal_daemon::SettingsEdit { downloads: Some(dir), ..Default::default() };
        let set = client.set_settings(edit);
        set.map_err(|error| {
            Failure::new(Exit::Usage, "cannot use --download-dir").cause(error.to_string())
        })?;
    }
    Ok(client)
}

fn web_options(
    args: &DaemonArgs,
    config: &Config,
    state_dir: &Path,
) -> Result<toubkal_web::Options, Failure> {
    let usual = config.http_listen();
    let usual = usual.map_err(|cause| Failure::new(Exit::Usage, "cannot start").cause(cause))?;
    let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let user = variable("TOUBKAL_USER").or_else(|| config.http.user.clone());
    let password = variable("TOUBKAL_PASSWORD").or_else(|| config.http.password.clone());
    let user = user.filter(|user| !user.is_empty());
    let password = password.filter(|password| !password.is_empty());
    let user = match (user, password) {
        (Some(user), Some(password)) => Some((user, password)),
        (None, None) => None,
        _ => {
            return Err(Failure::new(Exit::Usage, "cannot start")
                .cause("there is a name without a password, or a password without a name")
                .tip(
                    "set both: http.user and http.password, or TOUBKAL_USER and TOUBKAL_PASSWORD",
                ));
        }
    };
    let mut tokens = config.http.tokens.clone();
    tokens.extend(variable("TOUBKAL_TOKEN"));
    Ok(toubkal_web::Options {
        http: (!args.no_http).then_some(args.http.unwrap_or(usual)),
        socket: cfg!(unix).then(|| places::socket(state_dir)),
        credentials: Credentials { user, tokens },
        names: config.http.names.clone(),
    })
}

fn refusal(error: toubkal_web::StartError) -> Failure {
    use toubkal_web::StartError as Error;
    match error {
        Error::Open(address) => Failure::new(
            Exit::Usage,
            format!("page and APIs would be open to everybody on {address}"),
        )
        .cause("there is neither a password nor a token")
        .tip("set TOUBKAL_USER and TOUBKAL_PASSWORD, or listen on 127.0.0.1"),
        Error::Credentials(cause) => {
            Failure::new(Exit::Usage, "cannot use password or token").cause(cause)
        }
        Error::Listen { at, error } => {
            let failure = Failure::new(Exit::of_io(&error), format!("cannot listen on {at}"));
            failure.cause(io_cause(&error)).tip("is another daemon running? see `toubkal stats`")
        }
        Error::System(error) => Failure::new(Exit::Failed, "cannot start").cause(io_cause(&error)),
    }
}

/// Makes a folder that only its owner can look into.
fn make_private(dir: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| Failure::io("make the folder", dir, &error))
}
