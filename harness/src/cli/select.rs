//! Which scenarios a command line means.

use crate::exit::{Exit, Failure};
use quarrel_workloads::{
    mark::Mark,
    scenario::{Overrides, Resolved, ScenarioError, TOUR, shipped, shipped_text},
};
use std::{borrow::Cow, fs, path::Path};

/// A scenario's text, and what to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// What the user wrote: it goes into the repeat command.
    pub(super) word: String,
    /// The file, for errors.
    pub(super) file: String,
    /// The TOML.
    pub(super) text: Cow<'static, str>,
}

/// Finds a shipped scenario or a file.
pub(super) fn source(word: &str) -> Result<Source, Failure> {
    if let Some(text) = shipped_text(word) {
        return Ok(Source { word: word.to_owned(), file: format!("{word}.toml"), text: Cow::Borrowed(text) });
    }
    let path = Path::new(word);
    let is_file_name =
        path.extension().is_some_and(|end| end == "toml") || word.contains('/') || path.is_file();
    if !is_file_name {
        return Err(unknown(word));
    }
    let text = fs::read_to_string(path).map_err(|error| {
        let help = "`quarrel scenarios list` lists what can be run without a file";
        Failure::usage(format!("cannot read the scenario {word}: {error}"), help)
    })?;
    Ok(Source { word: word.to_owned(), file: word.to_owned(), text: Cow::Owned(text) })
}

/// Lays environment and flags over the scenario, and checks it.
pub(super) fn resolve(
    source: &Source,
    environment: &Overrides,
    flags: &Overrides,
    colours: bool,
) -> Result<Resolved, Failure> {
    let marks = Mark::ALL.map(Mark::name);
    let mut resolved = Resolved::resolve(&source.file, &source.text, environment, flags, &marks)
        .map_err(|error| invalid(&error, colours))?;
    // What a scenario names is looked for beside it, from wherever it is run again.
    if let Some(directory) = resolved.scenario.cluster.program_directory() {
        let beside = Path::new(&source.file).parent().unwrap_or(Path::new(""));
        let named = beside.join(directory.as_deref().unwrap_or(Path::new("")));
        *directory =
            std::path::absolute(if named.as_os_str().is_empty() { Path::new(".") } else { &named }).ok();
    }
    Ok(resolved)
}

/// Refuses a scenario of another system where our own core is what runs.
pub(super) fn of_our_core(resolved: &Resolved, what: &str, word: &str) -> Result<(), Failure> {
    if resolved.scenario.is_of_our_core() {
        return Ok(());
    }
    let system = &resolved.scenario.cluster.system;
    Err(Failure::usage(
        format!("{what} runs quarrel's own replicas, and `{word}` is for `{system}`"),
        format!("`quarrel run {word}` runs it on {system}; `quarrel scenarios list` shows the others"),
    ))
}

/// Refuses a scenario whose nemesis does what only the simulator can.
pub(super) fn of_real_processes(resolved: &Resolved, what: &str, word: &str) -> Result<(), Failure> {
    match resolved.scenario.nemesis.simulated_only() {
        None => Ok(()),
        Some(table) => Err(Failure::usage(
            format!("{what} runs real processes, which `[nemesis.{table}]` of `{word}` is not for"),
            format!("`quarrel sim {word}` simulates it; or leave the table out"),
        )),
    }
}

/// A scenario that cannot be used: the drawing has its own help.
pub(super) fn invalid(error: &ScenarioError, colours: bool) -> Failure {
    Failure { exit: Exit::Usage, message: error.render(colours), help: String::new() }
}

fn unknown(word: &str) -> Failure {
    if word == "tour" {
        let help = "`quarrel run tour` runs all four, as `quarrel run` does; name one of them here";
        return Failure::usage(format!("the tour is four scenarios:\n  {}", TOUR.join("\n  ")), help);
    }
    let names = || shipped().iter().map(|&(name, _)| name);
    let help = match closest(word, names()) {
        Some(close) => format!("did you mean `{close}`?"),
        None => "write one of these, or the path of a TOML file".to_owned(),
    };
    let list: Vec<&str> = names().collect();
    Failure::usage(format!("there is no scenario `{word}`; shipped are:\n  {}", list.join("\n  ")), help)
}

/// The name that shares the most pairs of neighbouring letters, if that is half of them.
pub(super) fn closest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let pairs = |text: &str| -> Vec<(char, char)> { text.chars().zip(text.chars().skip(1)).collect() };
    let wanted = pairs(word);
    let alike = |name: &str| {
        let mut rest = pairs(name);
        let total = wanted.len() + rest.len();
        let shared = wanted.iter().filter(|pair| {
            let at = rest.iter().position(|other| other == *pair);
            at.map(|at| rest.swap_remove(at)).is_some()
        });
        200 * shared.count() / total.max(1)
    };
    names.map(|name| (alike(name), name)).filter(|&(alike, _)| alike >= 50).max().map(|(_, name)| name)
}

/// A word as a shell reads it back.
pub(super) fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', "'\\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_scenario() {
        let names = ["lww-skew", "lww-hybrid", "smoke"];
        assert_eq!(closest("lww-skwe", names.into_iter()), Some("lww-skew"));
        assert_eq!(closest("smok", names.into_iter()), Some("smoke"));
        assert_eq!(closest("zebra", names.into_iter()), None);
    }

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("a/b-c.toml"), "a/b-c.toml");
        assert_eq!(quoted("my file's.toml"), r"'my file'\''s.toml'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn what_only_the_simulator_can_do_is_refused_by_name_where_processes_are_real() {
        let text = "name = \"x\"\n[strategy.lww]\n[workload.register]\n\
                    [nemesis.maintenance]\nwhat = \"collect\"\nat = [\"1s\"]\n";
        let source = Source { word: "x.toml".to_owned(), file: "x.toml".to_owned(), text: text.into() };
        let none = Overrides::default();
        let resolved = resolve(&source, &none, &none, false).unwrap();
        let failure = of_real_processes(&resolved, "`quarrel run`", "x.toml").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains("`[nemesis.maintenance]`"), "{}", failure.message);
        assert!(failure.help.contains("`quarrel sim x.toml`"), "{}", failure.help);
        assert_eq!(
            of_real_processes(&resolve_calm(), "`quarrel run`", "x.toml").err().map(|f| f.message),
            None
        );
    }

    fn resolve_calm() -> Resolved {
        let text = "name = \"x\"\n[strategy.lww]\n[workload.register]\n";
        let source = Source { word: "x.toml".to_owned(), file: "x.toml".to_owned(), text: text.into() };
        resolve(&source, &Overrides::default(), &Overrides::default(), false).unwrap()
    }
}
