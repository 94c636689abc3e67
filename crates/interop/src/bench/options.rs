//! What was asked for on the command line.

use std::path::PathBuf;

use super::cells::{CELLS, Cell};
use super::clients::Rival;

pub(super) const HELP: &str = "\
Toubkal and other clients side by side, in one run.

Usage: cargo xtask bench [--cells PATTERN,...] [--clients NAME,...] [--rounds N]
                         [--size MiB] [--to FOLDER] [--json FILE] [--from FILE]...
                         [--write] [--quick]
       cargo xtask bench magnets [--rounds N] [--rows PATTERN] [--delay MILLISECONDS]
       cargo xtask bench crowd [--clients NAME,...] [--peers N] [--size MiB] [--to FOLDER]

  --cells PATTERN,...   Only cells whose name is or contains one of these; `=NAME` for one
                        of exactly this name
  --clients NAME,...    Only these clients
  --rounds N            How often each is measured (default 7)
  --size MiB            The size of the single file (default 2048)
  --to FOLDER           Where to (default: the folder for temporary files)
  --json FILE           Every run, one object a line
  --from FILE           Runs that an earlier --json has written, to be counted with these; may
                        be repeated
  --rounds 0            Measures nothing: tables of earlier runs
  --write               Puts the tables into docs/performance.md, and the chart beside it
  --quick               One round of 64 MiB, to see that everything works

What is measured, and how: docs/performance.md.
";

pub(super) struct Options {
    pub(super) cells: Vec<&'static Cell>,
    pub(super) rivals: Vec<Rival>,
    pub(super) rounds: u32,
    /// Bytes of the single file.
    pub(super) size: u64,
    pub(super) to: PathBuf,
    pub(super) json: Option<PathBuf>,
    /// Runs of before, to be counted with these.
    pub(super) from: Vec<PathBuf>,
    pub(super) write: bool,
    /// A signal ends this process and all that it has started; not in a test.
    pub(super) ends_at_signals: bool,
    /// As it was typed.
    pub(super) typed: String,
}

impl Options {
    /// Reads the arguments. An error says which is wrong.
    pub(super) fn parse(args: &[String]) -> Result<Options, String> {
        let mut options = Options {
            cells: CELLS.iter().collect(),
            rivals: Rival::ALL.to_vec(),
            rounds: 7,
            size: 2048 << 20,
            to: std::env::temp_dir(),
            json: None,
            from: Vec::new(),
            write: false,
            ends_at_signals: true,
            typed: args.join(" "),
        };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--cells" => options.cells = cells(value()?)?,
                "--clients" => options.rivals = rivals(value()?)?,
                "--rounds" => options.rounds = number(value()?, 0)?,
                "--size" => options.size = u64::from(number(value()?, 1)?) << 20,
                "--to" => options.to = PathBuf::from(value()?),
                "--json" => options.json = Some(PathBuf::from(value()?)),
                "--from" => options.from.push(PathBuf::from(value()?)),
                "--write" => options.write = true,
                "--quick" => (options.rounds, options.size) = (1, 64 << 20),
                other => {
                    return Err(format!("bench knows no {other}: see cargo xtask bench --help"));
                }
            }
        }
        Ok(options)
    }
}

fn number(text: &str, least: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| format!("`{text}` is no number of {least} or more"))
}

/// The cells that one of the patterns means.
fn cells(patterns: &str) -> Result<Vec<&'static Cell>, String> {
    let mut cells = Vec::new();
    for cell in CELLS {
        let meant = |pattern: &str| match pattern.strip_prefix('=') {
            Some(name) => cell.name == name,
            None => cell.name.contains(pattern),
        };
        if patterns.split(',').any(meant) {
            cells.push(cell);
        }
    }
    let known = || CELLS.iter().map(|cell| cell.name).collect::<Vec<_>>().join(", ");
    let none = || format!("no cell is meant by `{patterns}`, there are: {}", known());
    (!cells.is_empty()).then_some(cells).ok_or_else(none)
}

/// The clients of these names, in the usual order.
fn rivals(names: &str) -> Result<Vec<Rival>, String> {
    for name in names.split(',') {
        if !Rival::ALL.iter().any(|rival| rival.name() == name) {
            let known = Rival::ALL.map(Rival::name).join(", ");
            return Err(format!("there is no client `{name}`, only: {known}"));
        }
    }
    let meant = |rival: &Rival| names.split(',').any(|name| name == rival.name());
    Ok(Rival::ALL.into_iter().filter(meant).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, String> {
        Options::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    fn names(options: &Options) -> Vec<&'static str> {
        options.cells.iter().map(|cell| cell.name).collect()
    }

    #[test]
    fn patterns_choose_cells_and_names_choose_clients() {
        let options = parse(&["--cells", "=seed,create", "--clients", "aria2,toubkal"]).unwrap();
        assert_eq!(names(&options), ["seed", "create"]);
        assert_eq!(options.rivals, [Rival::Toubkal, Rival::Aria2]);
        assert_eq!(names(&parse(&["--cells", "many"]).unwrap()).len(), 3);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (args, fault) in [
            (["--cells", "nothing"], "no cell is meant by `nothing`"),
            (["--clients", "nobody"], "no client `nobody`"),
            (["--size", "0"], "`0` is no number of 1 or more"),
            (["--what", ""], "knows no --what"),
        ] {
            let error = parse(&args).err().expect("it is wrong");
            assert!(error.contains(fault), "{error}");
        }
    }
}
