//! Thresholds: `p99(write.ack) < 5ms`, `throughput >= 900`.

use super::metric::{Figures, is_latency, is_scalar, known};
use quarrel_workloads::{scenario::Span, verdict::Verdict};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A bound on a figure. Every setup must keep it.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    text: String,
    /// Which figure of a latency; none of a scalar.
    quantile: Option<Quantile>,
    metric: String,
    relation: Relation,
    /// Seconds, or what the scalar counts.
    bound: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantile {
    P50,
    P90,
    P99,
    P999,
    Max,
    Mean,
}

const QUANTILES: [(&str, Quantile); 7] = [
    ("p50", Quantile::P50),
    ("p90", Quantile::P90),
    ("p99", Quantile::P99),
    ("p99.9", Quantile::P999),
    ("p999", Quantile::P999),
    ("max", Quantile::Max),
    ("mean", Quantile::Mean),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// The longer signs first: they begin with the shorter ones.
const RELATIONS: [(&str, Relation); 4] =
    [("<=", Relation::AtMost), (">=", Relation::AtLeast), ("<", Relation::Less), (">", Relation::Greater)];

/// A threshold held against a setup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The threshold as it was written.
    pub threshold: String,
    /// The setup.
    pub setup: String,
    /// What was measured, in seconds or in what the scalar counts; nothing if nothing was.
    pub measured: Option<f64>,
    /// Whether it is a length of time.
    pub is_time: bool,
    /// `pass`, `fail`, or `unknown` where nothing was measured.
    pub verdict: Verdict,
}

impl Threshold {
    /// Holds the threshold against what was measured of a setup.
    pub(super) fn hold(
        &self,
        setup: &str,
        latency: impl Fn(&str) -> Option<Figures>,
        scalar: impl Fn(&str) -> Option<f64>,
    ) -> Held {
        let measured = match self.quantile {
            Some(quantile) => latency(&self.metric).filter(|of| of.count > 0).map(|of| quantile.of(&of)),
            None => scalar(&self.metric),
        };
        let verdict = measured.map_or(Verdict::Unknown, |measured| {
            if self.relation.holds(measured, self.bound) { Verdict::Pass } else { Verdict::Fail }
        });
        let is_time = self.quantile.is_some();
        Held { threshold: self.text.clone(), setup: setup.to_owned(), measured, is_time, verdict }
    }
}

impl Quantile {
    const fn of(self, figures: &Figures) -> f64 {
        match self {
            Self::P50 => figures.p50,
            Self::P90 => figures.p90,
            Self::P99 => figures.p99,
            Self::P999 => figures.p999,
            Self::Max => figures.max,
            Self::Mean => figures.mean,
        }
    }
}

impl Relation {
    fn holds(self, measured: f64, bound: f64) -> bool {
        match self {
            Self::Less => measured < bound,
            Self::AtMost => measured <= bound,
            Self::Greater => measured > bound,
            Self::AtLeast => measured >= bound,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || {
            format!(
                "`{text}` is no threshold: write a percentile of a latency, such as `p99(write.ack) < 5ms`, or a \
                 number, such as `throughput >= 900`"
            )
        };
        let (at, sign, relation) = RELATIONS
            .iter()
            .filter_map(|(sign, relation)| text.find(sign).map(|at| (at, *sign, *relation)))
            .next()
            .ok_or_else(shape)?;
        let (left, right) = (text[..at].trim(), text[at + sign.len()..].trim());
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some((name, rest)) = left.split_once('(') else {
            if is_latency(left) {
                return Err(format!(
                    "`{left}` is a distribution: say which percentile, such as `p99({left})`"
                ));
            }
            if !is_scalar(left) {
                return Err(unknown(left));
            }
            let bound = right.parse().map_err(|_| format!("`{right}` is not a number"))?;
            return Ok(Self { text, quantile: None, metric: left.to_owned(), relation, bound });
        };
        let metric = rest.strip_suffix(')').ok_or_else(shape)?.trim();
        let quantile = QUANTILES.iter().find(|(known, _)| *known == name.trim()).map(|(_, q)| *q);
        let quantile = quantile.ok_or_else(|| {
            format!("`{}` is no percentile, write one of p50, p90, p99, p99.9, max, mean", name.trim())
        })?;
        if is_scalar(metric) {
            return Err(format!("`{metric}` is one number: write it without `{}(...)`", name.trim()));
        }
        if !is_latency(metric) {
            return Err(unknown(metric));
        }
        let bound: Span = right.parse()?;
        let (quantile, bound) = (Some(quantile), bound.duration().as_secs_f64());
        Ok(Self { text, quantile, metric: metric.to_owned(), relation, bound })
    }
}

fn unknown(name: &str) -> String {
    format!("there is no metric `{name}`; there are:\n  {}", known())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn held(text: &str) -> Verdict {
        let threshold: Threshold = text.parse().unwrap();
        let figures = Figures { p50: 0.001, p99: 0.004, max: 0.01, count: 10, ..Figures::default() };
        let latency = |name: &str| match name {
            "write.ack" => Some(figures),
            "read.ack" => Some(Figures::default()),
            _ => None,
        };
        threshold.hold("ring x3", latency, |name| (name == "throughput").then_some(900.0)).verdict
    }

    #[test]
    fn a_threshold_is_kept_or_missed_or_nobody_knows() {
        assert_eq!(held("p99(write.ack) < 5ms"), Verdict::Pass);
        assert_eq!(held("p99( write.ack )<4ms"), Verdict::Fail);
        assert_eq!(held("p99(write.ack) <= 4ms"), Verdict::Pass);
        assert_eq!(held("max(write.ack) < 10ms"), Verdict::Fail);
        assert_eq!(held("throughput >= 900"), Verdict::Pass);
        assert_eq!(held("throughput > 900"), Verdict::Fail);
        // Nothing was measured, so nothing is known: zero reads are not fast reads.
        assert_eq!(held("p99(read.ack) < 5ms"), Verdict::Unknown);
        assert_eq!(held("p50(visibility.hops-9) < 5ms"), Verdict::Unknown);
        assert_eq!(held("messages-per-write < 5"), Verdict::Unknown);
    }

    #[test]
    fn what_names_nothing_is_an_error_that_lists_what_there_is() {
        let why = |text: &str| text.parse::<Threshold>().unwrap_err();
        assert!(
            why("p99(wirte.ack) < 5ms").contains("there is no metric `wirte.ack`; there are:\n  write.ack")
        );
        assert!(why("p98(write.ack) < 5ms").contains("p50, p90"));
        assert!(why("write.ack < 5ms").contains("p99(write.ack)"));
        assert!(why("p99(throughput) < 5").contains("without"));
        assert!(why("goodput > 5").contains("there is no metric `goodput`"));
        assert!(why("p99(write.ack) < 5").contains("length of time"));
        assert!(why("p99(write.ack < 5ms").contains("is no threshold"));
        assert!(why("fast").contains("is no threshold"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_to_be_refused_politely(text in ".{0,40}") {
            let _ = text.parse::<Threshold>();
        }
    }
}
