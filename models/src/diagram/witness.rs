//! The scene of a witness. It is played, so arrows begin where a message was really sent and end where it arrived.

use super::{Arrival, Arrow, Band, Cargo, Condition, Lane, Mark, Owner, Place, Row, Scene, Sign, Tone};
use crate::{
    fate::Fate,
    fault::{ClockChange, Fault},
    id::{ClientId, LinkId, ReplicaId, WriteId},
    message::{Reply, TraceEvent},
    session::Outcome,
    strategy::{Decision, Site},
    witness::{
        Act, Applied, Frame, Happening, Narration, Phase, Played, RecordEnd, Step, Witness, WitnessError,
        effect_words, length, play, stamp, standing, tell,
    },
};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

/// The most characters of a label beside a mark.
const LABEL: usize = 22;
/// The most characters of a caption.
const CAPTION: usize = 64;

/// The scene of a witness.
///
/// # Errors
/// [`WitnessError`] if it cannot be played, or does not end as it says.
pub fn scene(witness: &Witness) -> Result<Scene, WitnessError> {
    let played = play(witness)?;
    let narration = tell(witness, &played);
    let mut painter = Painter::new(witness, &played);
    for ((step, seen), sentence) in witness.steps.iter().zip(&played.steps).zip(&narration.steps) {
        painter.step(step, &seen.happenings, &sentence.lead);
    }
    painter.end(&played);
    painter.scene.title = title(witness);
    painter.scene.description = description(&narration);
    Ok(painter.scene)
}

fn title(witness: &Witness) -> String {
    let within = witness.found.within.clone().unwrap_or_else(|| {
        let cluster = &witness.cluster;
        format!("{} | {} | {}", cluster.strategy, witness.workload, cluster.topology.name())
    });
    format!("{}: {within}", witness.found.shows)
}

fn description(narration: &Narration) -> String {
    narration.to_string().trim_end().to_string()
}

struct Painter<'a> {
    witness: &'a Witness,
    clients: Vec<ClientId>,
    tones: BTreeMap<WriteId, Tone>,
    scene: Scene,
    /// The first row of the step.
    row: usize,
    /// How many marks each lane has in this step.
    used: Vec<usize>,
    /// The messages sent, and to which lane each goes.
    sent: BTreeMap<usize, (usize, Arrow)>,
    /// The requests under way, by client and replica.
    asked: BTreeMap<(ClientId, ReplicaId), VecDeque<Arrow>>,
    /// The bands that have not ended, by condition.
    open: Vec<Band>,
}

impl<'a> Painter<'a> {
    fn new(witness: &'a Witness, played: &Played) -> Self {
        let happenings = played.steps.iter().flat_map(|step| &step.happenings);
        let active: BTreeSet<ClientId> = happenings
            .filter_map(|seen| match seen {
                Happening::Began { client, .. } => Some(*client),
                _ => None,
            })
            .collect();
        let clients: Vec<ClientId> = active.into_iter().collect();
        let mut lanes: Vec<Lane> =
            clients.iter().map(|client| Lane { name: client.to_string(), owner: Owner::Client }).collect();
        lanes.extend(played.replicas.keys().map(|replica| {
            let leader = replica.index() < witness.cluster.leaders;
            Lane { name: replica.to_string(), owner: if leader { Owner::Leader } else { Owner::Follower } }
        }));
        Self {
            witness,
            tones: tones(witness),
            used: vec![0; lanes.len()],
            scene: Scene { lanes, ..Scene::default() },
            clients,
            row: 0,
            sent: BTreeMap::new(),
            asked: BTreeMap::new(),
            open: Vec::new(),
        }
    }

    fn of_client(&self, client: ClientId) -> Option<usize> {
        self.clients.binary_search(&client).ok()
    }

    fn of_replica(&self, replica: ReplicaId) -> usize {
        self.clients.len() + replica.index()
    }

    fn tone(&self, writes: &[WriteId]) -> Tone {
        // What carries a loser and others is no loss of all that it carries.
        let of = |write: &WriteId| self.tones.get(write).copied().unwrap_or_default();
        writes.iter().map(of).min().unwrap_or_default()
    }

    /// Where the last mark of a lane in this step stands.
    fn here(&self, lane: usize) -> Place {
        Place { lane, row: self.row + self.used[lane].saturating_sub(1) }
    }

    fn mark(&mut self, lane: usize, sign: Sign, label: &str, tone: Tone) {
        let place = Place { lane, row: self.row + self.used[lane] };
        self.used[lane] += 1;
        self.scene.marks.push(Mark { place, sign, label: clipped(label, LABEL), tone });
    }

