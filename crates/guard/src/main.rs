//! Runs one workload by its name, to be counted from outside; without a name it lists them.

use std::process::ExitCode;

use toubkal_guard::{WORKLOADS, counted};

fn main() -> ExitCode {
    let Some(name) = std::env::args().nth(1) else {
        for workload in WORKLOADS {
            println!("{}\t{}\t{}", workload.name, workload.units, workload.per);
        }
        return ExitCode::SUCCESS;
    };
    let Some(workload) = WORKLOADS.iter().find(|workload| workload.name == name) else {
        eprintln!("there is no workload `{name}`");
        return ExitCode::FAILURE;
    };
    match (workload.prepare)() {
        Some(mut run) => counted(&mut *run),
        None => println!("not here"),
    }
    ExitCode::SUCCESS
}
