//! What `quarrel check` says of recorded histories: the verdict first, then what shows it, then where to look.

use super::{
    Found, Paint, Summary,
    figures::grouped,
    json::{VERSION, write as write_json},
    text::indented,
};
use quarrel_workloads::verdict::Verdict;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

/// All histories of one command.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// One a file, in the order in which they were named.
    pub files: Vec<CheckedFile>,
    /// Files in folders that are no histories, and so were not judged.
    pub passed_over: Vec<String>,
    /// How long it took together.
    pub seconds: f64,
}

/// One judged history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckedFile {
    /// The file.
    pub file: String,
    /// What it was judged by: a checker, or `contract`.
    pub checker: String,
    /// The checker's model, if it knows several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The verdict; unknown if the file could not be judged.
    pub verdict: Verdict,
    /// What was found.
    pub anomalies: Vec<CheckedAnomaly>,
    /// How many operations there are.
    pub operations: u64,
    /// From opening the file to the verdict.
    pub seconds: f64,
    /// Counts, and durations in the unit that their name tells.
    pub figures: BTreeMap<String, i64>,
    /// What else is to be known, a sentence each.
    pub notes: Vec<String>,
    /// Why it could not be judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One kind of breach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedAnomaly {
    /// Its name.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// The first one in a sentence.
    pub witness: String,
    /// The operations that show it.
    pub operations: Vec<WitnessOperation>,
    /// Sentences on a few others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<String>,
    /// Files with pictures, one a witness.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<String>,
}

/// An operation that shows a breach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WitnessOperation {
    /// The index of its invocation.
    pub index: u32,
    /// The line of its invocation in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The operation in words.
    pub text: String,
}

#[derive(Serialize)]
struct Whole<'a> {
    v: u32,
    verdict: Verdict,
    anomalies: Vec<Found>,
    operations: u64,
    seconds: f64,
    files: &'a [CheckedFile],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    passed_over: &'a [String],
}

impl CheckedFile {
    /// A file that could not be judged.
    #[must_use]
    pub fn failed(path: &Path, why: &str) -> Self {
        Self {
            file: path.display().to_string(),
            checker: String::new(),
            model: None,
            verdict: Verdict::Unknown,
            anomalies: Vec::new(),
            operations: 0,
            seconds: 0.0,
            figures: BTreeMap::new(),
            notes: Vec::new(),
            error: Some(why.to_owned()),
        }
    }

    /// A history of our own that was judged by its contract.
    #[must_use]
    pub fn of_run(path: &Path, run: &Summary) -> Self {
        let anomalies = run.anomalies.iter().map(|found| CheckedAnomaly {
            kind: found.kind.clone(),
            count: found.count,
            witness: found.witness.clone(),
            operations: Vec::new(),
            more: Vec::new(),
            pictures: Vec::new(),
        });
        Self {
            checker: "contract".to_owned(),
            verdict: run.verdict,
            anomalies: anomalies.collect(),
            operations: run.operations.total(),
            seconds: run.seconds,
            error: None,
            ..Self::failed(path, "")
        }
    }

    fn text(&self, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
        if let Some(error) = &self.error {
            writeln!(out, "{} {}", paint.verdict(Verdict::Fail, "ERROR"), paint.bold(&self.file))?;
            return indented(error, 2, out);
        }
        let word = paint.verdict(self.verdict, &self.verdict.to_string().to_uppercase());
        let model = self.model.as_ref().map(|model| format!(" ({model})")).unwrap_or_default();
        writeln!(
            out,
            "{word} {}  {}{model}  {} operations  {:.2}s",
            paint.bold(&self.file),
            self.checker,
            grouped(self.operations),
            self.seconds
        )?;
        for anomaly in &self.anomalies {
            anomaly.text(paint, out)?;
        }
        for note in &self.notes {
            indented(&format!("note: {note}"), 2, out)?;
        }
        Ok(())
    }
}

impl CheckedAnomaly {
    fn text(&self, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
        let times =
            if self.count == 1 { "once".to_owned() } else { format!("{} times", grouped(self.count)) };
        writeln!(out, "  {} {} {times}", paint.verdict(Verdict::Fail, "x "), paint.bold(&self.kind))?;
        indented(&self.witness, 5, out)?;
        for operation in &self.operations {
            let line = operation.line.map(|line| format!("line {line}: ")).unwrap_or_default();
            writeln!(out, "       {}{}", paint.dim(&line), operation.text)?;
        }
        self.more.iter().try_for_each(|more| indented(&format!("also: {more}"), 5, out))?;
        self.pictures.iter().try_for_each(|picture| writeln!(out, "     picture: {picture}"))
    }
}

impl Checked {
    /// The verdict of all together.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.files.iter().map(|file| file.verdict).fold(Verdict::Pass, Verdict::merge)
    }

    /// For people. `again` is the command that shows it again.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn text(&self, paint: Paint, again: &str, out: &mut dyn Write) -> io::Result<()> {
        for file in &self.files {
            file.text(paint, out)?;
        }
        if self.files.len() > 1 || !self.passed_over.is_empty() {
            let judged = self.files.iter().filter(|file| file.error.is_none());
            let count = |verdict| judged.clone().filter(|file| file.verdict == verdict).count();
            let errors = self.files.len() - judged.clone().count();
            let mut parts = vec![
                format!("{} histories", self.files.len()),
                format!("pass {}", count(Verdict::Pass)),
                format!("fail {}", count(Verdict::Fail)),
                format!("unknown {}", count(Verdict::Unknown)),
            ];
            parts.extend((errors > 0).then(|| format!("not judged {errors}")));
            let passed_over = self.passed_over.len();
            parts.extend((passed_over > 0).then(|| format!("passed over {passed_over}")));
            parts.push(format!("{:.2}s", self.seconds));
            writeln!(out, "{}", parts.join("  "))?;
        }
        if self.verdict() == Verdict::Pass {
            return Ok(());
        }
        writeln!(out, "  {} {again}", paint.dim("again"))
    }

    /// For programs: one object with a version and stable keys.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut anomalies: BTreeMap<&str, Found> = BTreeMap::new();
        for anomaly in self.files.iter().flat_map(|file| &file.anomalies) {
            let found = anomalies.entry(&anomaly.kind).or_insert_with(|| Found {
                kind: anomaly.kind.clone(),
                count: 0,
                witness: anomaly.witness.clone(),
            });
            found.count += anomaly.count;
        }
        let whole = Whole {
            v: VERSION,
            verdict: self.verdict(),
            anomalies: anomalies.into_values().collect(),
            operations: self.files.iter().map(|file| file.operations).sum(),
            seconds: self.seconds,
            files: &self.files,
            passed_over: &self.passed_over,
        };
        write_json(&whole, out)
    }
}
