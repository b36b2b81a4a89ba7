//! The budget: what still fits.

use quarrel_workloads::scenario::Scenario;
use std::time::Duration;

/// What a live run takes beside its load: to start, to come to rest, to judge.
const AROUND: Duration = Duration::from_millis(2000);

/// Which form of a scenario is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// As it is.
    Whole,
    /// In its quick form.
    Quick,
    /// Not at all: there is no room.
    LeftOut,
}

/// The form of a scenario that fits, if those that still wait each get as much as it does. `measured` is what the
/// scenario took beyond its load when it was run before, if it was.
#[must_use]
pub fn choose(scenario: &Scenario, left: Duration, waiting: usize, measured: Option<Duration>) -> Choice {
    let around = measured.unwrap_or(AROUND);
    let share = left / u32::try_from(waiting.max(1)).unwrap_or(u32::MAX);
    let whole = scenario.phases.load() + around;
    let quick = scenario.quicken().phases.load() + around;
    match () {
        () if whole <= share => Choice::Whole,
        () if quick <= left => Choice::Quick,
        () => Choice::LeftOut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarrel_workloads::{
        mark::Mark,
        scenario::{parse, shipped_text},
    };

    #[test]
    fn a_scenario_is_run_whole_or_quickly_or_left_out() {
        let marks = Mark::ALL.map(Mark::name);
        let scenario = parse("lww-skew", shipped_text("lww-skew").unwrap(), &marks).unwrap();
        let choose = |seconds, waiting| choose(&scenario, Duration::from_secs(seconds), waiting, None);
        assert_eq!(choose(60, 1), Choice::Whole);
        assert_eq!(choose(60, 20), Choice::Quick);
        assert_eq!(choose(1, 1), Choice::LeftOut);
    }
}
