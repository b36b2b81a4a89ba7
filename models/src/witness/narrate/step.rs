//! The sentence of one step: first what is done (see `lead`), then what was seen of it.

use super::{
    Known, Sentence,
    words::{row, shows, stamp, standing},
};
use crate::{
    fault::Fault,
    id::{LinkId, ReplicaId, WriteId},
    message::{Refusal, Reply, TraceEvent},
    session::Outcome,
    strategy::{Decision, Fallback, Site, Strategy},
    witness::{Act, Applied, Frame, Happening, PlayedStep, Saying, Step, Witness},
};
use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

pub(super) fn sentence(witness: &Witness, known: &Known, step: &Step, seen: &PlayedStep) -> Sentence {
    let mut teller = Teller { witness, known, act: &step.act, seen: &seen.happenings, facts: Vec::new() };
    teller.facts();
    Sentence { lead: teller.lead(), facts: teller.facts }
}

pub(super) struct Teller<'a> {
    pub(super) witness: &'a Witness,
    known: &'a Known,
    pub(super) act: &'a Act,
    pub(super) seen: &'a [Happening],
    facts: Vec<String>,
}

impl Teller<'_> {
    /// What was seen, in order; what goes without saying is left out.
    fn facts(&mut self) {
        let seen = self.seen;
        for (place, happening) in seen.iter().enumerate() {
            let fact = match happening {
                Happening::Applied(applied) => self.applied(applied),
                Happening::Told { at, event } => told(*at, event),
                Happening::Sent { link, back, frame, .. } => sent(*link, *back, frame),
                Happening::Delivered { link, frame: Frame::Entries(_), .. } => self.idle(place, link.to),
                Happening::Arrived { at, .. } => self.kept(place, *at),
                Happening::Asked { to, request, .. } => {
                    let again = matches!(self.act, Act::Fault(Fault::Relocate { .. }));
                    let what =
                        request.write.map_or_else(|| "its request".to_string(), |write| write.to_string());
                    again.then(|| format!("it sends {what} again, to {to}"))
                }
                Happening::RequestLost { client, to } => {
                    Some(format!("a request of {client} to {to} is lost"))
                }
                Happening::Answered { by, reply: Reply::Refused(refusal), .. } => refused(*by, refusal),
                Happening::Unheard { by } => Some(format!("{by} answers, and nobody waits for the answer")),
                Happening::Resolved { resolution, .. } => {
                    let made = shows(&resolution.key, resolution.value.as_ref());
                    Some(format!("its session makes one of {}: {made}", row(&resolution.over)))
                }
                Happening::Ended { client, write, outcome } => self.ended(*client, *write, outcome),
                Happening::Began { .. }
                | Happening::Answered { .. }
                | Happening::Connected { .. }
                | Happening::Disconnected { .. }
                | Happening::Delivered { .. }
                | Happening::Lost { .. } => None,
            };
            self.facts.extend(fact);
        }
        let lost = self.lost();
        self.facts.extend(lost);
    }

    /// What was under way and never arrives, link by link.
    fn lost(&self) -> Option<String> {
        let mut links: BTreeMap<LinkId, Vec<&str>> = BTreeMap::new();
        for seen in self.seen {
            if let Happening::Lost { message, link } = seen {
                let names = self.known.of_message(*message).iter().map(String::as_str);
                links.entry(*link).or_default().extend(names);
            }
        }
        let on = |(link, what): (&LinkId, &Vec<&str>)| format!("{} on {link}", row(what));
        let lost: Vec<String> = links.iter().map(on).collect();
        (!lost.is_empty()).then(|| format!("what was under way is lost ({})", lost.join("; ")))
    }

    /// What became of a version; nothing if that goes without saying.
    fn applied(&self, applied: &Applied) -> Option<String> {
        let Applied { at, site, version, decision, .. } = applied;
        let about = self.taken().is_some_and(|taken| taken.version.dot == version.dot);
        // The write may be the subject of the sentence already.
        let subject = match site {
            Site::Local if about => String::new(),
            Site::Local => format!("{at} takes {}, {}, ", version.write, stamped(applied)),
            Site::Remote if self.alone() => String::new(),
            Site::Remote => format!("{} ", version.write),
        };
        let recorded = if applied.recorded { ", and the conflict is recorded" } else { "" };
        let what = match decision {
            Decision::Applied => {
                if about {
                    return None;
                }
                format!("applied at {at} {}", self.in_place_of(applied)).trim_end().to_string()
            }
            Decision::Discarded => format!("discarded at {at}{}", self.against(applied)),
            Decision::Merged => {
                format!("merged at {at}{} to {}", with(applied), shows(&applied.key, applied.shown.as_ref()))
            }
            Decision::Skipped => format!("skipped at {at}, which has no {} to update", applied.key),
            Decision::Sibling => format!("kept at {at} beside {}", row(others(applied))),
        };
        Some(format!("{subject}{what}{recorded}"))
    }

    /// Whether the step speaks of one write.
    fn alone(&self) -> bool {
        self.seen.iter().filter(|seen| matches!(seen, Happening::Applied(_))).count() == 1
    }

    pub(super) fn in_place_of(&self, applied: &Applied) -> String {
        let held = others(applied);
        if held.is_empty() {
            return String::new();
        }
        let unknown = match applied.against {
            Some(against) if held.contains(&against) => ", of which it did not know",
            _ => "",
        };
        let later = applied.held.iter().find(|held| held.stamp > applied.version.stamp);
        let later = later.map(|held| format!(", although that was stamped later ({})", stamp(held.stamp)));
        format!(
            "in place of {}{unknown}{}",
            row(held),
            later.filter(|_| self.has_stamps()).unwrap_or_default()
        )
    }

    /// Why it lost.
    fn against(&self, applied: &Applied) -> String {
        let Some(against) = applied.against else { return String::new() };
        let held = applied.held.iter().find(|held| held.write == against);
        let why = match held {
            Some(held) if held.write == applied.version.write => return ", which has it already".to_string(),
            Some(held) if self.by_stamps() => {
                let (ours, theirs) = (applied.version.stamp, held.stamp);
                if ours == theirs {
                    format!(" with the same stamp ({})", stamp(theirs))
                } else {
                    format!(" with the later stamp ({} against {})", stamp(theirs), stamp(ours))
                }
            }
            Some(held) if held.knew(&applied.version) => ", which was made on top of it".to_string(),
            _ => String::new(),
        };
        format!(", which holds {against}{why}")
    }

    /// Whether stamps decide anything.
    fn by_stamps(&self) -> bool {
        match &self.witness.cluster.strategy {
            Strategy::Lww(_) => true,
            Strategy::HomeLeader(home) => home.fallback == Fallback::Lww,
            _ => false,
        }
    }

    fn has_stamps(&self) -> bool {
        matches!(self.witness.cluster.strategy, Strategy::Lww(_))
    }

    /// A delivery of which nothing came.
    fn idle(&self, place: usize, at: ReplicaId) -> Option<String> {
        let came = self.seen[place + 1..]
            .iter()
            .any(|seen| matches!(seen, Happening::Applied(_) | Happening::Told { .. }));
        (!came).then(|| format!("{at} has it already"))
    }

    /// A request of which nothing came.
    fn kept(&self, place: usize, at: ReplicaId) -> Option<String> {
        let rest = &self.seen[place + 1..];
        let idle = |seen: &Happening| {
            matches!(seen, Happening::Applied(_) | Happening::Answered { .. } | Happening::Unheard { .. })
                || matches!(seen, Happening::Sent { frame: Frame::Routed { says: Saying::Forward, .. }, .. })
        };
        (!rest.iter().any(idle)).then(|| format!("{at} lets it wait"))
    }

    fn ended(
        &self,
        client: crate::id::ClientId,
        write: Option<WriteId>,
        outcome: &Outcome,
    ) -> Option<String> {
        let what = write.map_or_else(|| "it".to_string(), |write| write.to_string());
        match outcome {
            Outcome::Written(written) if written.duplicate => {
                Some(format!("it is known already, and {client} is told that {what} is written"))
            }
            Outcome::Written(_) => {
                let decided = |decision| {
                    self.seen.iter().any(|seen| {
                        matches!(seen, Happening::Applied(applied) if applied.site == Site::Local
                            && (applied.decision == Decision::Discarded) == decision)
                    })
                };
                let (discarded, plainly) = (decided(true), decided(false));
                let at_once = matches!(self.act, Act::Begin { .. });
                let all_the_same = if discarded { " all the same" } else { "" };
                (!(plainly && at_once))
                    .then(|| format!("{client} is told{all_the_same} that {what} is written"))
            }
            Outcome::Read { value, versions, .. } => {
                let made = if versions.is_empty() { String::new() } else { format!(" ({})", row(versions)) };
                let value = value.as_ref().map_or_else(|| "nothing".to_string(), ToString::to_string);
                Some(format!("{client} gets {value}{made}"))
            }
            Outcome::Failed(refusal) => Some(format!("{client} is told that {what} failed: {refusal}")),
            Outcome::Unsent => Some(format!("{what} never left {client}")),
            Outcome::Unknown(_) => Some(format!("{client} never learns whether {what} was written")),
        }
    }
}

