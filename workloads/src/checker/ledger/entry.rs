//! An entry of the ledger, and the sentence that explains it.

use super::{
    rules::Outcome,
    writes::{Kind, NONE, State, Write, Writes},
};
use quarrel_models::{
    clock::Stamp,
    fate::{Fate, Knowledge},
    id::{ClientId, ReplicaId, WriteId},
    value::Key,
};
use serde::Serialize;
use std::fmt::Write as _;

/// What became of one acknowledged write, and why. One line of `ledger.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LedgerEntry {
    /// The write.
    pub write: WriteId,
    /// Who wrote.
    pub client: ClientId,
    /// The record.
    pub key: Key,
    /// What it asked, such as `insert 17`.
    pub op: String,
    /// The leader that took it.
    pub leader: ReplicaId,
    /// When it began, nanoseconds of the run.
    pub call_ns: u64,
    /// When it was acknowledged.
    pub ack_ns: u64,
    /// Its stamp, if the system told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// What became of it.
    pub fate: Fate,
    /// Whether a loss was told to a reader, or to an operator by a conflict log. Other losses are silent.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub recorded: bool,
    /// The write that won over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winner: Option<Winner>,
    /// The unanswered operation that may explain the loss: then nothing is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangs_on: Option<WriteId>,
    /// Where live replicas disagree, those that show it, such as `A, C`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub shown_by: String,
    /// And those that do not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub missing_at: String,
    /// The fate of a loss in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// The write that won.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Winner {
    /// The write.
    pub write: WriteId,
    /// The leader that took it.
    pub leader: ReplicaId,
    /// When it began; absent if not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_ns: Option<u64>,
    /// When it was acknowledged; absent if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_ns: Option<u64>,
    /// Its stamp, if the system told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// How the lost write knew of it: by what its `leader` had applied, by an `ancestor` on which it was executed, or
    /// by its `session`; absent if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_to: Option<&'static str>,
    /// How much later the winner's stamp is than the lost write's, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp_lead_us: Option<i64>,
    /// How much later the winner was written in real time, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real_lead_us: Option<i64>,
    /// By how much the two leaders' clocks must have differed for these stamps, microseconds: the winner's ahead when
    /// positive. An estimate: the two leads' difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skew_us: Option<i64>,
}

const ANCESTOR: &str = "ancestor";

impl LedgerEntry {
    pub(super) fn new(writes: &Writes, key: &Key, number: u32, outcome: &Outcome) -> Self {
        let write = writes.get(number);
        let mut entry = Self {
            write: write.id(),
            client: write.id().client,
            key: key.clone(),
            op: describe(writes, write),
            leader: write.leader(),
            call_ns: write.call,
            ack_ns: write.ack,
            stamp: write.stamp(),
            fate: outcome.fate,
            recorded: outcome.recorded,
            winner: outcome.winner.map(|winner| Winner::new(writes, number, winner, outcome.knew)),
            hangs_on: outcome.hangs_on.map(|other| writes.get(other).id()),
            shown_by: outcome.sides.map(|(with, _)| with.names()).unwrap_or_default(),
            missing_at: outcome.sides.map(|(_, without)| without.names()).unwrap_or_default(),
            why: String::new(),
        };
        if entry.fate.is_loss() {
            entry.why = entry.explain();
        }
        entry
    }

    /// The entry in a sentence.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = format!(
            "{} ({} on {}), acknowledged by {} at {}",
            self.write,
            self.op,
            self.key,
            self.leader,
            seconds(self.ack_ns)
        );
        // Writing to a string cannot fail.
        let _ = match (&self.winner, self.fate) {
            (None, Fate::Vanished) => {
                write!(text, ", is gone, and nothing in the history explains it (vanished)")
            }
            (None, Fate::Partial) => {
                write!(text, ", is shown by {} and missing at {} (partial)", self.shown_by, self.missing_at)
            }
            (None, fate) => write!(text, ": {} ({fate})", fate.meaning()),
            (Some(winner), Fate::Superseded) => {
                write!(text, ", was replaced by {} of {} (superseded)", winner.write, winner.leader)
            }
            (Some(winner), fate) => {
                write!(
                    text,
                    ", lost to {} of {}: {} ({fate})",
                    winner.write,
                    winner.leader,
                    self.reason(winner)
                )
            }
        };
        if let Some(winner) = &self.winner {
            winner.explain_stamps(&mut text);
        }
        if self.recorded {
            text.push_str("; the loss was recorded");
        }
        if let Some(other) = self.hangs_on {
            let _ = write!(text, "; the unanswered {other} may explain it");
        }
        text
    }

    fn reason(&self, winner: &Winner) -> String {
        match self.fate {
            Fate::CausalInversion if winner.known_to == Some(ANCESTOR) => {
                format!("{} had applied what was made on {}", self.leader, winner.write)
            }
            Fate::CausalInversion => format!("{} had applied {}", self.leader, winner.write),
            Fate::SessionInversion => {
                format!("its session knew {}, and {} had not applied it", winner.write, self.leader)
            }
            Fate::RealTimeInversion => {
                let gap = winner.ack_ns.map_or(0, |ack| self.call_ns.saturating_sub(ack));
                format!("that was acknowledged {} before it began", span(gap / 1000))
            }
            Fate::Vanished => "that was made on top of it, and lacks its effect".to_owned(),
            _ => "they overlapped, or neither leader knew of the other's write".to_owned(),
        }
    }
}

