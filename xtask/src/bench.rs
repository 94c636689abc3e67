//! `cargo xtask bench`: Toubkal and other clients side by side.

use std::process::Command;

use crate::shell::{Log, cargo, installed, logged, root, show, target_dir};
use crate::{steps, tools};

/// Clients that only the benchmark runs, and the Debian package that brings each.
const PROGRAMS: [(&str, &str); 2] =
    [("qbittorrent-nox", "qbittorrent-nox"), ("transmission-daemon", "transmission-daemon")];

/// The version of rqbit that is measured.
const RQBIT: &str = "9.1.0";

/// Builds what is measured as users get it, installs the others, and measures.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let only_asks = args.iter().any(|arg| arg == "--help");
    if !only_asks {
        tools::install()?;
        rivals(args);
    }
    let builds: [&[&str]; 3] = [
        &["--package", "toubkal"],
        &["--package", "toubkal-session", "--example", "seed_many"],
        &["--package", "toubkal-interop", "--bins"],
    ];
    for build in builds {
        done(cargo(["build", "--release", "--quiet"]).args(build))?;
    }
    let folder = target_dir().join("release");
    let mut bench = Command::new(folder.join("bench"));
    bench.args(args).current_dir(root());
    let mut bench = steps::in_own_user_space(&bench);
    done(bench.env("TOUBKAL", folder.join("toubkal")))
}

/// Installs the clients that are measured, as far as that is possible: others are left out.
fn rivals(args: &[String]) {
    let Ok(log) = Log::create("bench", false) else { return };
    let missing = PROGRAMS.iter().filter(|(name, _)| !installed(name));
    for (name, package) in missing {
        let why = format!("to measure {name}");
        if let Err(error) = tools::install_packages(&[package], &why, "--skip interop", &log) {
            println!("{name} is left out: {}", error.lines().next().unwrap_or_default());
        }
    }
    // One that is not asked for need not be built for many minutes.
    let clients = args.iter().skip_while(|arg| *arg != "--clients").nth(1);
    let wanted = clients.is_none_or(|clients| clients.split(',').any(|name| name == "rqbit"));
    let place = root().join(".tools/rqbit");
    if wanted && !place.join("bin/rqbit").is_file() {
        println!("building rqbit {RQBIT}, which takes many minutes, once");
        let mut install = cargo(["install", "rqbit", "--version", RQBIT, "--locked", "--root"]);
        install.arg(&place).args(["--no-default-features", "--features", "default-tls"]);
        if let Err(error) = logged(&mut install, &log) {
            println!("rqbit is left out: {}", error.lines().next().unwrap_or_default());
        }
    }
}

fn done(command: &mut Command) -> Result<(), String> {
    let status = command.status();
    let status = status.map_err(|e| format!("{} did not start: {e}", show(command)))?;
    status.success().then_some(()).ok_or_else(|| format!("{} failed ({status})", show(command)))
}
