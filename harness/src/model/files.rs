//! Witnesses on disk: for each violated property one JSON file and one picture.

use super::Answer;
use quarrel_models::{
    check::{Verdict, found, witness},
    diagram::{scene, svg},
    witness::{Witness, lay_out},
};
use std::{fs, io, path::Path};

/// A witness and the name of its files, without their endings.
#[derive(Debug, Clone)]
pub struct WitnessFile {
    /// The name, such as `lww-wall-clock-register-ring-skew-causal-inversion`.
    pub name: String,
    /// The witness.
    pub witness: Witness,
}

impl WitnessFile {
    /// The witnesses of an answer: one for each property that is violated.
    #[must_use]
    pub fn of(answer: &Answer) -> Vec<Self> {
        let question = &answer.question;
        let scope = question.world.scope();
        let cell =
            format!("{} {} {} {}", scope.strategy, scope.workload, scope.topology.name(), question.fault);
        let file = |(property, verdict): (quarrel_models::check::Property, &Verdict)| {
            let Verdict::Violated { path, .. } = verdict else { return None };
            let witness = witness(&question.world, path, found(&question.world, property.name()));
            Some(Self { name: file_name(&format!("{cell} {property}")), witness })
        };
        answer.iter().filter_map(file).collect()
    }

    /// The witness as it is written: JSON on lines of a bearable length.
    ///
    /// # Errors
    /// None in practice: what serde reports.
    pub fn json(&self) -> io::Result<String> {
        Ok(lay_out(&serde_json::to_string(&self.witness)?))
    }

    /// Its space-time diagram.
    ///
    /// # Errors
    /// If it cannot be played: a defect of ours.
    pub fn svg(&self) -> io::Result<String> {
        scene(&self.witness).map(|scene| svg(&scene)).map_err(io::Error::other)
    }
}

/// Writes witnesses into a folder, which is made if it is not there.
///
/// # Errors
/// If the folder or a file cannot be written.
pub fn write_witnesses(folder: &Path, files: &[WitnessFile]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for file in files {
        fs::write(folder.join(format!("{}.json", file.name)), file.json()?)?;
        fs::write(folder.join(format!("{}.svg", file.name)), file.svg()?)?;
    }
    Ok(())
}

/// Lower-case letters, digits and single hyphens.
fn file_name(words: &str) -> String {
    let mut name = String::new();
    for c in words.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('-') && !name.is_empty() {
            name.push('-');
        }
    }
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_needs_no_quotes() {
        assert_eq!(file_name("lww (wall clock, no tie rule) | ring"), "lww-wall-clock-no-tie-rule-ring");
    }
}
