//! Where each value of a scenario came from: defaults, then the file, then the environment, then flags.

use super::{
    Scenario,
    locate::Document,
    overrides::{Overrides, SETTINGS},
    parse::read,
    problem::{ScenarioError, Site},
    validate::validate,
};
use std::{collections::BTreeMap, fmt};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The scenario file, at this line.
    File {
        /// The file's name.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// This environment variable.
    Environment(&'static str),
    /// This flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A scenario with the origin of each of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The scenario, checked.
    pub scenario: Scenario,
    /// The origin of each value, by path; what is not here is a default.
    origins: BTreeMap<String, Origin>,
}

impl Resolved {
    /// Reads the file, lays environment and flags over it, and checks the outcome.
    ///
    /// # Errors
    /// [`ScenarioError`], as [`parse`](super::parse()); a value that was overridden is blamed on its flag or variable.
    pub fn resolve(
        file: &str,
        text: &str,
        environment: &Overrides,
        flags: &Overrides,
        marks: &[&str],
    ) -> Result<Self, ScenarioError> {
        let (mut scenario, document) = read(file, text)?;
        let mut origins = origins_in_file(file, &scenario, &document);
        apply(environment, &mut scenario, &mut origins, |setting| Origin::Environment(setting.variable));
        apply(flags, &mut scenario, &mut origins, |setting| Origin::Flag(setting.flag));
        let problems = validate(&scenario, marks);
        if problems.is_empty() {
            return Ok(Self { scenario, origins });
        }
        let site = |path: &str| match origins.get(path) {
            Some(origin @ (Origin::Environment(_) | Origin::Flag(_))) => Site::Override(origin.to_string()),
            _ => Site::File(document.place(path)),
        };
        let placed = problems.into_iter().map(|problem| {
            let site = site(&problem.path);
            (problem, site)
        });
        Err(ScenarioError::new(file, text, placed.collect()))
    }

    /// Where the value at this path, such as `cluster.leaders`, came from.
    #[must_use]
    pub fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::Default)
    }

    /// The whole scenario as TOML, each value with its origin in a comment. It reads back as the same scenario.
    #[must_use]
    pub fn print(&self) -> String {
        let text = toml::to_string(&self.scenario).expect("a scenario is a table of tables of values");
        let document = Document::parse(&text).expect("what was written as TOML reads as TOML");
        let paths: BTreeMap<usize, String> =
            document.leaves().into_iter().map(|(path, line)| (line, path)).collect();
        let lines: Vec<&str> = text.lines().collect();
        let mut printed = String::new();
        // Comments are aligned within one table.
        for table in lines.split_inclusive(|line| line.is_empty()) {
            let first = 1 + printed.lines().count();
            let width = table.iter().filter(|line| line.contains(" = ")).map(|line| line.chars().count());
            let width = width.filter(|&width| width <= 60).max().unwrap_or(0);
            for (number, line) in (first..).zip(table) {
                match paths.get(&number) {
                    Some(path) => printed.push_str(&format!("{line:width$}  # {}\n", self.origin(path))),
                    None => printed.push_str(&format!("{line}\n")),
                }
            }
        }
        printed
    }
}

fn origins_in_file(file: &str, scenario: &Scenario, document: &Document<'_>) -> BTreeMap<String, Origin> {
    let stated = |path: String| {
        let line = document.line(&path)?;
        Some((path, Origin::File { file: file.to_owned(), line }))
    };
    values(scenario).into_keys().filter_map(stated).collect()
}

/// Applies the settings one by one; what a setting names or changes comes from it.
fn apply(
    overrides: &Overrides,
    scenario: &mut Scenario,
    origins: &mut BTreeMap<String, Origin>,
    origin: fn(&super::Setting) -> Origin,
) {
    for setting in SETTINGS {
        let before = values(scenario);
        if !setting.apply(overrides, scenario) {
            continue;
        }
        let after = values(scenario);
        origins.retain(|path, _| after.contains_key(path));
        for (path, value) in after {
            if path == setting.path || before.get(&path) != Some(&value) {
                origins.insert(path, origin(setting));
            }
        }
    }
}

/// All values by path, as [`Document::leaves`] names them.
fn values(scenario: &Scenario) -> BTreeMap<String, toml::Value> {
    let mut values = BTreeMap::new();
    let whole = toml::Value::try_from(scenario).expect("a scenario is a table of tables of values");
    collect(String::new(), whole, &mut values);
    values
}

fn collect(path: String, value: toml::Value, values: &mut BTreeMap<String, toml::Value>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                collect(if path.is_empty() { name } else { format!("{path}.{name}") }, value, values);
            }
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            for (index, item) in items.into_iter().enumerate() {
                collect(format!("{path}[{index}]"), item, values);
            }
        }
        value => {
            values.insert(path, value);
        }
    }
}
