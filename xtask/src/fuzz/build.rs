//! Building the fuzzer.

use std::path::PathBuf;

use super::place;
use crate::shell::{Log, cargo, command, logged, output};
use crate::tools;

/// What makes LLVM mark every edge of the code, as `cargo fuzz` does it. Without a sanitizer, as
/// what is fuzzed holds no unsafe code. Without telling of comparisons too (`trace-compares`),
/// which took three quarters of the engine's time: dictionaries and inputs made by hand do as well.
const MARKS: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Ccodegen-units=1",
];

/// Builds the fuzzer, and says where it is.
pub(super) fn fuzzer(log: &Log) -> Result<PathBuf, String> {
    tools::compiler(log)?;
    // With a target named, build scripts are built without the marks.
    let host = host()?;
    let folder = place("build");
    let mut build = cargo(["build", "--quiet", "--package", "toubkal-fuzz", "--bin", "fuzzer"]);
    build.args(["--features", "libfuzzer", "--profile", "fuzz", "--target", &host]);
    build.arg("--target-dir").arg(&folder);
    build.env("CARGO_ENCODED_RUSTFLAGS", MARKS.join("\x1f"));
    logged(&mut build, log)?;
    Ok(folder.join(host).join("fuzz/fuzzer"))
}

fn host() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = output(&mut command(rustc, ["-vV"])).unwrap_or_default();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV does not tell its host".to_owned())
}
