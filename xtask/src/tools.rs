//! Installs what the interop tests need, Debian packages and wheels from PyPI, the C++ compiler for
//! fuzzing, and valgrind.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Log, command, installed, logged, output, root};

/// Programs that the tests run, and the Debian package that brings each.
const PROGRAMS: [(&str, &str); 10] = [
    ("aria2c", "aria2"),
    ("curl", "curl"),
    ("ip", "iproute2"),
    ("opentracker", "opentracker"),
    ("python3", "python3"),
    ("rtorrent", "rtorrent"),
    ("script", "bsdutils"),
    ("transmission-cli", "transmission-cli"),
    ("transmission-remote", "transmission-cli"),
    ("unshare", "util-linux"),
];

/// The wheels, with the versions that the tests were written against.
const LIBTORRENT: &str = "libtorrent==2.1.1";
const TRANSMISSION_RPC: &str = "transmission-rpc==7.0.12";

/// Installs what is missing and says what was there.
pub(crate) fn install() -> Result<String, String> {
    if !cfg!(target_os = "linux") {
        return Err("the interop tests need Linux's network namespaces: \
                    run the rest with cargo xtask test --skip tools,interop"
            .to_owned());
    }
    let log = Log::create("tools", false)?;
    let mut packages = missing_packages();
    if !python().is_file() && !has_venv() {
        packages.push("python3-venv");
    }
    let why = "the interop tests need some packages";
    install_packages(&packages, why, "--skip tools,interop", &log)?;
    if cfg!(target_arch = "x86_64") {
        valgrind(&log)?;
    }
    install_wheels(&log)?;
    Ok(if packages.is_empty() { String::new() } else { packages.join(" ") })
}

/// Sees to it that there is a C++ compiler: libFuzzer is written in it.
pub(crate) fn compiler(log: &Log) -> Result<(), String> {
    let own = std::env::var_os("CXX").is_some();
    if own || ["c++", "g++", "clang++"].into_iter().any(installed) {
        return Ok(());
    }
    install_packages(&["g++"], "fuzzing needs a C++ compiler", "--skip fuzz", log)
}

/// Sees to it that instructions can be counted.
pub(crate) fn valgrind(log: &Log) -> Result<(), String> {
    if installed("valgrind") {
        return Ok(());
    }
    install_packages(&["valgrind"], "counting instructions needs valgrind", "--skip guard", log)
}

/// The Python of the local environment.
fn python() -> PathBuf {
    root().join(".tools/python/bin/python")
}

fn missing_packages() -> Vec<&'static str> {
    let missing = PROGRAMS.iter().filter(|(name, _)| !installed(name));
    let packages: std::collections::BTreeSet<_> = missing.map(|&(_, package)| package).collect();
    packages.into_iter().collect()
}

fn has_venv() -> bool {
    output(&mut command("python3", ["-c", "import ensurepip, venv"])).is_some()
}

/// Installs packages, or says how: `why`, and how to do without.
pub(crate) fn install_packages(
    packages: &[&str],
    why: &str,
    without: &str,
    log: &Log,
) -> Result<(), String> {
    if packages.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if !installed("apt-get") {
        return Err(format!(
            "{why}; on Debian they come with: {by_hand}\n\
             Install their like here, or do without: cargo xtask test {without}"
        ));
    }
    if output(&mut command("id", ["-u"])).as_deref() != Some("0") {
        return Err(format!("{why}. Run: sudo {by_hand}"));
    }
    let apt = |args: &[&str]| {
        let mut apt = command("apt-get", ["-qq"]);
        apt.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    let install = || {
        let mut install = apt(&["install", "--yes", "--no-install-recommends"]);
        install.args(packages);
        install
    };
    let _quiet = NoServices::begin();
    // The lists may be there and fresh enough: look for newer ones only when they are not.
    if output(&mut install()).is_some() {
        return Ok(());
    }
    logged(&mut apt(&["update"]), log)?;
    logged(&mut install(), log)
}

fn install_wheels(log: &Log) -> Result<(), String> {
    let works = |python: &Path| {
        let import = format!(
            "import libtorrent as l; assert '{LIBTORRENT}'.endswith(l.version[:5])\n\
             from importlib.metadata import version\n\
             assert '{TRANSMISSION_RPC}'.endswith('=' + version('transmission-rpc'))"
        );
        output(Command::new(python).args(["-c", &import])).is_some()
    };
    if works(&python()) {
        return Ok(());
    }
    let folder = root().join(".tools/python");
    logged(command("python3", ["-m", "venv", "--clear"]).arg(&folder), log)?;
    let mut pip = command(python(), ["-m", "pip", "install", "--quiet"]);
    pip.args(["--disable-pip-version-check", "--only-binary=:all:", LIBTORRENT, TRANSMISSION_RPC]);
    logged(&mut pip, log)?;
    if works(&python()) {
        return Ok(());
    }
    let folder = folder.display();
    Err(format!("{LIBTORRENT} and {TRANSMISSION_RPC} were installed in {folder}, but do not load"))
}

/// While it lives, packages that bring a service do not start it: the tests start their own.
struct NoServices(Option<PathBuf>);

impl NoServices {
    fn begin() -> NoServices {
        let policy = PathBuf::from("/usr/sbin/policy-rc.d");
        if policy.exists() {
            return NoServices(None);
        }
        let made = std::fs::write(&policy, "#!/bin/sh\nexit 101\n").is_ok()
            && output(Command::new("chmod").arg("755").arg(&policy)).is_some();
        NoServices(made.then_some(policy))
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.0 {
            // Nothing better can be done here than to leave it.
            let _ = std::fs::remove_file(policy);
        }
    }
}
