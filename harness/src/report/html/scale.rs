//! From values to coordinates, and where an axis has its ticks.

/// A way to lay values along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    /// The values at both ends.
    domain: (f64, f64),
    /// The coordinates of both ends.
    range: (f64, f64),
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Linear,
    Logarithmic,
}

impl Scale {
    /// Equal differences are equally far apart.
    pub(super) fn linear(domain: (f64, f64), range: (f64, f64)) -> Self {
        let domain = if domain.1 > domain.0 { domain } else { (domain.0, domain.0 + 1.0) };
        Self { domain, range, kind: Kind::Linear }
    }

    /// Equal ratios are equally far apart. Values are above 0.
    pub(super) fn logarithmic(domain: (f64, f64), range: (f64, f64)) -> Self {
        let low = domain.0.max(f64::MIN_POSITIVE);
        let domain = if domain.1 > low { (low, domain.1) } else { (low, low * 10.0) };
        Self { domain, range, kind: Kind::Logarithmic }
    }

    /// The coordinate of a value; those outside are put at the end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.domain.0, self.domain.1);
        let share = match self.kind {
            Kind::Linear => (value - self.domain.0) / (self.domain.1 - self.domain.0),
            Kind::Logarithmic => (value / self.domain.0).ln() / (self.domain.1 / self.domain.0).ln(),
        };
        share.mul_add(self.range.1 - self.range.0, self.range.0)
    }

    /// The values at which the axis has a tick: round ones, about `about` of them; all powers of ten if it is
    /// logarithmic.
    pub(super) fn ticks(&self, about: u32) -> Vec<f64> {
        match self.kind {
            Kind::Linear => self.linear_ticks(about),
            Kind::Logarithmic => {
                let mut power = 10_f64.powf((self.domain.0 * 0.999).log10().ceil());
                let mut ticks = Vec::new();
                while power <= self.domain.1 * 1.001 {
                    ticks.push(power);
                    power *= 10.0;
                }
                ticks
            }
        }
    }

    fn linear_ticks(&self, about: u32) -> Vec<f64> {
        let raw = (self.domain.1 - self.domain.0) / f64::from(about.max(1));
        let power = 10_f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= raw);
        let step = step.unwrap_or(10.0 * power);
        let mut at = (self.domain.0 / step).ceil();
        let mut ticks = Vec::new();
        while at * step <= step.mul_add(1e-6, self.domain.1) {
            ticks.push(at * step);
            at += 1.0;
        }
        ticks
    }
}

/// A length of time on an axis or in a table: `40 us`, `2.5 ms`, `1.2 s`.
pub(super) fn duration(seconds: f64) -> String {
    let digits = |value: f64| {
        if value >= 100.0 || (value - value.round()).abs() < 0.005 {
            format!("{value:.0}")
        } else if value >= 10.0 {
            format!("{value:.1}")
        } else {
            format!("{value:.2}").trim_end_matches('0').to_owned()
        }
    };
    match seconds {
        ..0.001 => format!("{} \u{b5}s", digits((seconds * 1e6).round())),
        ..1.0 => format!("{} ms", digits(seconds * 1e3)),
        _ => format!("{} s", digits(seconds)),
    }
}

/// A number of seconds on a time axis, with as many digits as its neighbours need.
pub(super) fn tick(seconds: f64) -> String {
    let text = format!("{seconds:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Nanoseconds as seconds, to draw.
#[expect(clippy::cast_precision_loss, reason = "half the width of a dot is more than this loses")]
pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(Scale::linear((0.0, 2.66), (0.0, 1.0)).ticks(6), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]);
        let ticks = Scale::logarithmic((0.000_2, 3.0), (0.0, 1.0)).ticks(0);
        assert_eq!(
            ticks.iter().map(|&tick| duration(tick)).collect::<Vec<_>>(),
            ["1 ms", "10 ms", "100 ms", "1 s"]
        );
    }

    #[test]
    fn the_ends_of_a_scale_are_the_ends_of_its_range() {
        let scale = Scale::logarithmic((0.001, 10.0), (300.0, 20.0));
        assert_eq!((scale.at(0.001), scale.at(10.0), scale.at(99.0)), (300.0, 20.0, 20.0));
        assert!((scale.at(0.1) - 160.0).abs() < 1e-9);
        assert!(Scale::linear((2.0, 2.0), (0.0, 9.0)).at(2.0).is_finite());
    }

    #[test]
    fn durations_keep_three_digits() {
        let shown = [0.000_04, 0.002_5, 0.041, 1.234, 12.5, 0.0].map(duration);
        assert_eq!(shown, ["40 \u{b5}s", "2.5 ms", "41 ms", "1.23 s", "12.5 s", "0 \u{b5}s"]);
    }
}
