//! The space-time diagram of an example: what the history, the nemesis and the apply logs say of a few operations, as
//! a scene. Time is compressed to ranks: a row an event, however long nothing happened.

use super::{
    case::Case,
    evidence::{describe, name, off},
    scale::seconds,
    view::View,
};
use crate::report::recorded::{BandKind, Op, Outcome};
use quarrel_models::{
    diagram::{Arrival, Arrow, Band, Cargo, Condition, Lane, Mark, Owner, Place, Row, Scene, Sign, Tone},
    fate::Fate,
    fault::Fault,
    id::{ClientId, Dot, ReplicaId, WriteId},
    strategy::Decision,
};
use std::collections::{BTreeMap, BTreeSet};

/// The most characters of a label beside a mark; lanes are as wide as the longest.
const LABEL: usize = 20;
/// The most acts of the nemesis that are drawn as events.
const MOST_ACTS: usize = 8;

/// The scene of an example; nothing if it has no operations.
pub(super) fn scene(view: &View<'_>, case: &Case<'_>) -> Option<Scene> {
    if case.operations.is_empty() {
        return None;
    }
    let mut painter = Painter::new(view, case);
    for op in &case.operations {
        painter.operation(op);
    }
    painter.knowledge();
    painter.nemesis();
    Some(painter.paint())
}

/// Who has a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Client(ClientId),
    Replica(ReplicaId),
}

/// Something that happens at a lane, and the arrow that led there.
struct Happening {
    t: u64,
    at: Who,
    sign: Sign,
    label: String,
    caption: String,
    tone: Tone,
    /// From which happening, as what.
    arrow: Option<(usize, Cargo, String)>,
}

struct Painter<'a> {
    view: &'a View<'a>,
    case: &'a Case<'a>,
    happenings: Vec<Happening>,
    /// Where each write was met by each replica.
    met: BTreeMap<(Dot, ReplicaId), usize>,
}

impl<'a> Painter<'a> {
    const fn new(view: &'a View<'a>, case: &'a Case<'a>) -> Self {
        Self { view, case, happenings: Vec::new(), met: BTreeMap::new() }
    }

    fn add(&mut self, happening: Happening) -> usize {
        self.happenings.push(happening);
        self.happenings.len() - 1
    }

    /// Whether a write is the one that won, or one that was lost.
    fn tone(&self, write: Option<WriteId>) -> Tone {
        let Some(write) = write else { return Tone::Plain };
        let winner = self.case.entry.and_then(|entry| entry.winner.as_ref());
        if winner.is_some_and(|winner| winner.write == write) {
            return Tone::Won;
        }
        if self.case.entry.is_some_and(|entry| entry.write != write) {
            return Tone::Plain;
        }
        match self.view.fate(write) {
            Some(Fate::Partial) => Tone::Torn,
            Some(fate) if fate.is_loss() => Tone::Lost,
            _ => Tone::Plain,
        }
    }

    /// From the client's question to the answer, and on to the other replicas.
    fn operation(&mut self, op: &Op) {
        let tone = self.tone(op.write);
        let client = Who::Client(op.client);
        let asked = self.add(Happening {
            t: op.began,
            at: client,
            sign: Sign::Client,
            label: short(&name(op)),
            caption: format!("{} asks {}: {}", op.client, op.at, describe(op)),
            tone,
            arrow: None,
        });
        let taken = match op.write {
            Some(write) if op.dot.is_some() || op.outcome == Outcome::Ok => {
                Some(self.taken(op, write, asked, tone))
            }
            None if op.outcome == Outcome::Ok => Some(self.read(op, asked)),
            _ => None,
        };
        let (label, caption) = match op.outcome {
            Outcome::Ok if op.is_write() => ("ok", format!("{} is acknowledged", name(op))),
            Outcome::Ok => ("ok", format!("{} has its answer", op.client)),
            Outcome::Fail => ("failed", format!("{} is told: {}", op.client, op.error)),
            Outcome::Info => ("?", format!("{} does not know: {}", op.client, op.error)),
        };
        let arrow = taken.map(|taken| (taken, Cargo::Reply, format!("the answer to {}", name(op))));
        let label = label.to_owned();
        self.add(Happening { t: op.ended, at: client, sign: Sign::Client, label, caption, tone, arrow });
        if let (Some(write), Some(dot)) = (op.write, op.dot) {
            self.spread(write, dot, tone);
        }
    }

