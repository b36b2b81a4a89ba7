//! Latencies as text, for a terminal of 80 columns.

use super::LatencyReport;
use crate::{
    latency::{COMPARED, Measured, Metric, Weight, rank},
    report::{Paint, Table, figures::latency, grouped, text::indented},
};
use quarrel_workloads::verdict::Verdict;
use std::io::{self, Write};

/// Text.
#[derive(Debug, Clone, Copy, Default)]
pub struct LatencyText {
    /// Colours, where they are shown.
    pub paint: Paint,
}

impl LatencyText {
    /// Writes the report: the verdict, what is missed, the figures, the command.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn write(&self, report: &LatencyReport, out: &mut dyn Write) -> io::Result<()> {
        self.head(report, out)?;
        for measured in &report.outcome.topologies {
            self.setup(measured, out)?;
        }
        Self::predictions(report, out)?;
        self.differences(report, out)?;
        Self::saturation(report, out)?;
        if let Some(results) = &report.results {
            writeln!(out, "  run    {results}")?;
        }
        writeln!(out, "  again  {}", report.again)
    }

    fn head(&self, report: &LatencyReport, out: &mut dyn Write) -> io::Result<()> {
        let outcome = &report.outcome;
        let verdict = outcome.verdict.merge(outcome.threshold_verdict());
        let word = match verdict {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
            Verdict::Unknown => "UNKNOWN",
        };
        let head = self.paint.verdict(verdict, word);
        writeln!(out, "{head} latency  {}  seed {}  {:.1}s", report.load, report.seed, report.seconds)?;
        for reason in &outcome.reasons {
            indented(reason, 2, out)?;
        }
        for held in &outcome.thresholds {
            let sign = match held.verdict {
                Verdict::Pass => "ok",
                Verdict::Fail => "x ",
                Verdict::Unknown => "??",
            };
            let measured = match held.measured {
                Some(seconds) if held.is_time => latency(seconds),
                Some(number) => plain(number),
                None => "nothing was measured".to_owned(),
            };
            let line = format!("{sign} {:<34} {:<14} {measured}", held.threshold, held.setup);
            writeln!(out, "  {}", self.paint.verdict(held.verdict, &line))?;
        }
        if outcome.interrupted {
            writeln!(out, "  interrupted: what follows is of the repetitions that were complete")?;
        }
        Ok(())
    }

    fn setup(&self, measured: &Measured, out: &mut dyn Write) -> io::Result<()> {
        let delay =
            measured.link_delay.map_or(String::new(), |delay| format!(", links of {}", latency(delay)));
        let name = self.paint.bold(&measured.name());
        writeln!(out, "\n  {name}  {}{delay}", measured.strategy)?;
        let mut table =
            Table::new(["", "p50", "p90", "p99", "p99.9", "max", "count", "p50 from-to"]).of_numbers();
        let mut names: Vec<&String> = measured.metrics.keys().filter(|name| is_shown(name)).collect();
        names.sort_by_key(|name| rank(name));
        for name in names {
            let metric = &measured.metrics[name];
            let figures = [metric.p50, metric.p90, metric.p99, metric.p999, metric.max].map(latency);
            let mut row = vec![name.clone()];
            row.extend(figures);
            row.extend([grouped(metric.count), spread(metric)]);
            table.row(row);
        }
        table.write(4, out)?;
        let scalars: Vec<String> = measured
            .scalars
            .iter()
            .map(|(name, scalar)| format!("{name} {}", plain(scalar.median)))
            .collect();
        indented(&scalars.join(", "), 4, out)
    }

    /// What links and hops let expect, beside what was measured.
    fn predictions(report: &LatencyReport, out: &mut dyn Write) -> io::Result<()> {
        let mut table =
            Table::new(["prediction: hops x link", "hops", "predicted", "visibility", "lag"]).of_numbers();
        for measured in &report.outcome.topologies {
            for hops in 1..=measured.leaders {
                let of = |kind: &str| measured.metrics.get(&format!("{kind}.hops-{hops}"));
                let (Some(visibility), Some(lag)) = (of("visibility"), of("lag")) else { continue };
                let predicted = visibility.predicted.unwrap_or(0.0);
                let off = |metric: &Metric| format!("{:+.2}ms", (metric.p50 - predicted) * 1e3);
                let cells =
                    [measured.name(), hops.to_string(), latency(predicted), off(visibility), off(lag)];
                table.row(cells);
            }
        }
        if table.rows() > 1 {
            writeln!(out)?;
            table.write(2, out)?;
            writeln!(out, "  the last two: how far the measured medians are from the prediction")?;
        }
        Ok(())
    }

    fn differences(&self, report: &LatencyReport, out: &mut dyn Write) -> io::Result<()> {
        let outcome = &report.outcome;
        let Some(first) = outcome.differences.first() else { return Ok(()) };
        let title = format!("against {}", first.first);
        let mut table = Table::new([title.as_str(), "metric", "", "slower by", "spread", ""]);
        for difference in &outcome.differences {
            let judgement = match difference.judgement {
                Weight::Real => {
                    if difference.seconds > 0.0 {
                        "slower"
                    } else {
                        "faster"
                    }
                }
                Weight::Noise => "noise",
                Weight::Unknown => "one repetition: unknown",
            };
            let sign = if difference.seconds < 0.0 { "-" } else { "" };
            let by = format!("{sign}{}", latency(difference.seconds.abs()));
            let (other, metric, figure) = (&difference.other, &difference.metric, &difference.figure);
            table.row([other, metric, figure, &by, &latency(difference.spread), judgement]);
        }
        writeln!(out)?;
        table.write(2, out)
    }

    fn saturation(report: &LatencyReport, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["throughput", "offered/s", "achieved/s", "p50", "p99", ""]).of_numbers();
        for measured in &report.outcome.topologies {
            for step in &measured.saturation {
                let [p50, p99] = [step.latency.p50, step.latency.p99].map(latency);
                let word = if step.keeps_up() { "" } else { "saturated" };
                let (offered, achieved) = (plain(step.offered), plain(step.achieved));
                table.row([measured.name(), offered, achieved, p50, p99, word.to_owned()]);
            }
        }
        writeln!(out)?;
        if table.rows() > 1 { table.write(2, out) } else { Ok(()) }
    }
}

/// Of each metric that which most people ask for; the rest is in the files.
fn is_shown(name: &str) -> bool {
    COMPARED.contains(&name)
        || name == "converge.heal"
        || (name.starts_with("visibility.hops-") && !name.contains('@') && !name.ends_with(".actual"))
        || ["write.ack.actual", "write.ack@partition", "visibility.all@partition"].contains(&name)
        || name == "visibility.all@recovery"
}

fn spread(metric: &Metric) -> String {
    let (least, most) = metric.p50_spread;
    if least > most { "-".to_owned() } else { format!("{}-{}", latency(least), latency(most)) }
}

/// A number in about three digits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of operations")]
pub(super) fn plain(number: f64) -> String {
    if number >= 100.0 { grouped(number.round() as u64) } else { format!("{number:.1}") }
}
