//! Plays inputs of a fuzz target again: `cargo run -p toubkal-fuzz TARGET FILE...`.

use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let Some(target) = args.next().and_then(|name| toubkal_fuzz::target(&name)) else {
        let names: Vec<_> = toubkal_fuzz::TARGETS.iter().map(|target| target.name).collect();
        eprintln!("usage: toubkal-fuzz TARGET FILE...\ntargets: {}", names.join(" "));
        return ExitCode::FAILURE;
    };
    for file in args {
        match fs::read(&file) {
            Ok(input) => (target.play)(&input),
            Err(error) => {
                eprintln!("error: cannot read {file}: {error}");
                return ExitCode::FAILURE;
            }
        }
        println!("{file}: nothing is wrong");
    }
    ExitCode::SUCCESS
}