    /// The leader takes a write.
    fn taken(&mut self, op: &Op, write: WriteId, asked: usize, tone: Tone) -> usize {
        let leader = op.dot.map_or(op.at, |dot| dot.origin);
        let seen = op.dot.and_then(|dot| self.applied(dot, leader));
        // Without an apply log all that is known is that it was between question and answer.
        let t = seen.map_or(op.began.midpoint(op.ended), |(t, ..)| t);
        let mut from = asked;
        if leader != op.at {
            from = self.add(Happening {
                t: op.began.midpoint(t),
                at: Who::Replica(op.at),
                sign: Sign::Note,
                label: short(&format!("forwards {write}")),
                caption: format!("{} forwards {write} to {leader}", op.at),
                tone,
                arrow: Some((asked, Cargo::Request, format!("{write} on its way to {}", op.at))),
            });
        }
        let clock = self.view.clocks.offset_us(leader, t);
        let stamped = if clock == 0 { String::new() } else { format!("; its clock is {}", off(clock)) };
        let (sign, verb) =
            seen.map_or((Sign::Applied, "takes"), |(_, decision, _)| (sign(decision), verb(decision)));
        let against =
            seen.and_then(|(.., against)| against).map_or(String::new(), |other| format!(" against {other}"));
        let verb = if verb == "applies" { "takes" } else { verb };
        let taken = self.add(Happening {
            t,
            at: Who::Replica(leader),
            sign,
            label: if clock == 0 {
                short(&write.to_string())
            } else {
                short(&format!("{write} {}", lead(clock)))
            },
            caption: format!("{leader} {verb} {write}{against}{stamped}"),
            tone,
            arrow: Some((from, Cargo::Request, format!("{write} on its way to {leader}"))),
        });
        if let Some(dot) = op.dot {
            self.met.insert((dot, leader), taken);
        }
        taken
    }

    fn read(&mut self, op: &Op, asked: usize) -> usize {
        let versions: Vec<String> = op.versions.iter().map(ToString::to_string).collect();
        let saw = if versions.is_empty() { "nothing".to_owned() } else { versions.join(", ") };
        self.add(Happening {
            t: op.began.midpoint(op.ended),
            at: Who::Replica(op.at),
            sign: Sign::Note,
            label: short(&format!("read {saw}")),
            caption: format!("{} shows {} {saw}", op.at, op.client),
            tone: Tone::Plain,
            arrow: Some((asked, Cargo::Request, "a read".to_owned())),
        })
    }

    /// When and how a replica met a write for the first time.
    fn applied(&self, dot: Dot, replica: ReplicaId) -> Option<(u64, Decision, Option<WriteId>)> {
        let key = self.case.key?;
        let line = self.view.applied_on_key(key).find(|line| line.dot == dot && line.replica == replica)?;
        Some((line.t, line.decision, line.against))
    }

    /// The other replicas receive a write.
    fn spread(&mut self, write: WriteId, dot: Dot, tone: Tone) {
        let mut seen: Vec<(ReplicaId, u64)> = self.view.run.applies.of(dot).to_vec();
        seen.sort_by_key(|(_, t)| *t);
        for &(replica, t) in seen.iter().filter(|(replica, _)| *replica != dot.origin) {
            let Some((_, decision, against)) = self.applied(dot, replica) else { continue };
            let source = self.source(dot, replica, t, &seen);
            let arrow = self
                .met
                .get(&(dot, source))
                .map(|&from| (from, Cargo::Entries, format!("{write} from {source} to {replica}")));
            let against = against.map_or(String::new(), |other| format!(" against {other}"));
            let met = self.add(Happening {
                t,
                at: Who::Replica(replica),
                sign: sign(decision),
                label: short(&write.to_string()),
                caption: format!("{replica} {} {write}{against}", verb(decision)),
                tone,
                arrow,
            });
            self.met.insert((dot, replica), met);
        }
    }

    /// Who sent a write to a replica: of those that forward it, the one that had it first.
    fn source(&self, dot: Dot, to: ReplicaId, t: u64, seen: &[(ReplicaId, u64)]) -> ReplicaId {
        let Some(graph) = &self.view.graph else { return dot.origin };
        let had = |from: &ReplicaId| seen.iter().find(|(replica, _)| replica == from).map(|(_, at)| *at);
        let able = graph.sources(to).filter(|&from| graph.forwards(from, to, dot.origin));
        let first = able.filter(|from| had(from).is_some_and(|at| at < t)).min_by_key(|from| had(from));
        first.unwrap_or(dot.origin)
    }

