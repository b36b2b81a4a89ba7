//! Inputs from elsewhere: a file of one's own, or a recorded run.

use super::values::Inputs;
use quarrel_models::value::Value;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The most values of one record that are taken from a run, and the most records.
const MOST_VALUES: usize = 6;
const MOST_RECORDS: usize = 20;

/// Samples, and where they are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// The inputs.
    pub inputs: Vec<Inputs>,
    /// In words.
    pub from: String,
}

/// A line of a file: versions, or versions with what they were made from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    base: Option<Value>,
    versions: Vec<Option<Value>>,
}

/// Reads samples: a file with a JSON object a line, `{"versions": [...], "base": ...}`, or the folder of a run, of which
/// the values that replicas showed of one record are taken as sides.
///
/// # Errors
/// In words: what is wrong, and where.
pub fn samples(path: &Path) -> Result<Sampled, String> {
    let shown = path.display();
    if path.is_dir() {
        let history = path.join("history.jsonl");
        let text = fs::read_to_string(&history)
            .map_err(|error| format!("{} cannot be read: {error}", history.display()))?;
        let inputs = of_history(&text);
        if inputs.is_empty() {
            return Err(format!(
                "the run {shown} shows no record with two values: it had no conflict to learn from"
            ));
        }
        return Ok(Sampled { inputs, from: format!("the run {shown}") });
    }
    let text = fs::read_to_string(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let mut inputs = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let Line { base, versions } =
            serde_json::from_str(line).map_err(|error| format!("{shown}, line {}: {error}", number + 1))?;
        if versions.len() < 2 {
            return Err(format!("{shown}, line {}: a conflict has two versions or more", number + 1));
        }
        inputs.extend(triples_of(base.as_ref(), &versions));
    }
    Ok(Sampled { inputs, from: format!("the file {shown}") })
}

fn triples_of(base: Option<&Value>, versions: &[Option<Value>]) -> Vec<Inputs> {
    let third = versions.get(2).or(versions.first()).cloned().flatten();
    let mut all = Vec::new();
    for (number, first) in versions.iter().enumerate() {
        for second in &versions[number + 1..] {
            let sides = vec![first.clone(), second.clone(), third.clone()];
            all.push(Inputs { base: base.cloned(), sides });
        }
    }
    all
}

/// The values that the final reads show of each record: those of siblings, and those of replicas that differ; and where
/// all agree in the end, what reads showed on the way.
fn of_history(text: &str) -> Vec<Inputs> {
    let mut seen: BTreeMap<String, BTreeSet<Value>> = BTreeMap::new();
    let mut keys: BTreeMap<u64, String> = BTreeMap::new();
    for line in text.lines() {
        let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let client = event.get("client").and_then(serde_json::Value::as_str).map(client_number);
        if let (Some(client), Some(key)) = (client, event.get("key").and_then(serde_json::Value::as_str)) {
            keys.insert(client, key.to_owned());
        }
        let key = event.get("key").and_then(serde_json::Value::as_str).map(str::to_owned);
        let Some(key) = key.or_else(|| client.and_then(|client| keys.get(&client).cloned())) else {
            continue;
        };
        let mut found: Vec<&serde_json::Value> = Vec::new();
        let places = [event.get("value"), event.get("result").and_then(|result| result.get("value"))];
        found.extend(places.into_iter().flatten());
        let versions = event.get("versions").and_then(serde_json::Value::as_array).into_iter().flatten();
        found.extend(versions.filter_map(|version| version.get("value")));
        for value in found {
            let Ok(value) = serde_json::from_value::<Value>(value.clone()) else { continue };
            let values = seen.entry(key.clone()).or_default();
            if values.len() < MOST_VALUES {
                values.insert(value);
            }
        }
    }
    let differing = seen.into_values().filter(|values| values.len() > 1).take(MOST_RECORDS);
    differing
        .flat_map(|values| {
            let versions: Vec<Option<Value>> = values.into_iter().map(Some).collect();
            triples_of(None, &versions)
        })
        .collect()
}

fn client_number(name: &str) -> u64 {
    name.trim_start_matches('c').parse().unwrap_or(u64::MAX)
}