    fn step(&mut self, step: &Step, happenings: &[Happening], caption: &str) {
        self.used.iter_mut().for_each(|used| *used = 0);
        self.act(&step.act);
        happenings.iter().for_each(|seen| self.happening(seen));
        let rows = self.used.iter().copied().max().unwrap_or(0).max(1);
        let number = (self.scene.rows.iter().filter(|row| !row.number.is_empty()).count() + 1).to_string();
        self.scene.rows.push(Row { number, caption: clipped(caption, CAPTION) });
        self.scene.rows.extend((1..rows).map(|_| Row::default()));
        self.row += rows;
    }

    /// What is to be seen of the nemesis.
    fn act(&mut self, act: &Act) {
        match act {
            Act::Fault(fault) => self.fault(fault),
            Act::TakeHome { replica, .. } => self.note(*replica, "takes the home"),
            Act::Lose { replica } => self.death(*replica, "dies for good"),
            Act::LoseTail { replica, records } => self.death(*replica, &format!("dies, loses {records}")),
            Act::Tick { replica } => self.note(*replica, "tick"),
            Act::Collect { replica } => self.note(*replica, "purge"),
            Act::Forget { replica } => self.note(*replica, "forget"),
            Act::GiveUp { client } => {
                if let Some(lane) = self.of_client(*client) {
                    self.mark(lane, Sign::Client, "gives up", Tone::Plain);
                }
            }
            Act::Begin { .. }
            | Act::Arrive { .. }
            | Act::Deliver { .. }
            | Act::Acknowledge { .. }
            | Act::Reconnect { .. } => {}
        }
    }

    fn note(&mut self, replica: ReplicaId, label: &str) {
        self.mark(self.of_replica(replica), Sign::Note, label, Tone::Plain);
    }

    fn death(&mut self, replica: ReplicaId, label: &str) {
        let lane = self.of_replica(replica);
        self.mark(lane, Sign::Death, label, Tone::Plain);
        self.lasts(Condition::Dead(lane), format!("{replica} does not run"));
    }

    fn fault(&mut self, fault: &Fault) {
        match fault {
            Fault::Cut(links) | Fault::Stall(links) => {
                let word = if matches!(fault, Fault::Cut(_)) { "cut" } else { "stalled" };
                for link in links {
                    self.lasts(self.parted(*link), format!("{link} is {word}"));
                }
            }
            Fault::Heal(links) => links.iter().for_each(|link| self.over(self.parted(*link))),
            Fault::Degrade(..) => {}
            Fault::Clock(replica, change) => {
                let lane = self.of_replica(*replica);
                let label = turned(*change);
                let right = matches!(change, ClockChange::Reset | ClockChange::Offset { us: 0 });
                self.over(Condition::Skewed(lane));
                self.mark(lane, Sign::Clock, if right { "right" } else { &label }, Tone::Plain);
                if !right {
                    self.lasts(Condition::Skewed(lane), format!("the clock of {replica}: {label}"));
                }
            }
            Fault::Relocate { client, to, .. } => {
                if let Some(lane) = self.of_client(*client) {
                    self.mark(lane, Sign::Client, &format!("moves to {to}"), Tone::Plain);
                }
            }
            Fault::Kill(replica) => self.death(*replica, "dies"),
            Fault::Pause(replica) => self.death(*replica, "stops"),
            Fault::Restart(replica) | Fault::Resume(replica) => {
                let lane = self.of_replica(*replica);
                let label = if matches!(fault, Fault::Restart(_)) { "restarts" } else { "goes on" };
                self.over(Condition::Dead(lane));
                self.mark(lane, Sign::Start, label, Tone::Plain);
            }
        }
    }

    fn parted(&self, link: LinkId) -> Condition {
        Condition::Parted(self.of_replica(link.from), self.of_replica(link.to))
    }

    fn lasts(&mut self, condition: Condition, label: String) {
        if !self.open.iter().any(|band| band.condition == condition) {
            self.open.push(Band { condition, from: self.row, until: usize::MAX, label });
        }
    }

    fn over(&mut self, condition: Condition) {
        if let Some(place) = self.open.iter().position(|band| band.condition == condition) {
            let band = self.open.remove(place);
            self.scene.bands.push(Band { until: self.row, ..band });
        }
    }

