//! Takes the files of the page into the program, when somebody has built them (`cargo xtask page`).

use std::fmt::Write;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let top = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let dist = top.join("page/dist");
    println!("cargo:rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    list(&dist, &mut files)?;
    files.sort();
    let mut code = String::from("const ASSETS: &[Asset] = &[\n");
    // Without its first file, what lies there is no page.
    let whole = files.contains(&dist.join("index.html"));
    for file in files.iter().filter(|_| whole) {
        add(&mut code, &dist, file, &files)?;
    }
    code += "];\n";
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("page.rs"), code)
}

fn add(code: &mut String, dist: &Path, file: &Path, all: &[PathBuf]) -> io::Result<()> {
    if file.extension().is_some_and(|it| it == "gz") {
        return Ok(());
    }
    let inside = file.strip_prefix(dist).expect("it was found there");
    let path: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    let path = format!("/{}", path.join("/"));
    let mut hash = DefaultHasher::new();
    hash.write(&fs::read(file)?);
    let etag = format!("\"{:016x}\"", hash.finish());
    let gzip = PathBuf::from(format!("{}.gz", file.display()));
    let include = |file: &Path| format!("include_bytes!({:?})", file.display().to_string());
    let gzip = match all.contains(&gzip) {
        true => format!("Some({})", include(&gzip)),
        false => "None".to_owned(),
    };
    let bytes = include(file);
    let asset = format!("Asset {{ path: {path:?}, etag: {etag:?}, bytes: {bytes}, gzip: {gzip} }}");
    writeln!(code, "    {asset},").expect("a text grows");
    Ok(())
}

/// Every file below a folder, those that hide left out.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => list(&entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}