impl Winner {
    fn new(writes: &Writes, loser: u32, winner: u32, knew: Knowledge) -> Self {
        let (lost, won) = (writes.get(loser), writes.get(winner));
        let acknowledged = won.ack != u64::MAX;
        let called = won.call > 0;
        let stamp_lead_us =
            won.stamp().zip(lost.stamp()).map(|(won, lost)| won.time_us.wrapping_sub(lost.time_us));
        let real_lead_us = if acknowledged {
            Some(lead_us(won.ack, lost.ack))
        } else {
            called.then(|| lead_us(won.call, lost.call))
        };
        Self {
            write: won.id(),
            leader: won.leader(),
            call_ns: (called && won.state != State::Resolution).then_some(won.call),
            ack_ns: acknowledged.then_some(won.ack),
            stamp: won.stamp(),
            known_to: match knew {
                Knowledge::None => None,
                Knowledge::Session => Some("session"),
                Knowledge::Leader if writes.leader_had(loser, winner) => Some("leader"),
                Knowledge::Leader => Some(ANCESTOR),
            },
            stamp_lead_us,
            real_lead_us,
            skew_us: stamp_lead_us.zip(real_lead_us).map(|(stamp, real)| stamp.wrapping_sub(real)),
        }
    }

    fn explain_stamps(&self, text: &mut String) {
        let Some((stamp, real)) = self.stamp_lead_us.zip(self.real_lead_us) else { return };
        let order = |lead: i64| if lead < 0 { "earlier" } else { "later" };
        let contrast = if (stamp < 0) == (real < 0) { "and" } else { "although" };
        let _ = write!(
            text,
            "; {}'s stamp is {} {}, {contrast} it was written {} {}",
            self.leader,
            span(stamp.unsigned_abs()),
            order(stamp),
            span(real.unsigned_abs()),
            order(real)
        );
    }
}

fn lead_us(later: u64, earlier: u64) -> i64 {
    later.cast_signed().wrapping_sub(earlier.cast_signed()) / 1000
}

/// A point in time, such as `3.214 s`.
pub(crate) fn seconds(ns: u64) -> String {
    format!("{}.{:03} s", ns / 1_000_000_000, ns / 1_000_000 % 1000)
}

/// A length of time, such as `812 ms`.
pub(crate) fn span(us: u64) -> String {
    match us {
        0..10_000 => format!("{}.{:03} ms", us / 1000, us % 1000),
        10_000..10_000_000 => format!("{} ms", us / 1000),
        _ => format!("{} s", us / 1_000_000),
    }
}

/// What the write asked, in a few words.
fn describe(writes: &Writes, write: &Write) -> String {
    let value = || {
        writes
            .value_of(write)
            .map_or(String::new(), |value| format!(" {}", crate::checker::finals::brief(&value.to_string())))
    };
    #[expect(clippy::cast_possible_truncation, reason = "the payload holds two numbers of 32 bits")]
    let (to, from) = (write.payload as u32, (write.payload >> 32) as u32);
    debug_assert!(to != NONE || write.kind != Kind::Claim);
    match write.kind {
        Kind::Put => format!("put{}", value()),
        Kind::Delete => "delete".to_owned(),
        Kind::Add => format!("add {}", write.delta()),
        Kind::Insert => format!("insert{}", value()),
        Kind::Remove => format!("remove{}", value()),
        Kind::Append => format!("append{}", value()),
        Kind::Claim => format!("claim {} for{}", writes.field_name(to), value()),
        Kind::Release => format!("release {} of{}", writes.field_name(to), value()),
        Kind::Move => {
            format!("move{} from {} to {}", value(), writes.field_name(from), writes.field_name(to))
        }
        Kind::Unknown => "write".to_owned(),
    }
}