    /// Without apply logs: that the leader of the lost write had the winner is known all the same, from its answer.
    fn knowledge(&mut self) {
        let Some(entry) = self.case.entry else { return };
        let lost = self.case.operations.iter().find(|op| op.write == Some(entry.write));
        let won = entry.winner.as_ref().map(|winner| winner.write);
        let won = self.case.operations.iter().find(|op| op.write.is_some() && op.write == won);
        let (Some(lost), Some(won)) = (lost, won) else { return };
        let Some((dot, write)) = won.dot.zip(won.write) else { return };
        let knew = lost.knew.as_ref().is_some_and(|knew| knew.covers(dot));
        if !knew || self.met.contains_key(&(dot, entry.leader)) {
            return;
        }
        let arrow = self.met.get(&(dot, dot.origin)).map(|&from| {
            (
                from,
                Cargo::Entries,
                format!("{write} from {} to {}, some time before", dot.origin, entry.leader),
            )
        });
        let tone = self.tone(Some(write));
        self.add(Happening {
            t: lost.began.saturating_sub(1).max(won.began),
            at: Who::Replica(entry.leader),
            sign: Sign::Applied,
            label: short(&write.to_string()),
            caption: format!("{} has {write} by now", entry.leader),
            tone,
            arrow,
        });
    }

