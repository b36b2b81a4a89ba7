//! Deleted records and removed elements stay away.

use super::{
    AnomalyReport, Checker, Evidence, Invocation, Report,
    ledger::{Case, Kind, Write, effect::facts, for_each_case},
};
use crate::{history::Event, verdict::Anomaly};

/// Looks for acknowledged deletions after which the final state shows what they knew of and deleted.
///
/// A record that was deleted is resurrected if the final versions hold a write that the deletion knew of. An element
/// or slot is, if it is there, somebody put it there before the removal and to its knowledge, and nobody did after.
/// What was written concurrently is no resurrection: there, adding wins or loses by contract.
#[derive(Debug, Default)]
pub struct Deletes;

impl Checker for Deletes {
    fn name(&self) -> &'static str {
        "deletes"
    }

    fn observe(&mut self, _event: &Event, _invocation: Option<&Invocation>) {}

    fn finish(self: Box<Self>, evidence: &Evidence<'_>) -> Report {
        let mut report = Report::default();
        // Before replication is at rest, a deletion may be on its way.
        if !evidence.writes.has_deletes() || !evidence.finals.at_rest() {
            return report;
        }
        let mut resurrected = AnomalyReport::new(Anomaly::ResurrectedDelete);
        let looked = for_each_case(evidence, |case| {
            for &number in case.numbers {
                let write = case.writes().get(number);
                let culprit = match write.kind {
                    _ if !write.is_acknowledged() => None,
                    Kind::Delete => undeleted(case, number),
                    Kind::Remove | Kind::Release | Kind::Move => unremoved(case, number, write),
                    _ => None,
                };
                if let Some(culprit) = culprit {
                    let back = case.writes().get(culprit).id();
                    resurrected.add(|| {
                        let name = case.name;
                        format!("{name}: {back} is back, although {} deleted it and knew of it", write.id())
                    });
                }
            }
            Ok(())
        });
        assert!(looked.is_ok(), "looking at records does no I/O");
        report.push(resurrected);
        report
    }
}

fn knew(case: &Case<'_>, write: u32, other: u32) -> bool {
    case.writes().leader_knew(write, other) || case.writes().session_knew(write, other)
}

/// A version that is shown although the deletion knew of it.
fn undeleted(case: &Case<'_>, delete: u32) -> Option<u32> {
    let shown = case.live.iter().filter(|shown| shown.lens.value().is_some());
    shown
        .flat_map(|shown| shown.carried.keys().copied().filter(|&held| shown.shows(case.writes(), held)))
        .find(|&held| held != delete && knew(case, delete, held))
}

/// The write that put the removed thing there, if nobody put it there again.
fn unremoved(case: &Case<'_>, remove: u32, write: &Write) -> Option<u32> {
    let (_, without) = case.showing(remove);
    if without.is_empty() {
        return None;
    }
    let gone = facts(case.writes(), write).into_iter().find(|fact| !fact.there)?;
    let mut before = None;
    for opponent in case.opponents(gone).filter(|&opponent| opponent != remove) {
        if !knew(case, remove, opponent) {
            return None;
        }
        before = Some(opponent);
    }
    // A move also fails to show when only its new slot was lost: then nothing came back.
    let back = case
        .live
        .iter()
        .any(|shown| shown.lens.shows(case.writes(), case.writes().get(before.unwrap_or(remove))));
    before.filter(|_| back)
}
