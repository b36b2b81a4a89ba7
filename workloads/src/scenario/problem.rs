//! What is wrong with a scenario, and how that is drawn.
//!
//! A [`Problem`] knows nothing of the file: it names a value by its path, such as `nemesis.partition[1].for`. Where
//! there is a source, [`ScenarioError`] finds the line and draws it as rustc does.

use super::locate::Document;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::{fmt, ops::Range};

/// One thing that is wrong: what, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path of the value, such as `nemesis.partition[1].for`; empty for the scenario as a whole.
    pub path: String,
    /// What is wrong, in a sentence.
    pub message: String,
    /// A few words for the place itself; may be empty.
    pub label: String,
    /// How to mend it, with something to copy.
    pub help: String,
}

impl Problem {
    pub(super) fn new(
        path: impl Into<String>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { path: path.into(), message: message.into(), label: label.into(), help: help.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error: ")?;
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path)?;
        }
        write!(f, "{}\nhelp: {}", self.message, self.help)
    }
}

/// Where a problem comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Site {
    /// These bytes of the file.
    File(Range<usize>),
    /// Not the file: the name of a flag or of an environment variable.
    Override(String),
}

/// A scenario file that cannot be used, with everything that is wrong with it.
///
/// `Display` draws without colours; [`ScenarioError::render`] chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    file: String,
    text: String,
    problems: Vec<(Problem, Site)>,
}

impl ScenarioError {
    pub(super) fn new(file: &str, text: &str, problems: Vec<(Problem, Site)>) -> Self {
        Self { file: file.to_owned(), text: text.to_owned(), problems }
    }

    /// Places the problems in the document.
    pub(super) fn locate(file: &str, text: &str, document: &Document<'_>, problems: Vec<Problem>) -> Self {
        let locate = |problem: Problem| {
            let place = Site::File(document.place(&problem.path));
            (problem, place)
        };
        Self::new(file, text, problems.into_iter().map(locate).collect())
    }

    /// All problems, in the order of the report.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().map(|(problem, _)| problem)
    }

    /// Draws all problems, with colours or without.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
        let drawn: Vec<String> =
            self.problems.iter().map(|(problem, site)| self.draw(&renderer, problem, site)).collect();
        drawn.join("\n\n")
    }

    fn draw(&self, renderer: &Renderer, problem: &Problem, site: &Site) -> String {
        let title = Level::ERROR.primary_title(&problem.message);
        let help = Group::with_title(Level::HELP.secondary_title(&problem.help));
        match site {
            Site::File(span) => {
                let mark = AnnotationKind::Primary.span(span.clone());
                let mark = if problem.label.is_empty() { mark } else { mark.label(&problem.label) };
                let source = Snippet::source(&self.text).path(&self.file).annotation(mark);
                renderer.render(&[title.element(source), help])
            }
            Site::Override(name) => {
                let note = Level::NOTE.message(format!("`{}` was set by {name}", problem.path));
                renderer.render(&[title.element(note), help])
            }
        }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ScenarioError {}

/// The name in `known` that is closest to `name`, if it is close enough to be a slip of the finger.
pub(super) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = name.chars().count().div_ceil(3).max(1);
    let distances = known.into_iter().map(|candidate| (distance(name, candidate), candidate));
    distances
        .filter(|&(distance, _)| distance <= bound)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// The optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut last = None;
    for (i, l) in left.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, &r) in right.iter().enumerate() {
            let mut best = (row[j] + usize::from(l != r)).min(row[j + 1] + 1).min(next[j] + 1);
            if j > 0 && last == Some(r) && right[j - 1] == l {
                best = best.min(before[j - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
        last = Some(l);
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_close_and_another_word_is_not() {
        assert_eq!(distance("laeders", "leaders"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(did_you_mean("topolgy", ["leaders", "topology"]), Some("topology"));
        assert_eq!(did_you_mean("colour", ["leaders", "topology"]), None);
    }
}