    /// What the nemesis did to clocks and processes meanwhile.
    fn nemesis(&mut self) {
        let times = || self.happenings.iter().map(|seen| seen.t);
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return };
        let acts = self.view.run.history.faults.iter().filter(|act| (first..=last).contains(&act.t));
        let acts: Vec<(u64, ReplicaId, Sign, String)> = acts
            .filter_map(|act| {
                let (replica, sign) = match act.fault {
                    Fault::Clock(replica, _) => (replica, Sign::Clock),
                    Fault::Kill(replica) | Fault::Pause(replica) => (replica, Sign::Death),
                    Fault::Restart(replica) | Fault::Resume(replica) => (replica, Sign::Start),
                    _ => return None,
                };
                Some((act.t, replica, sign, act.fault.to_string()))
            })
            .collect();
        for (t, replica, sign, caption) in acts.into_iter().take(MOST_ACTS) {
            let label = if sign == Sign::Clock {
                lead(self.view.clocks.offset_us(replica, t))
            } else {
                String::new()
            };
            let at = Who::Replica(replica);
            self.add(Happening { t, at, sign, label, caption, tone: Tone::Plain, arrow: None });
        }
    }

    fn paint(self) -> Scene {
        let lanes = self.lanes();
        let lane = |who: Who| lanes.iter().position(|(other, _)| *other == who).unwrap_or(0);
        let mut order: Vec<usize> = (0..self.happenings.len()).collect();
        order.sort_by_key(|&n| (self.happenings[n].t, n));
        let mut row_of = vec![0; order.len()];
        for (row, &n) in order.iter().enumerate() {
            row_of[n] = row;
        }
        let place = |n: usize| Place { lane: lane(self.happenings[n].at), row: row_of[n] };
        let mut scene = Scene { title: self.title(), ..Scene::default() };
        for (row, &n) in order.iter().enumerate() {
            let seen = &self.happenings[n];
            let caption = format!("{:.4} s  {}", seconds(seen.t), seen.caption);
            scene.rows.push(Row { number: (row + 1).to_string(), caption });
            scene.marks.push(Mark {
                place: place(n),
                sign: seen.sign,
                label: seen.label.clone(),
                tone: seen.tone,
            });
            if let Some((from, cargo, label)) = &seen.arrow {
                let to = Arrival::At(place(n));
                let arrow =
                    Arrow { from: place(*from), to, cargo: *cargo, label: label.clone(), tone: seen.tone };
                scene.arrows.push(arrow);
            }
        }
        let times: Vec<u64> = order.iter().map(|&n| self.happenings[n].t).collect();
        scene.bands = self.bands(&times, &lane);
        self.end(&mut scene, &lane);
        scene.description = scene.rows.iter().map(|row| row.caption.as_str()).collect::<Vec<_>>().join(". ");
        scene.lanes = lanes.into_iter().map(|(_, lane)| lane).collect();
        scene
    }

    fn title(&self) -> String {
        let key = self.case.key.map_or("", |key| self.view.run.history.keys.name(key));
        match self
            .case
            .entry
            .and_then(|entry| entry.winner.as_ref().map(|winner| (entry.write, winner.write)))
        {
            Some((lost, won)) => format!("{key}: {lost} is acknowledged, and lost to {won}"),
            None => match self.case.entry {
                Some(entry) => {
                    format!("{key}: {} is acknowledged, and {}", entry.write, entry.fate.meaning())
                }
                None => format!("{key}: {}", self.case.kind),
            },
        }
    }

    fn lanes(&self) -> Vec<(Who, Lane)> {
        let clients: BTreeSet<ClientId> = self.case.operations.iter().map(|op| op.client).collect();
        let clients = clients
            .into_iter()
            .map(|client| (Who::Client(client), Lane { name: client.to_string(), owner: Owner::Client }));
        let leaders = self.view.leaders();
        let replicas = self.view.replicas().into_iter().map(|replica| {
            let owner = if leaders.contains(&replica) { Owner::Leader } else { Owner::Follower };
            (Who::Replica(replica), Lane { name: replica.to_string(), owner })
        });
        clients.chain(replicas).collect()
    }

    /// The faults that were on meanwhile.
    fn bands(&self, times: &[u64], lane: &dyn Fn(Who) -> usize) -> Vec<Band> {
        let (first, last) = (times.first().copied().unwrap_or(0), times.last().copied().unwrap_or(0));
        let row = |t: u64| times.partition_point(|other| *other < t);
        let mut bands = Vec::new();
        for band in self.view.bands.iter().filter(|band| band.from <= last && band.to >= first) {
            let on = band.replica.map(|replica| lane(Who::Replica(replica)));
            let conditions: Vec<Condition> = match (band.kind, on) {
                (BandKind::Clock, Some(lane)) => vec![Condition::Skewed(lane)],
                (BandKind::Process, Some(lane)) => vec![Condition::Dead(lane)],
                (BandKind::Partition, _) => {
                    let ends = band.links.iter().map(|link| {
                        let (from, to) = (lane(Who::Replica(link.from)), lane(Who::Replica(link.to)));
                        (from.min(to), from.max(to))
                    });
                    let ends: BTreeSet<(usize, usize)> = ends.collect();
                    ends.into_iter().map(|(one, other)| Condition::Parted(one, other)).collect()
                }
                _ => Vec::new(),
            };
            for condition in conditions {
                let (from, until) = (row(band.from).saturating_sub(1), row(band.to));
                let from = if band.from <= first { 0 } else { from };
                bands.push(Band { condition, from, until, label: band.label.clone() });
            }
        }
        bands
    }

    /// What the replicas held in the end.
    fn end(&self, scene: &mut Scene, lane: &dyn Fn(Who) -> usize) {
        let Some(key) = self.case.key else { return };
        let history = &self.view.run.history;
        let row = scene.rows.len();
        let mut told = Vec::new();
        for replica in self.view.replicas() {
            let Some(held) = history.finals.get(&(key, replica)) else { continue };
            let by: Vec<String> = held.versions.iter().map(ToString::to_string).collect();
            let tone = held.versions.iter().map(|write| self.tone(Some(*write))).max().unwrap_or_default();
            let place = Place { lane: lane(Who::Replica(replica)), row };
            scene.marks.push(Mark { place, sign: Sign::End, label: short(&by.join(", ")), tone });
            told.push(format!("{replica} {}", by.join(", ")));
        }
        if !told.is_empty() {
            let caption = format!("in the end: {}", told.join("; "));
            scene.rows.push(Row { number: String::new(), caption });
        }
    }
}

const fn sign(decision: Decision) -> Sign {
    match decision {
        Decision::Applied => Sign::Applied,
        Decision::Discarded | Decision::Skipped => Sign::Discarded,
        Decision::Merged => Sign::Merged,
        Decision::Sibling => Sign::Sibling,
    }
}

const fn verb(decision: Decision) -> &'static str {
    match decision {
        Decision::Applied => "applies",
        Decision::Discarded => "discards",
        Decision::Merged => "merges",
        Decision::Sibling => "keeps beside others",
        Decision::Skipped => "skips, without the row,",
    }
}

/// How far a clock stands off, in the room of a label.
fn lead(us: i64) -> String {
    format!("{:+} ms", us / 1000)
}

fn short(text: &str) -> String {
    if text.chars().count() <= LABEL {
        text.to_owned()
    } else {
        text.chars().take(LABEL - 1).chain(['\u{2026}']).collect()
    }
}