    fn happening(&mut self, seen: &Happening) {
        match seen {
            Happening::Began { client, key, operation, .. } => {
                if let Some(lane) = self.of_client(*client) {
                    self.mark(lane, Sign::Client, &effect_words(key, operation), Tone::Plain);
                }
            }
            Happening::Asked { client, to, request } => {
                let Some(lane) = self.of_client(*client) else { return };
                let writes: Vec<WriteId> = request.write.into_iter().collect();
                let label = format!("{client} asks {to}: {}", effect_words(&request.key, &request.operation));
                let arrow = Arrow {
                    from: self.here(lane),
                    to: Arrival::UnderWay(self.of_replica(*to)),
                    cargo: Cargo::Request,
                    label,
                    tone: self.tone(&writes),
                };
                self.asked.entry((*client, *to)).or_default().push_back(arrow);
            }
            Happening::Arrived { client, at, .. } => {
                let to = Arrival::At(self.next(self.of_replica(*at)));
                self.request(*client, *at, to);
            }
            Happening::RequestLost { client, to } => {
                let end = Arrival::Lost(self.of_replica(*to));
                self.request(*client, *to, end);
            }
            Happening::Applied(applied) => self.applied(applied),
            Happening::Told { at, event } => self.told(*at, event),
            Happening::Sent { message, link, back, frame, writes } => {
                self.send(*message, *link, *back, frame, writes)
            }
            Happening::Delivered { message, .. } => self.delivered(*message),
            Happening::Lost { message, .. } => {
                if let Some((lane, arrow)) = self.sent.remove(message) {
                    self.scene.arrows.push(Arrow { to: Arrival::Lost(lane), ..arrow });
                }
            }
            Happening::Answered { client, by, reply } => self.answered(*client, *by, reply),
            Happening::Resolved { client, resolution } => {
                if let Some(lane) = self.of_client(*client) {
                    self.mark(lane, Sign::Merged, &resolution.write.to_string(), Tone::Plain);
                }
            }
            Happening::Ended { client, outcome, .. } => self.ended(*client, outcome),
            Happening::Unheard { .. } | Happening::Connected { .. } | Happening::Disconnected { .. } => {}
        }
    }

    /// Where the next mark of a lane will stand: what arrives is seen there, if it does anything.
    fn next(&self, lane: usize) -> Place {
        Place { lane, row: self.row + self.used[lane] }
    }

    fn request(&mut self, client: ClientId, at: ReplicaId, to: Arrival) {
        let asked = self.asked.get_mut(&(client, at)).and_then(VecDeque::pop_front);
        self.scene.arrows.extend(asked.map(|arrow| Arrow { to, ..arrow }));
    }

    fn applied(&mut self, applied: &Applied) {
        let write = applied.version.write;
        let label = match applied.site {
            Site::Local => format!("{write} {}", stamp(applied.version.stamp)),
            Site::Remote => write.to_string(),
        };
        let sign = match applied.decision {
            Decision::Applied => Sign::Applied,
            Decision::Discarded | Decision::Skipped => Sign::Discarded,
            Decision::Merged => Sign::Merged,
            Decision::Sibling => Sign::Sibling,
        };
        self.mark(self.of_replica(applied.at), sign, &label, self.tone(&[write]));
    }

    fn told(&mut self, at: ReplicaId, event: &TraceEvent) {
        let label = match event {
            TraceEvent::Apply { write, .. } => write.to_string(),
            TraceEvent::Duplicate { write, .. } => format!("{write} again"),
            TraceEvent::Home { key, .. } => format!("home of {key}"),
            TraceEvent::Truncated { link, .. } => format!("{link} truncated"),
            TraceEvent::Stalled { write, .. } => format!("waits before {write}"),
            TraceEvent::Collected { write, .. } => format!("{write} forgotten"),
            TraceEvent::Unresolved { refused, .. } => format!("unresolved: {}", refused.kind.name()),
            TraceEvent::Forgot { records } => format!("{records} forgotten"),
        };
        self.note(at, &label);
    }

    fn send(&mut self, message: usize, link: LinkId, back: bool, frame: &Frame, writes: &[WriteId]) {
        let (by, to) = if back { (link.to, link.from) } else { (link.from, link.to) };
        let cargo = if matches!(frame, Frame::Entries(_)) { Cargo::Entries } else { Cargo::Talk };
        let names: Vec<String> = writes.iter().map(ToString::to_string).collect();
        let what = match cargo {
            Cargo::Entries => names.join(" "),
            _ => frame.to_string(),
        };
        let arrow = Arrow {
            from: self.here(self.of_replica(by)),
            to: Arrival::UnderWay(self.of_replica(to)),
            cargo,
            label: format!("{by} to {to}: {what}"),
            tone: self.tone(writes),
        };
        // Acknowledgements that never arrive are no news.
        if !back || self.witness.cluster.acknowledgements == crate::witness::Acknowledgements::Delivered {
            self.sent.insert(message, (self.of_replica(to), arrow));
        }
    }

    fn delivered(&mut self, message: usize) {
        // A copy leaves the message itself under way; the last of its arrivals ends it.
        if let Some((lane, arrow)) = self.sent.get(&message).cloned() {
            let to = Arrival::At(self.next(lane));
            self.scene.arrows.push(Arrow { to, ..arrow });
        }
    }

