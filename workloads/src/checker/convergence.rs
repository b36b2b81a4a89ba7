//! After quiescence, live replicas show the same.

use super::{AnomalyReport, Checker, Evidence, Invocation, Report, finals::View};
use crate::{
    history::{Event, Quiescence},
    verdict::Anomaly,
};

/// Compares the final reads of live replicas.
///
/// Compared is what a reader sees: values, siblings as sets; a tombstone and no record are alike. Replicas that show
/// the same under different versions differ in metadata only: that is counted, not failed. Without quiescence there
/// is nothing to compare, and the finding is [`Anomaly::NotQuiescent`].
#[derive(Debug, Default)]
pub struct Convergence;

impl Checker for Convergence {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn observe(&mut self, _event: &Event, _invocation: Option<&Invocation>) {}

    fn finish(self: Box<Self>, evidence: &Evidence<'_>) -> Report {
        let finals = evidence.finals;
        let mut report = Report::default();
        if !finals.at_rest() {
            let mut unfinished = AnomalyReport::new(Anomaly::NotQuiescent);
            if let Some(Quiescence::NotReached { why }) = finals.quiescence() {
                unfinished.add(|| format!("replication did not come to rest: {why}"));
            }
            report.push(unfinished);
            return report;
        }
        let mut divergence = AnomalyReport::new(Anomaly::Divergence);
        let mut metadata_only = 0;
        let mut tombstones = 0;
        for key in finals.keys() {
            let views = finals.live_views(key);
            let Some(first) = views.first().filter(|_| views.len() > 1) else { continue };
            if diverges(&views) {
                divergence.add(|| example(key, &views));
            } else if views.iter().any(|view| view.versions.is_empty() != first.versions.is_empty()) {
                tombstones += 1;
            } else {
                metadata_only += 1;
            }
        }
        report.push(divergence);
        report.figure("metadata-only differences", metadata_only);
        report.figure("tombstone against absent", tombstones);
        report
    }
}

/// Whether a reader sees different things, depending on the replica.
pub(super) fn diverges(views: &[View<'_>]) -> bool {
    views.iter().skip(1).any(|view| view.shown() != views[0].shown())
}

/// Who shows what.
pub(super) fn example(key: &str, views: &[View<'_>]) -> String {
    let shows: Vec<String> = views
        .iter()
        .map(|view| {
            let verb = if view.replicas.len() == 1 { "shows" } else { "show" };
            format!("{} {verb} {}", view.replicas.names(), view.describe())
        })
        .collect();
    format!("{key}: {}", shows.join("; "))
}
