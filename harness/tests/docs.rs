//! What the documents show is what the code does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use quarrel_models::witness::{Witness, narrate};

/// All blocks of a language.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    document.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

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

/// The command lines of quarrel in a text: those of shells, and those within YAML.
fn commands(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("- "));
    let plain = |line: &str| line.replace(['\'', '"'], "");
    lines
        .filter(|line| line.starts_with("quarrel "))
        .map(|line| match line.split_once('\'') {
            // A quoted rule is one word.
            Some((before, rest)) => {
                let (quoted, after) = rest.split_once('\'').unwrap();
                let mut all: Vec<String> = before.split_whitespace().map(str::to_owned).collect();
                all.push(quoted.to_owned());
                all.extend(after.split_whitespace().map(str::to_owned));
                all
            }
            None => line.split_whitespace().map(plain).collect(),
        })
        .collect()
}

/// What is wrong with the shape of a YAML text: tabs, odd indentation, lines that are neither keys nor items.
fn misshapen(yaml: &str) -> Option<String> {
    let (mut block, mut above) = (None, 0);
    for line in yaml.lines().filter(|line| !line.trim().is_empty()) {
        let indent = line.len() - line.trim_start_matches(' ').len();
        if block.is_some_and(|outside| indent > outside) {
            continue;
        }
        block = None;
        let content = line.trim_start_matches(' ').trim_start_matches("- ");
        let is_item = line.trim_start().starts_with("- ");
        let is_key = content
            .split_once(':')
            .is_some_and(|(key, rest)| !key.contains(' ') && (rest.is_empty() || rest.starts_with(' ')));
        let wrong = line.contains('\t') || indent % 2 == 1 || indent > above + 4 || !(is_item || is_key);
        if wrong {
            return Some(line.to_owned());
        }
        if content.ends_with('|') {
            block = Some(indent);
        }
        above = indent;
    }
    None
}

const ACTION: &str = include_str!("../../.github/actions/quarrel/action.yml");

#[test]
fn the_snippets_for_pipelines_are_commands_that_are_understood_in_yaml_that_is_well_formed() {
    let page = include_str!("../docs/ci.md");
    let yaml = blocks(page, "yaml");
    assert_eq!(yaml.len(), 2);
    for text in yaml.iter().chain([&ACTION]) {
        assert_eq!(misshapen(text), None);
    }
    let action = ACTION.replace("\"${scenarios[@]}\"", "smoke");
    let texts: Vec<&str> = blocks(page, "sh").into_iter().chain(yaml).chain([action.as_str()]).collect();
    let commands: Vec<Vec<String>> = texts.into_iter().flat_map(commands).collect();
    assert_eq!(commands.len(), 5, "{commands:?}");
    for words in commands {
        quarrel::cli::understood(words.iter().map(Into::into))
            .unwrap_or_else(|why| panic!("{words:?}: {why}"));
    }
}

#[test]
fn the_inputs_that_the_page_gives_to_the_action_are_those_that_it_has() {
    let with = blocks(include_str!("../docs/ci.md"), "yaml")[0].split("with:\n").nth(1).unwrap();
    let inputs = ACTION.split("inputs:\n").nth(1).unwrap().split("runs:").next().unwrap();
    for line in with.lines().filter(|line| !line.trim().is_empty()) {
        let (name, _) = line.trim().split_once(':').unwrap();
        assert!(
            inputs.contains(&format!("\n  {name}:")) || inputs.starts_with(&format!("  {name}:")),
            "{name}"
        );
    }
}

#[test]
fn a_snippet_that_is_wrong_is_noticed() {
    assert!(misshapen("a:\n\t- b: c\n").is_some());
    assert!(misshapen("a:\n   b: c\n").is_some());
    assert!(misshapen("a:\n  just words\n").is_some());
    assert!(misshapen("a: |\n  just words\nb: c\n").is_none());
    assert!(quarrel::cli::understood(["quarrel", "ci", "--bugdet", "5m"].map(Into::into)).is_err());
}

/// It is played word for word in `cmd/replay.trycmd`, by the core and on real processes.
#[test]
fn the_witness_of_the_page_is_the_one_that_is_played_on_real_processes() {
    let page = include_str!("../docs/witness.md");
    assert_eq!(words(block(page, "json")), words(include_str!("cmd/replay.in/by-hand.json")));
}
