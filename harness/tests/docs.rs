//! What the documents show is what the code does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use quarrel_models::witness::{Witness, narrate};

/// The first block of a language.
fn block<'a>(document: &'a str, language: &str) -> &'a str {
    let fence = format!("```{language}\n");
    document.split(&fence).nth(1).and_then(|rest| rest.split("```").next()).unwrap()
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn the_witness_of_the_page_is_told_as_the_page_says() {
    let page = include_str!("../docs/witness.md");
    let witness: Witness = serde_json::from_str(block(page, "json")).unwrap();
    assert_eq!(words(&narrate(&witness).unwrap().to_string()), words(block(page, "text")));
}

/// It is played word for word in `cmd/replay.trycmd`, by the core and on real processes.
#[test]
fn the_witness_of_the_page_is_the_one_that_is_played_on_real_processes() {
    let page = include_str!("../docs/witness.md");
    assert_eq!(words(block(page, "json")), words(include_str!("cmd/replay.in/by-hand.json")));
}
