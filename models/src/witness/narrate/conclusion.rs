//! The end: what the replicas hold, and for each lost write to whom it was promised, and why it is gone.

use super::{
    Known,
    words::{hold, row, shows, stamp, standing},
};
use crate::{
    fate::Fate,
    id::{ReplicaId, WriteId},
    session::Outcome,
    strategy::{Decision, Site},
    value::Key,
    witness::{Applied, Happening, Phase, Played, RecordEnd, Witness, WriteEnd},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

pub(super) fn sentences(witness: &Witness, known: &Known, played: &Played) -> Vec<String> {
    let ending = Ending { known, played };
    let keys: BTreeSet<&Key> = played.replicas.values().flat_map(|end| end.records.keys()).collect();
    let mut sentences: Vec<String> = keys.into_iter().map(|key| ending.holdings(key)).collect();
    let fates = witness.end.iter().flat_map(|end| &end.fates);
    let lost = fates.filter(|(_, end)| end.fate.is_loss());
    sentences.extend(lost.map(|(&write, &end)| ending.lost(write, end)));
    sentences
}

struct Ending<'a> {
    known: &'a Known,
    played: &'a Played,
}

impl Ending<'_> {
    fn live(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        let ends = self.played.replicas.iter();
        ends.filter(|(_, end)| end.phase == Phase::Live).map(|(&replica, _)| replica)
    }

    fn applied(&self) -> impl Iterator<Item = (usize, &Applied)> {
        let steps = self.played.steps.iter().enumerate();
        steps.flat_map(|(index, step)| {
            step.happenings.iter().filter_map(move |seen| match seen {
                Happening::Applied(applied) => Some((index + 1, &**applied)),
                _ => None,
            })
        })
    }

    /// `In the end A and B hold k = 0 (c0.1), C holds k = 1 (c1.1).`
    fn holdings(&self, key: &Key) -> String {
        let mut groups: Vec<(String, Vec<ReplicaId>)> = Vec::new();
        for (&replica, end) in self.played.replicas.iter().filter(|(_, end)| end.phase == Phase::Live) {
            let what = holding(key, end.records.get(key));
            match groups.iter_mut().find(|(held, _)| *held == what) {
                Some((_, replicas)) => replicas.push(replica),
                None => groups.push((what, Vec::from([replica]))),
            }
        }
        let dead = self.played.replicas.iter().filter(|(_, end)| end.phase != Phase::Live);
        let dead: Vec<String> = dead
            .map(|(replica, end)| {
                format!("{replica}, which is dead, held {}", holding(key, end.records.get(key)))
            })
            .collect();
        let split = match (groups.len() > 1, self.played.under_way.is_empty()) {
            (true, true) => "; nothing is under way, so they stay different",
            (true, false) => "; something is still under way",
            (false, _) => "",
        };
        let groups: Vec<String> =
            groups.into_iter().map(|(held, who)| format!("{} {held}", hold(&who))).collect();
        let dead = if dead.is_empty() { String::new() } else { format!("; {}", dead.join("; ")) };
        format!("In the end {}{split}{dead}.", groups.join(", "))
    }

    /// `c0.2 (k = 1), which c0 was told is written, is gone: c0.1 (k = 0) won.`
    fn lost(&self, write: WriteId, end: WriteEnd) -> String {
        let client = write.client;
        let told = if self.was_told(write) {
            format!(", which {client} was told is written,")
        } else {
            String::new()
        };
        let gone = match (end.fate, end.winner) {
            (Fate::Partial, _) => format!("is not everywhere{}", self.missing(write)),
            (_, Some(winner)) => format!("is gone: {} won", self.known.write(winner)),
            (_, None) => "is gone".to_string(),
        };
        let why = end.winner.map(|winner| self.against(write, winner)).unwrap_or_default();
        format!("{}{told} {gone}. Fate {}: {}.{why}", self.known.write(write), end.fate, end.fate.meaning())
    }

    fn was_told(&self, write: WriteId) -> bool {
        self.played.steps.iter().flat_map(|step| &step.happenings).any(|seen| {
            matches!(seen, Happening::Ended { write: Some(ended), outcome: Outcome::Written(_), .. } if *ended == write)
        })
    }

    /// Who shows a write and who does not.
    fn missing(&self, write: WriteId) -> String {
        let holds = |replica: &ReplicaId| {
            let end = &self.played.replicas[replica];
            end.records.values().flat_map(|record| &record.versions).any(|held| held.write == write)
        };
        let (with, without): (Vec<_>, Vec<_>) = self.live().partition(holds);
        match (with.is_empty(), without.is_empty()) {
            (false, false) => {
                let not = if without.len() == 1 { "does not" } else { "do not" };
                format!(": {} it, {} {not}", hold(&with), row(without))
            }
            _ => String::new(),
        }
    }

    /// How the winner won: by stamps where they were compared, else where and when the two met.
    fn against(&self, loser: WriteId, winner: WriteId) -> String {
        let taken = |write: WriteId| {
            self.applied()
                .map(|(_, applied)| applied)
                .find(|applied| applied.version.write == write && applied.site == Site::Local)
        };
        let met = self.applied().find_map(|(step, applied)| {
            let held = |write| applied.held.iter().any(|held| held.write == write);
            if applied.version.write == loser && applied.decision == Decision::Discarded && held(winner) {
                Some(format!(" In step {step} {loser} met {winner} at {} and was discarded.", applied.at))
            } else if applied.version.write == winner && applied.decision == Decision::Applied && held(loser)
            {
                Some(format!(" In step {step} {winner} took its place at {}.", applied.at))
            } else {
                None
            }
        });
        let stamps = match (taken(loser), taken(winner)) {
            (Some(lost), Some(won)) => clocks(lost, won),
            _ => String::new(),
        };
        format!("{stamps}{}", met.unwrap_or_default())
    }
}

/// What the clocks of the two leaders had to do with it; nothing if they were right.
fn clocks(lost: &Applied, won: &Applied) -> String {
    if lost.offset_us == 0 && won.offset_us == 0 {
        return String::new();
    }
    let by = |applied: &Applied, what: &str| {
        let clock = standing(applied.offset_us).map(|standing| format!(", its clock {standing},"));
        let clock = clock.unwrap_or_default();
        format!("{}{clock} stamped {what} {}", applied.at, stamp(applied.version.stamp))
    };
    format!(" {}; {}.", by(lost, "it"), by(won, "the winner"))
}

fn holding(key: &Key, record: Option<&RecordEnd>) -> String {
    let Some(record) = record else { return format!("no {key}") };
    let writes = row(record.versions.iter().map(|held| held.write));
    match (&record.value, record.versions.len()) {
        (Some(value), _) => format!("{} ({writes})", shows(key, Some(value))),
        (None, 0) => format!("no {key}"),
        (None, 1) => format!("no {key} (deleted by {writes})"),
        (None, _) => {
            let values: BTreeMap<WriteId, String> = record
                .versions
                .iter()
                .map(|held| {
                    (held.write, held.value.as_ref().map_or("nothing".to_string(), ToString::to_string))
                })
                .collect();
            let sides: Vec<String> =
                values.into_iter().map(|(write, value)| format!("{value} ({write})")).collect();
            format!("{key} side by side as {}", row(sides))
        }
    }
}
