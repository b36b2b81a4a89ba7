//! What `quarrel ci` says: text, JSON, JUnit, a step summary, annotations.

use super::{
    Annotations, Format as _, Junit, Markdown, ModelMarkdown, Modelled, Paint, Report, Summary, VERSION,
    grouped,
    markdown::{capped, escaped, sign},
    text::indented,
    write_json,
};
use crate::{ci::Regression, sim::Tally};
use quarrel_workloads::verdict::Verdict;
use quick_junit::{NonSuccessKind, Report as Junits, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;
use std::io::{self, Write};

/// A scenario in the simulator.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedCi {
    /// The scenario.
    pub scenario: String,
    /// What the seeds showed, together.
    pub tally: Tally,
    /// The command that shows it again.
    pub again: String,
}

/// All that a pipeline was shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CiReport {
    /// The scenarios in the model.
    pub modelled: Vec<Modelled>,
    /// The scenarios in the simulator.
    pub simulated: Vec<SimulatedCi>,
    /// All live runs.
    pub runs: Vec<Summary>,
    /// What did not fit, and where: a sentence each.
    pub left_out: Vec<String>,
    /// What is new or worse than the baseline.
    pub regressions: Vec<Regression>,
    /// What the baseline cannot judge.
    pub unjudged: Vec<String>,
    /// The budget and what was used of it, seconds.
    pub budget: f64,
    /// What was used.
    pub seconds: f64,
    /// The folder of the summary.
    pub results: Option<String>,
    /// The command that does it again.
    pub again: String,
    /// Whether unknown is a failure.
    pub ci: bool,
}

impl SimulatedCi {
    /// What the contract says of each finding, and of the marks and findings that never came; then the whole.
    fn cases(&self) -> Vec<(String, Verdict, String)> {
        let tally = &self.tally;
        let found = tally.findings.iter().map(|of| {
            let why = format!("{} times, first under seed {}: {}", of.count, of.first_seed, of.evidence);
            (of.kind.to_owned(), of.verdict, why)
        });
        let absent = tally
            .missing
            .iter()
            .map(|kind| ((*kind).to_owned(), Verdict::Unknown, "was not found".to_owned()));
        let marks = tally.marks.iter().filter(|mark| mark.required && mark.hits == 0);
        let marks =
            marks.map(|mark| (format!("mark: {}", mark.name), Verdict::Unknown, "never arose".to_owned()));
        let why = format!("{} seeds", tally.seeds);
        found.chain(absent).chain(marks).chain([("contract".to_owned(), tally.verdict, why)]).collect()
    }
}

impl CiReport {
    /// Of each scenario the run that says most: the first of those with the worst verdict.
    #[must_use]
    pub fn representatives(&self) -> Vec<&Summary> {
        let mut chosen: Vec<&Summary> = Vec::new();
        for run in &self.runs {
            match chosen.iter_mut().find(|other| other.scenario == run.scenario) {
                None => chosen.push(run),
                Some(other) if other.verdict.merge(run.verdict) != other.verdict => *other = run,
                Some(_) => {}
            }
        }
        chosen
    }