    fn answered(&mut self, client: ClientId, by: ReplicaId, reply: &Reply) {
        let Some(lane) = self.of_client(client) else { return };
        let (label, writes) = match reply {
            Reply::Written(_) => (format!("{by} answers {client}: written"), Vec::new()),
            Reply::Read(view) => {
                let writes: Vec<WriteId> = view.versions.iter().map(|version| version.write).collect();
                (format!("{by} answers {client}: read"), writes)
            }
            Reply::Refused(refusal) => (format!("{by} answers {client}: {refusal}"), Vec::new()),
        };
        let from = self.here(self.of_replica(by));
        let to = Arrival::At(Place { lane, row: from.row });
        let tone = self.tone(&writes);
        self.scene.arrows.push(Arrow { from, to, cargo: Cargo::Reply, label, tone });
    }

    /// That a write was acknowledged its arrow says already.
    fn ended(&mut self, client: ClientId, outcome: &Outcome) {
        let label = match outcome {
            Outcome::Written(_) => return,
            Outcome::Read { value, .. } => {
                value.as_ref().map_or_else(|| "nothing".to_string(), |value| format!("gets {value}"))
            }
            Outcome::Failed(_) => "failed".to_string(),
            Outcome::Unsent => "not sent".to_string(),
            Outcome::Unknown(_) => "unknown".to_string(),
        };
        if let Some(lane) = self.of_client(client) {
            self.mark(lane, Sign::Client, &label, Tone::Plain);
        }
    }

    /// What the replicas hold, and what never arrived.
    fn end(&mut self, played: &Played) {
        let under_way: BTreeSet<usize> = played.under_way.iter().copied().collect();
        let never = core::mem::take(&mut self.sent);
        let never = never.into_iter().filter(|(message, _)| under_way.contains(message));
        self.scene.arrows.extend(never.map(|(_, (_, arrow))| arrow));
        let requests = core::mem::take(&mut self.asked);
        self.scene.arrows.extend(requests.into_values().flatten());
        let rows: usize =
            played.replicas.values().map(|end| holdings(&end.records).len()).max().unwrap_or(0).max(1);
        self.used.iter_mut().for_each(|used| *used = 0);
        for (&replica, end) in &played.replicas {
            let tone =
                |writes: &[WriteId]| if end.phase == Phase::Live { self.tone(writes) } else { Tone::Plain };
            let marks: Vec<(String, Tone)> =
                holdings(&end.records).into_iter().map(|(held, writes)| (held, tone(&writes))).collect();
            for (held, tone) in marks {
                self.mark(self.of_replica(replica), Sign::End, &held, tone);
            }
        }
        self.scene.rows.push(Row { number: "end".to_string(), caption: String::new() });
        self.scene.rows.extend((1..rows).map(|_| Row::default()));
        self.scene.bands.append(&mut self.open);
        self.scene.bands.sort_by_key(|band| band.from);
    }
}

/// What a replica holds, a line for each version or merged value.
fn holdings(records: &BTreeMap<crate::value::Key, RecordEnd>) -> Vec<(String, Vec<WriteId>)> {
    let mut lines = Vec::new();
    for (key, record) in records {
        let writes: Vec<WriteId> = record.versions.iter().map(|held| held.write).collect();
        match &record.value {
            Some(value) => lines.push((format!("{key} = {value}"), writes)),
            None if writes.len() < 2 => lines.push((format!("no {key}"), writes)),
            None => lines.extend(record.versions.iter().map(|held| {
                let value = held.value.as_ref().map_or_else(|| "nothing".to_string(), ToString::to_string);
                (format!("{key} = {value}"), vec![held.write])
            })),
        }
    }
    if lines.is_empty() {
        lines.push(("nothing".to_string(), Vec::new()));
    }
    lines
}

/// Which writes lost although they were acknowledged, and which won over them.
fn tones(witness: &Witness) -> BTreeMap<WriteId, Tone> {
    let fates = || witness.end.iter().flat_map(|end| &end.fates).filter(|(_, end)| end.fate.is_loss());
    let mut tones: BTreeMap<WriteId, Tone> =
        fates().filter_map(|(_, end)| end.winner).map(|winner| (winner, Tone::Won)).collect();
    let tone = |fate| if fate == Fate::Partial { Tone::Torn } else { Tone::Lost };
    tones.extend(fates().map(|(&write, end)| (write, tone(end.fate))));
    tones
}

/// What becomes of a clock, in a label.
fn turned(change: ClockChange) -> String {
    match change {
        ClockChange::Offset { us } => standing(us).unwrap_or_default(),
        ClockChange::Step { us } if us < 0 => format!("{} back", length(us)),
        ClockChange::Step { us } => format!("{} forwards", length(us)),
        ClockChange::Drift { ppm } => format!("{ppm:+} ppm"),
        ClockChange::Freeze => "frozen".to_string(),
        ClockChange::Reset => String::new(),
    }
}

fn clipped(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_string();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
