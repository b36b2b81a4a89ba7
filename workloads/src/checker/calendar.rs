//! Calendars: no slot is held by two meetings.

use super::{AnomalyReport, Checker, Evidence, Invocation, Report};
use crate::{history::Event, verdict::Anomaly};
use quarrel_models::{
    operation::{Operation, holders},
    value::{Key, Value},
};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Looks for slots with two holders: in the final state, where they are a breach, and in the reads before, where they
/// are exposure: how long users could see both. A double booking that is gone in the end is exposure only.
#[derive(Debug, Default)]
pub struct CalendarChecker {
    exposed: BTreeMap<(Key, SmolStr), Exposure>,
}

/// The first and the last read that saw both.
#[derive(Debug, Clone, Copy)]
struct Exposure {
    first: u64,
    last: u64,
}

/// The slots that are held by more than one.
fn double_booked(value: Option<&Value>) -> impl Iterator<Item = (&SmolStr, String)> {
    let fields = value.and_then(Value::as_map).into_iter().flatten();
    fields.filter_map(|(slot, field)| {
        let held = holders(Some(field));
        let names: Vec<String> = held.iter().map(ToString::to_string).collect();
        (held.len() > 1).then(|| (slot, names.join(" and ")))
    })
}

impl Checker for CalendarChecker {
    fn name(&self) -> &'static str {
        "calendar"
    }

    fn observe(&mut self, event: &Event, invocation: Option<&Invocation>) {
        let (Event::Ok { t, result, .. }, Some(invocation)) = (event, invocation) else { return };
        if invocation.op != Operation::Read {
            return;
        }
        for (slot, _) in double_booked(result.value.as_ref()) {
            let exposure = self.exposed.entry((invocation.key.clone(), slot.clone()));
            exposure.or_insert(Exposure { first: *t, last: *t }).last = *t;
        }
    }

    fn finish(self: Box<Self>, evidence: &Evidence<'_>) -> Report {
        let mut double = AnomalyReport::new(Anomaly::DoubleBooking);
        for key in evidence.finals.keys() {
            let mut slots: BTreeMap<SmolStr, String> = BTreeMap::new();
            for view in evidence.finals.live_views(key) {
                let value = evidence.resolved(key, &view);
                slots.extend(double_booked(value.as_deref()).map(|(slot, held)| (slot.clone(), held)));
            }
            for (slot, held) in slots {
                double.add(|| format!("{key}: {slot} is held by {held}"));
            }
        }
        let spans = || self.exposed.values().map(|seen| (seen.last - seen.first) / 1_000_000);
        let mut report = Report::default();
        report.push(double);
        report.figure("double bookings seen in reads", self.exposed.len() as u64);
        report.figure("longest double booking seen in reads, ms", spans().max().unwrap_or(0));
        report.figure("double bookings seen in reads, ms in all", spans().sum());
        report
    }
}