    /// The verdict of everything together.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let model = self.modelled.iter().map(|one| one.outcome.verdict);
        let simulated = self.simulated.iter().map(|one| one.tally.verdict);
        let live = self.runs.iter().map(|run| run.verdict);
        let left_out = self.left_out.iter().map(|_| Verdict::Unknown);
        let worse = self.regressions.iter().map(|_| Verdict::Fail);
        model.chain(simulated).chain(live).chain(left_out).chain(worse).fold(Verdict::Pass, Verdict::merge)
    }

    fn runs_of(&self, scenario: &str) -> usize {
        self.runs.iter().filter(|run| run.scenario == scenario).count()
    }

    fn live(&self) -> Report {
        Report { runs: self.representatives().into_iter().cloned().collect(), tour: None }
    }

    /// Text for a terminal.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn text(&self, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
        let verdict = self.verdict();
        let word = paint.verdict(verdict, &verdict.to_string().to_uppercase());
        writeln!(out, "{word} ci  {:.1}s of a budget of {:.0}s", self.seconds, self.budget)?;
        for one in &self.modelled {
            let verdict = one.outcome.verdict;
            let head = format!("{:<7} model  {}", verdict.to_string(), one.scenario);
            writeln!(out, "  {}", paint.verdict(verdict, &head))?;
            for reason in one.outcome.reasons.iter().filter(|reason| reason.verdict != Verdict::Pass) {
                indented(&format!("{}: {}", reason.finding, reason.why), 10, out)?;
            }
        }
        for one in &self.simulated {
            let (verdict, seeds) = (one.tally.verdict, grouped(one.tally.seeds));
            let head = format!("{:<7} sim    {}", verdict.to_string(), one.scenario);
            writeln!(out, "  {}  {seeds} seeds", paint.verdict(verdict, &head))?;
            for (name, _, why) in one.cases().into_iter().filter(|(_, verdict, _)| *verdict != Verdict::Pass)
            {
                indented(&format!("{name}: {why}"), 10, out)?;
            }
            if verdict != Verdict::Pass {
                writeln!(out, "          again  {}", one.again)?;
            }
        }
        for run in self.representatives() {
            let (times, seed) = (self.runs_of(&run.scenario), run.seed);
            let head = format!("{:<7} live   {}", run.verdict.to_string(), run.scenario);
            writeln!(out, "  {}  {times} runs, shown: seed {seed}", paint.verdict(run.verdict, &head))?;
            for property in run.of(Verdict::Fail).chain(run.of(Verdict::Unknown)) {
                indented(&format!("{}: {}", property.name, property.detail), 10, out)?;
            }
            if run.verdict != Verdict::Pass {
                writeln!(out, "          again  {}", run.again)?;
            }
        }
        for regression in &self.regressions {
            indented(&format!("worse: {}: {}", regression.scenario, regression.what), 2, out)?;
        }
        for what in &self.left_out {
            indented(&format!("unknown: {what}"), 2, out)?;
        }
        for what in &self.unjudged {
            indented(&format!("not compared: {what}"), 2, out)?;
        }
        if let Some(results) = &self.results {
            writeln!(out, "  run    {results}")?;
        }
        writeln!(out, "  again  {}", self.again)
    }

    /// One JSON object.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let model = |one: &Modelled| {
            json!({ "scenario": one.scenario, "verdict": one.outcome.verdict, "reasons": one.outcome.reasons,
                    "results": one.results, "again": one.again })
        };
        let simulated = |one: &SimulatedCi| {
            json!({ "scenario": one.scenario, "verdict": one.tally.verdict, "seeds": one.tally.seeds,
                    "findings": one.tally.findings, "missing": one.tally.missing,
                    "digest": format!("{:016x}", one.tally.digest), "again": one.again })
        };
        let whole = json!({
            "v": VERSION,
            "verdict": self.verdict(),
            "model": self.modelled.iter().map(model).collect::<Vec<_>>(),
            "sim": self.simulated.iter().map(simulated).collect::<Vec<_>>(),
            "runs": self.runs,
            "left_out": self.left_out,
            "regressions": self.regressions,
            "unjudged": self.unjudged,
            "budget": self.budget,
            "seconds": self.seconds,
            "results": self.results,
            "again": self.again,
        });
        write_json(&whole, out)
    }

    /// `JUnit`: a suite a scenario and arena, a case a property; what was left out and what is worse in suites of
    /// their own.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn junit(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut junits = Junits::new("quarrel ci");
        for one in &self.modelled {
            let name = format!("{} (model)", one.scenario);
            let reasons = &one.outcome.reasons;
            let cases = reasons.iter().map(|of| (of.finding.to_string(), of.verdict, of.why.clone()));
            // A contract that forbids nothing that a model can find is held all the same.
            let whole = ("contract".to_owned(), one.outcome.verdict, String::new());
            junits.add_test_suite(self.suite(&name, cases.chain([whole]), &one.again));
        }
        for one in &self.simulated {
            let name = format!("{} (sim)", one.scenario);
            junits.add_test_suite(self.suite(&name, one.cases().into_iter(), &one.again));
        }
        for run in self.representatives() {
            junits.add_test_suite(Junit { ci: self.ci }.suite(run));
        }
        if !self.left_out.is_empty() {
            let cases = self.left_out.iter().map(|what| (what.clone(), Verdict::Unknown, what.clone()));
            junits.add_test_suite(self.suite("left out", cases, &self.again));
        }
        if !self.regressions.is_empty() {
            let cases = self.regressions.iter().map(|regression| {
                (
                    format!("{}: {}", regression.scenario, regression.what),
                    Verdict::Fail,
                    regression.what.clone(),
                )
            });
            junits.add_test_suite(self.suite("baseline", cases, &self.again));
        }
        junits.serialize(out).map_err(io::Error::other)
    }

    fn suite(
        &self,
        name: &str,
        cases: impl Iterator<Item = (String, Verdict, String)>,
        again: &str,
    ) -> TestSuite {
        let mut suite = TestSuite::new(name);
        for (case, verdict, detail) in cases {
            let mut status = match verdict {
                Verdict::Pass => TestCaseStatus::success(),
                Verdict::Unknown if !self.ci => TestCaseStatus::skipped(),
                _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
            };
            if verdict != Verdict::Pass {
                status.set_message(detail);
            }
            if verdict == Verdict::Fail || (verdict == Verdict::Unknown && self.ci) {
                status.set_description(format!("again: {again}"));
            }
            let mut case = TestCase::new(case, status);
            case.set_classname(format!("quarrel.{name}"));
            suite.add_test_case(case);
        }
        suite
    }

    /// A step summary.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut text = Vec::new();
        writeln!(text, "## quarrel ci: {}\n", sign(self.verdict()))?;
        writeln!(
            text,
            "{:.0} s of a budget of {:.0} s; again: `{}`\n",
            self.seconds, self.budget, self.again
        )?;
        for regression in &self.regressions {
            let (scenario, what) = (escaped(&regression.scenario), escaped(&regression.what));
            writeln!(text, "- **worse than the baseline**: {scenario}: {what}")?;
        }
        for what in &self.left_out {
            writeln!(text, "- **unknown**: {}", escaped(what))?;
        }
        for what in &self.unjudged {
            writeln!(text, "- not compared: {}", escaped(what))?;
        }
        writeln!(text)?;
        Markdown.write(&self.live(), &mut text)?;
        for one in &self.simulated {
            let (name, seeds) = (escaped(&one.scenario), grouped(one.tally.seeds));
            writeln!(text, "\n### {} {name}, simulated\n\n- {seeds} seeds", sign(one.tally.verdict))?;
            for (name, verdict, why) in one.cases() {
                writeln!(text, "- {} **{}**: {}", sign(verdict), escaped(&name), escaped(&why))?;
            }
            writeln!(text, "- again: `{}`", one.again)?;
        }
        writeln!(text)?;
        ModelMarkdown.scenarios(&self.modelled, &mut text)?;
        out.write_all(capped(String::from_utf8_lossy(&text).into_owned()).as_bytes())
    }

    /// Annotations of GitHub: at most one a property that does not hold.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn annotations(&self, out: &mut dyn Write) -> io::Result<()> {
        Annotations { ci: self.ci }.write(&self.live(), out)
    }
}
