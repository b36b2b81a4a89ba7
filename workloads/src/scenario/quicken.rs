//! The quick form of a scenario: the same faults in less time.

use super::{Scenario, Span};
use std::time::Duration;

/// The least load that still shows something.
const LEAST: Duration = Duration::from_millis(2500);

impl Scenario {
    /// The same scenario in about a quarter of the time, but not below a load of 2.5 s: the phases with load and all
    /// times of faults are scaled. Sizes (skews, delays, pauses of clients) and the budget for quiescence stay.
    #[must_use]
    pub fn quicken(&self) -> Self {
        let load = self.phases.load();
        let target = (load / 4).max(LEAST).min(load);
        let mut quick = self.clone();
        let mut scale = |span: &mut Span| *span = scaled(*span, target, load);
        let phases = &mut quick.phases;
        [&mut phases.warm_up, &mut phases.storm, &mut phases.recovery].into_iter().for_each(&mut scale);
        let nemesis = &mut quick.nemesis;
        // One line per kind of fault: its fixed times, its period, its length.
        macro_rules! scale_faults {
            ($($kind:ident: $($length:ident)?;)*) => {$(
                for fault in &mut nemesis.$kind.0 {
                    fault.at.iter_mut().chain(&mut fault.every).for_each(&mut scale);
                    $(scale(&mut fault.$length);)?
                }
            )*};
        }
        scale_faults! {
            partition: lasts;
            link: lasts;
            clock: lasts;
            relocate: ;
            kill: down;
            pause: lasts;
            offline: lasts;
            restore: down;
            maintenance: ;
        }
        quick
    }
}

/// The span times `target / load`, in whole milliseconds, and never 0 unless it was.
fn scaled(span: Span, target: Duration, load: Duration) -> Span {
    if span.duration().is_zero() || target == load {
        return span;
    }
    let millis = span.duration().as_millis() * target.as_millis() / load.as_millis().max(1);
    Span::from_millis(u64::try_from(millis).unwrap_or(u64::MAX).max(1))
}
