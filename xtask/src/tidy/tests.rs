//! Each rule, on a file that breaks it and on one that almost does.

use super::check;

fn faults(path: &str, body: &str) -> String {
    check(path, &format!("//! A file.\n{body}")).join("\n")
}

#[test]
fn a_plain_file_has_no_fault() {
    assert_eq!(faults("crates/wire/src/a.rs", "fn a() -> u8 { 1 }\n"), "");
}

#[test]
fn a_file_says_what_it_is_for() {
    assert_eq!(check("a.rs", "fn a() {}\n"), ["a.rs:1: a file begins with //! and what it is for"]);
}

#[test]
fn a_long_function_is_named_with_its_place() {
    let body = |lines| format!("\nfn slow(x: [u8; 2]) {{\n{}}}\n", "    x();\n".repeat(lines));
    assert_eq!(faults("a.rs", &body(68)), "");
    assert_eq!(faults("a.rs", &body(69)), "a.rs:3: fn slow has 71 lines, 70 at most: cut it");
}

#[test]
fn braces_in_literals_and_comments_do_not_count() {
    let tricks =
        "let _ = ('{', b'{', \"{\\\"{\", r#\"{\"{\"#, '\\'', '\\u{7b}'); // {\n/* { /* { */ */\n";
    let body = format!("fn a<'a>() {{\n{tricks}}}\n{}fn b() {{}}\n", "\n".repeat(80));
    assert_eq!(faults("a.rs", &body), "");
}

#[test]
fn tests_do_not_make_a_file_long() {
    let code = "const A: u8 = 1;\n".repeat(590);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const B: u8 = 1;\n".repeat(100));
    assert_eq!(faults("a.rs", &format!("{code}{tests}")), "");
    assert!(
        faults("a.rs", &format!("{code}{}", tests.replace("cfg(test)", "cfg(unix)")))
            .contains("at most")
    );
    assert_eq!(faults("src/tests.rs", &code.repeat(2)), "");
}

#[test]
fn a_declaration_of_a_test_module_hides_nothing() {
    let code =
        format!("#[cfg(test)]\nmod tests;\nmod a {{\n{}}}\n", "const A: u8 = 1;\n".repeat(600));
    assert!(faults("a.rs", &code).contains("at most"));
}

#[test]
fn lines_are_counted_in_characters() {
    assert_eq!(faults("a.rs", &format!("// {}\n", "é".repeat(97))), "");
    assert_eq!(
        faults("a.rs", &format!("// {}\n", "é".repeat(98))),
        "a.rs:2: 101 columns, 100 at most"
    );
    assert_eq!(faults("a.rs", &format!("// https://x/{}\n", "a".repeat(200))), "");
}

#[test]
fn folders_of_one_machine_are_found_in_any_text() {
    let word = concat!("/wo", "rk/");
    assert!(!check("README.md", &format!("see {word}notes")).is_empty());
    assert!(check("README.md", &format!("see frame{word}notes")).is_empty());
}

#[test]
fn modules_of_core_do_not_import_each_other() {
    let engine = |body| faults("crates/core/src/engine/choke.rs", body);
    let fault =
        "crates/core/src/engine/choke.rs:2: engine must not know link: they meet in a driver";
    assert_eq!(engine("use crate::link::Frame;\n"), fault);
    assert_eq!(engine("use crate::{base::Time, link};\n"), fault);
    assert_eq!(engine("fn a() { crate::link::frame() }\n"), fault);
    assert_eq!(engine("use super::super::link;\n"), fault);
    assert_eq!(engine("use crate::{base::{link, Time}, engine::peer};\nuse super::link;\n"), "");
    assert_eq!(engine("// use crate::link::Frame;\n"), "");
}

#[test]
fn base_imports_none_of_them_and_the_top_may_name_all() {
    assert!(
        faults("crates/core/src/base/time.rs", "use crate::engine::Engine;\n").contains("base")
    );
    assert_eq!(faults("crates/core/src/lib.rs", "pub use crate::engine::Engine;\n"), "");
}