pub(super) fn stamped(applied: &Applied) -> String {
    format!("stamped {}{}", stamp(applied.version.stamp), by_the_clock(applied))
}

fn by_the_clock(applied: &Applied) -> String {
    standing(applied.offset_us).map(|standing| format!(" by a clock {standing}")).unwrap_or_default()
}

/// The writes held before, but the one that came.
fn others(applied: &Applied) -> Vec<WriteId> {
    let held = applied.held.iter().map(|held| held.write);
    held.filter(|&write| write != applied.version.write).collect()
}

fn with(applied: &Applied) -> String {
    let others = others(applied);
    if others.is_empty() { String::new() } else { format!(" with {}", row(others)) }
}

fn refused(by: ReplicaId, refusal: &Refusal) -> Option<String> {
    Some(format!("{by} refuses, since {refusal}"))
}

/// Messages between leaders that need not be neighbours; that entries are passed on goes without saying.
fn sent(link: LinkId, back: bool, frame: &Frame) -> Option<String> {
    let Frame::Routed { from, to, says } = frame else { return None };
    let by = if back { link.to } else { link.from };
    if by != *from {
        return Some(format!("{by} passes it on towards {to}"));
    }
    Some(match says {
        Saying::Forward => format!("{by} passes it on to {to}, the record's home"),
        Saying::ForwardReply => format!("{by} answers {to}"),
        Saying::HomeRequest => format!("{by} asks {to} to hand the record over"),
        Saying::HomeGrant => format!("{by} hands the record over to {to}"),
        Saying::HomeMoved => format!("{by} tells {to} that the record's home is elsewhere"),
    })
}

