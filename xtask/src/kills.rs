//! `cargo xtask kills`: the program, killed again and again while it downloads.

use crate::shell;

/// Builds the program as users get it, and runs the long test of kills.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (mut count, mut size, mut seed) = (20, 64 << 20, 0);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let value = args.next().map_or("", String::as_str);
        let place = match arg.as_str() {
            "--count" => &mut count,
            "--size" => &mut size,
            "--seed" => &mut seed,
            _ => return Err(format!("kills knows no {arg}: see cargo xtask help")),
        };
        *place = number(value).ok_or_else(|| format!("{arg} wants a number, not {value:?}"))?;
    }
    let mut test = shell::cargo(["test", "--release", "--quiet", "--package", "toubkal"]);
    test.args(["--test", "kills", "--", "--exact", "long_run", "--ignored", "--nocapture"]);
    for (name, value) in [("KILLS", count), ("SIZE", size), ("SEED", seed)] {
        test.env(name, value.to_string());
    }
    let status = test.status().map_err(|error| format!("cargo did not start: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("something differs, with --seed {seed}")),
    }
}

/// `200`, `64MiB`, `1GiB`.
fn number(text: &str) -> Option<u64> {
    let (digits, shift) = match text {
        _ if text.ends_with("GiB") => (text.strip_suffix("GiB")?, 30),
        _ if text.ends_with("MiB") => (text.strip_suffix("MiB")?, 20),
        _ if text.ends_with("KiB") => (text.strip_suffix("KiB")?, 10),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}
