//! From TOML to a [`Scenario`], with errors that point at the place and say how to mend it.

use super::{
    Scenario,
    locate::Document,
    problem::{Problem, ScenarioError, Site, did_you_mean},
    validate::validate,
};

/// Reads and checks a scenario. `file` is the name that errors show; `marks` are the marks that a contract can name.
///
/// # Errors
/// [`ScenarioError`]: a mistake in the TOML or in a key or kind of value comes alone, mistakes of meaning all at once.
pub fn parse(file: &str, text: &str, marks: &[&str]) -> Result<Scenario, ScenarioError> {
    let (scenario, document) = read(file, text)?;
    let problems = validate(&scenario, marks);
    if problems.is_empty() {
        Ok(scenario)
    } else {
        Err(ScenarioError::locate(file, text, &document, problems))
    }
}

/// Reads a scenario without checking what it means.
pub(super) fn read<'text>(
    file: &str,
    text: &'text str,
) -> Result<(Scenario, Document<'text>), ScenarioError> {
    let document = Document::parse(text).map_err(|error| explain(file, text, &error))?;
    let scenario = toml::from_str(text).map_err(|error| explain(file, text, &error))?;
    Ok((scenario, document))
}

/// An error of the TOML reader, in the form of ours.
fn explain(file: &str, text: &str, error: &toml::de::Error) -> ScenarioError {
    let span = error.span().unwrap_or(0..0);
    // A caret that stands behind the last line is drawn at its end.
    let end = text.trim_end().len();
    let span = span.start.min(end)..span.end.min(text.len()).max(span.start.min(end));
    let line = text[..span.start].rsplit('\n').next().unwrap_or_default();
    let unlike = ["exactly 1 element", "newtype variant", "string or table"]
        .iter()
        .any(|kind| error.message().contains(kind));
    let problem = if unlike && line.trim_start().starts_with("topology") {
        of_topology()
    } else {
        mend(error.message())
    };
    ScenarioError::new(file, text, vec![(problem, Site::File(span))])
}

/// The one choice outside of tables: serde's words do not say how its two forms are written.
fn of_topology() -> Problem {
    Problem::new(
        "",
        "this is no topology",
        "neither a shape nor a graph",
        "write `topology = \"ring\"`, `\"star\"` or `\"all-to-all\"`, or a graph of your own such as \
         `topology = { custom = [\"A>B\", \"B>C\", \"C>A\"] }`",
    )
}

/// What serde's and toml's messages mean to the author of a scenario.
fn mend(message: &str) -> Problem {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let name = quoted.next().unwrap_or_default();
    let known: Vec<&str> = quoted.collect();
    if message.starts_with("unknown field") {
        let help = choose(name, &known, "the keys of this table are");
        return Problem::new("", format!("unknown key `{name}`"), "not a key of this table", help);
    }
    if message.starts_with("unknown variant") {
        let help = choose(name, &known, "write one of");
        return Problem::new("", format!("unknown name `{name}`"), "not one of the choices", help);
    }
    if let Some((_, findings)) = message.split_once("expected one of ").filter(|_| known.is_empty()) {
        let findings: Vec<&str> = findings.split(", ").collect();
        let help = choose(name, &findings, "write one of");
        return Problem::new("", format!("unknown finding `{name}`"), "not a finding", help);
    }
    if message.starts_with("missing field") {
        let help = format!("add {}", example_of(name));
        return Problem::new("", format!("the key `{name}` is missing"), "missing here", help);
    }
    if message.contains("exactly 1 element") {
        return Problem::new(
            "",
            "a scenario has one strategy and one workload, chosen by the name of a table",
            "not one table",
            "keep or write one table such as `[strategy.lww]` or `[workload.register]`",
        );
    }
    if message.contains("newtype variant") {
        return Problem::new(
            "",
            "this choice has keys of its own, so it is the name of a table",
            "not a table",
            "write a table such as `[strategy.lww]` or `[workload.register]`",
        );
    }
    Problem::new("", plain(message), "", general_help(message))
}

/// The reader's words for kinds of values, without Rust's names for them.
fn plain(message: &str) -> String {
    let mut plain = message.lines().collect::<Vec<_>>().join("; ");
    let words = [
        ("expected u32", "expected a whole number of 0 or more"),
        ("expected u64", "expected a whole number of 0 or more"),
        ("expected usize", "expected a whole number of 0 or more"),
        ("expected f64", "expected a number"),
        ("a sequence", "an array"),
        ("sequence", "array"),
        ("map,", "table,"),
        ("floating point", "number"),
    ];
    for (theirs, ours) in words {
        plain = plain.replace(theirs, ours);
    }
    plain
}

fn choose(name: &str, known: &[&str], otherwise: &str) -> String {
    match did_you_mean(name, known.iter().copied()) {
        Some(close) => format!("did you mean `{close}`?"),
        None if known.is_empty() => "remove it: nothing can be set here".to_owned(),
        None => format!("{otherwise} `{}`", known.join("`, `")),
    }
}

fn example_of(key: &str) -> &'static str {
    match key {
        "name" => "`name = \"my-scenario\"` as the first line",
        "strategy" => "a table such as `[strategy.lww]`",
        "workload" => "a table such as `[workload.register]`",
        "handler" => "a handler, such as `handler = \"union\"`",
        "of" => "the leaders that it follows, such as `of = [\"A\"]`",
        _ => "it, or remove the table that needs it",
    }
}

fn general_help(message: &str) -> &'static str {
    let rules = [
        ("not a length of time", "write a number and a unit in quotes, such as `\"250ms\"`"),
        ("not a replica", "replicas are named by capital letters: `\"A\"` is the first leader"),
        ("not a directed link", "write where data flows from and to, such as `\"A>B\"`"),
        ("duplicate key", "remove one of the two, or write `[[...]]` for several faults of one kind"),
        ("expected a string", "put it in quotes; lengths of time have a unit too, such as `\"250ms\"`"),
        (
            "expected a borrowed string",
            "put it in quotes; lengths of time have a unit too, such as `\"250ms\"`",
        ),
        ("expected a sequence", "put it in brackets, such as `[\"1s\", \"3s\"]`"),
        ("string values must be quoted", "put the text in quotes, such as `name = \"smoke\"`"),
        ("expected f64", "write a number without quotes, such as `0.5`"),
        ("expected u", "write a whole number without quotes, such as `3`"),
        ("expected `]`", "close the bracket: `[clients]`, or `at = [\"1s\"]`"),
        ("expected a boolean", "write `true` or `false`, without quotes"),
    ];
    let found = rules.iter().find(|(part, _)| message.contains(part));
    found.map_or("compare with a shipped scenario: `quarrel scenarios show smoke`", |(_, help)| help)
}