fn told(at: ReplicaId, event: &TraceEvent) -> Option<String> {
    match event {
        TraceEvent::Apply { write, .. } => Some(format!("{at} applies {write}")),
        TraceEvent::Duplicate { write, .. } => {
            Some(format!("{at} recognises {write} as a retry and does not apply it again"))
        }
        TraceEvent::Home { key, .. } => Some(format!("{at} is now the home of {key}")),
        TraceEvent::Truncated { link, origin, .. } => {
            Some(format!("{at} no longer keeps the entries of {origin} that {link} needs"))
        }
        TraceEvent::Stalled { key, write, dot } => Some(format!(
            "{write} updates {key}, which {at} does not have: {at} applies no more of {}'s writes until it does",
            dot.origin
        )),
        TraceEvent::Collected { key, write, .. } => {
            Some(format!("{at} forgets that {key} was deleted by {write}"))
        }
        TraceEvent::Unresolved { key, refused, .. } => {
            Some(format!("{at} leaves the versions of {key} side by side ({refused})"))
        }
        TraceEvent::Forgot { records } => {
            let records = if *records == 1 { "1 record".to_string() } else { format!("{records} records") };
            Some(
                format!("{at} forgets when {records} were written, and what was known then")
                    .replace("1 record were", "1 record was"),
            )
        }
    }
}
