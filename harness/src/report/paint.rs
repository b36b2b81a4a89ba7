//! Colours, for terminals only.

use anstyle::{AnsiColor, Style};
use quarrel_workloads::verdict::Verdict;

/// Paints, or leaves as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Paint {
    /// Whether the place that is written to shows colours.
    pub on: bool,
}

impl Paint {
    /// In the colour of the verdict.
    #[must_use]
    pub fn verdict(self, verdict: Verdict, text: &str) -> String {
        let colour = match verdict {
            Verdict::Pass => AnsiColor::Green,
            Verdict::Unknown => AnsiColor::Yellow,
            Verdict::Fail => AnsiColor::Red,
        };
        self.styled(colour.on_default().bold(), text)
    }

    /// For what can be read over.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.styled(Style::new().dimmed(), text)
    }

    /// For what is to be seen first.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.styled(Style::new().bold(), text)
    }

    fn styled(self, style: Style, text: &str) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}
