use super::record::{Count, Record};
use super::*;

const TEXT: &str = "\
# A comment.
made by: rustc 1, glibc 2

block | 1000.0 | a block | The first.
have  |   50.5 | a have | Another.
";

fn count(name: &str, each: f64) -> Count {
    Count { name: name.to_owned(), each: Some(each), per: "a block".to_owned() }
}

fn record() -> Record {
    Record::parse(TEXT).expect("a record")
}

#[test]
fn a_rise_of_more_than_five_percent_fails_and_says_what_to_do() {
    let within = judge(&record(), &[count("block", 1049.0)], "rustc 1, glibc 2");
    assert!(matches!(within, Ok(Done::Passed(note)) if note == "1 workloads"));
    let Err(told) = judge(&record(), &[count("block", 1100.0)], "rustc 1, glibc 2") else {
        panic!("a tenth more passed");
    };
    for part in ["block", "1100.0", "1000.0", "+10.0 %", "cargo xtask guard --record"] {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
}

#[test]
fn a_fall_passes_and_asks_to_be_recorded() {
    let Ok(Done::Passed(note)) = judge(&record(), &[count("have", 40.0)], "rustc 1, glibc 2")
    else {
        panic!("less is no fault");
    };
    assert!(note.contains("have takes 40.0") && note.contains("--record"), "{note}");
}

#[test]
fn with_another_compiler_nothing_is_compared_and_that_is_said() {
    let Ok(Done::Skipped(why)) = judge(&record(), &[count("block", 2000.0)], "rustc 9") else {
        panic!("the record is of another compiler");
    };
    assert!(why.contains("rustc 9") && why.contains("+100.0 %"), "{why}");
}

#[test]
fn what_cannot_be_counted_is_said() {
    let absent = Count { each: None, ..count("block", 0.0) };
    let Ok(Done::Passed(note)) = judge(&record(), &[absent], "rustc 1, glibc 2") else {
        panic!("it was not counted");
    };
    assert!(note.contains("0 workloads") && note.contains("not counted here"), "{note}");
}

#[test]
fn recording_changes_what_has_changed_and_nothing_else() {
    let new = vec![count("block", 1009.0), count("have", 60.0), count("new", 7.0)];
    let (new, changed) = record().updated(new, "rustc 2", "It does more.", true);
    assert_eq!((changed, new.find("block"), new.find("have")), (2, Some(1000.0), Some(60.0)));
    let text = new.to_string();
    assert!(text.contains("The first.") && !text.contains("Another."), "{text}");
    assert_eq!(text.matches("It does more.").count(), 2);
    assert_eq!(Record::parse(&text).as_ref(), Ok(&new));
    let (less, _) = new.updated(vec![count("block", 1.0)], "rustc 2", "Less.", true);
    assert_eq!(less.find("have"), None, "what is not counted any more is no more recorded");
    let (some, _) = new.updated(vec![count("block", 1.0)], "rustc 2", "Less.", false);
    assert_eq!(some.find("have"), Some(60.0), "it was not asked for");
}

#[test]
fn a_line_that_is_none_is_named() {
    assert_eq!(Record::parse("block | many | a | b"), Err("block | many | a | b".to_owned()));
    assert_eq!(Record::parse("block | 1.0"), Err("block | 1.0".to_owned()));
}

#[test]
fn a_reason_is_asked_for() {
    let args = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    assert!(parse(&args(&["--record"])).is_err());
    assert!(parse(&args(&["--record", " "])).is_err());
    assert!(parse(&args(&["--record", "a | b"])).is_err());
    let options = parse(&args(&["give", "--record", "Why."])).ok();
    let options = options.map(|options| (options.names, options.record));
    assert_eq!(options, Some((vec!["give".to_owned()], Some("Why.".to_owned()))));
}
