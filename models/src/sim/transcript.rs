//! From a run to a witness: what was simulated, step by step, in the form that every arena plays.
//!
//! The player of witnesses has no network and no disk: a frame arrives when a step says so, an answer is heard at once,
//! and what is written is durable. So a run is told as it would have had to happen there: a client whose answer never
//! came gives up before its request arrives; what came on a link after some loss is delivered as it was sent at first;
//! a log whose tail was lost loses it in the step that kills the process. The witness is then played, and must end with
//! every replica as it is at the end of the run. Steps without which it still does, and which no client notices, are left
//! out. A run that cannot be told that way is refused, and the reason is said.

use super::{
    client::client_of,
    node::EPOCH_US,
    observer::Observer,
    schedule::{Durability, Errand, Schedule, ScheduleError},
    world::{Outcome, RESERVE, run},
};
use crate::{
    clock::Stamp,
    fault::{ClockChange, Fault},
    id::{ClientId, Dot, LinkId, ReplicaId, WriteId},
    message::{Input, Message, Output},
    operation::KeyedOperation,
    replica::Replica,
    session::{self, SessionInput},
    version::VersionVector,
    witness::{
        Acknowledgements, Act, ClientStart, Cluster, End, Found, Frame, Happening, Kind, Phase, Played,
        RecordEnd, Step, Version1, Witness, WitnessError, play,
    },
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec,
    vec::Vec,
};

/// More than any run that somebody reads.
const MAX_EVENTS: usize = 3000;
/// Up to so many steps it is tried what can be left out: that takes a play for each.
const MAX_PRUNED: usize = 400;

/// Why a run cannot be told as a witness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// It cannot be run.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// It is too long: shrink it first.
    #[error("the run has {events} events, and a witness is told of {MAX_EVENTS} at most: shrink it first")]
    TooLong {
        /// How many events it has.
        events: usize,
    },
    /// A client reads elsewhere than at its leader.
    #[error("a witness has no step for a read at another replica than the client's leader")]
    FollowerRead,
    /// A step cannot happen where every frame waits and every answer is heard at once.
    #[error("told as a witness, it cannot happen: {0}")]
    Step(#[from] WitnessError),
    /// The witness ends otherwise than the run.
    #[error("told as a witness, {replica} ends otherwise than in the run")]
    Differs {
        /// Whose end is another one.
        replica: ReplicaId,
    },
}

/// What was seen of a run.
#[derive(Debug)]
enum Seen {
    Begun {
        client: ClientId,
        keyed: KeyedOperation,
        write: Option<WriteId>,
    },
    Fed {
        at: ReplicaId,
        input: Input,
        /// How far each log came by it, where one did.
        news: VersionVector,
        /// Whether it made the replica answer a client or ask another leader.
        speaks: bool,
    },
    /// A client does not wait for the answer to this request any more: it gives up, or it moves.
    Silence {
        client: ClientId,
        number: u32,
        moves: Option<Fault>,
    },
    Fault(Fault),
    Errand {
        at: ReplicaId,
        errand: Errand,
    },
}

/// Takes a run down.
#[derive(Debug, Default)]
struct Shorthand {
    seen: Vec<(u64, Seen)>,
    /// The request that each client waits for.
    asked: BTreeMap<ClientId, u32>,
    applied: BTreeMap<ReplicaId, VersionVector>,
    /// The last kill of each replica, by its place.
    killed: BTreeMap<ReplicaId, usize>,
    /// How many records a killed replica's log lost, by the place of the kill.
    lost: BTreeMap<usize, u32>,
}

impl Observer for Shorthand {
    fn invoked(
        &mut self,
        at_us: u64,
        client: ClientId,
        _replica: ReplicaId,
        keyed: &KeyedOperation,
        write: Option<WriteId>,
    ) {
        self.seen.push((at_us, Seen::Begun { client, keyed: keyed.clone(), write }));
    }

    fn asked(&mut self, client: ClientId, number: u32) {
        self.asked.insert(client, number);
    }

    fn completed(&mut self, _at_us: u64, client: ClientId, _writes: bool, _outcome: session::Outcome) {
        self.asked.remove(&client);
    }

    fn tells(&mut self, at_us: u64, client: ClientId, input: &SessionInput) {
        let Some(&number) = self.asked.get(&client) else { return };
        match input {
            SessionInput::Unanswered => {
                self.seen.push((at_us, Seen::Silence { client, number, moves: None }));
            }
            SessionInput::Relocated { .. } => {
                // The move was told of right before.
                if let Some((_, Seen::Fault(fault))) = self.seen.pop() {
                    self.seen.push((at_us, Seen::Silence { client, number, moves: Some(fault) }));
                }
            }
            _ => {}
        }
    }

    fn fault(&mut self, at_us: u64, fault: &Fault, _backup_us: Option<u64>) {
        if let Fault::Kill(replica) = fault {
            self.killed.insert(*replica, self.seen.len());
        }
        self.seen.push((at_us, Seen::Fault(fault.clone())));
    }

    fn lost_records(&mut self, replica: ReplicaId, records: usize) {
        if let (Some(&kill), Ok(records)) = (self.killed.get(&replica), u32::try_from(records)) {
            *self.lost.entry(kill).or_default() += records;
        }
    }

    fn errand(&mut self, at_us: u64, at: ReplicaId, errand: &Errand) {
        self.seen.push((at_us, Seen::Errand { at, errand: errand.clone() }));
    }

    fn feeds(&mut self, at_us: u64, at: ReplicaId, input: &Input) {
        let (input, news) = (input.clone(), VersionVector::new());
        self.seen.push((at_us, Seen::Fed { at, input, news, speaks: false }));
    }

    fn fed(&mut self, replica: &Replica, outputs: &[Output]) {
        let applied = self.applied.entry(replica.id()).or_default();
        let Some((_, Seen::Fed { news, speaks, .. })) = self.seen.last_mut() else { return };
        let changed = |dot: &Dot| applied.get(dot.origin) != dot.position;
        *news = replica.applied().iter().filter(changed).collect();
        applied.clone_from(replica.applied());
        let says = |output: &Output| {
            matches!(output, Output::Reply { .. } | Output::Send { message: Message::Routed(_), .. })
        };
        *speaks = outputs.iter().any(says);
    }
}

impl Shorthand {
    /// What was seen, each client's silence before the arrival of the request whose answer it never heard.
    fn in_order(self) -> Vec<(u64, Seen)> {
        let mut arrived = BTreeMap::new();
        for (place, (at_us, seen)) in self.seen.iter().enumerate() {
            if let Seen::Fed { input: Input::Request { id, .. }, .. } = seen {
                arrived.entry(client_of(*id)).or_insert((place, *at_us));
            }
        }
        let mut seen: Vec<(usize, bool, u64, Seen)> = Vec::with_capacity(self.seen.len());
        for (place, (at_us, event)) in self.seen.into_iter().enumerate() {
            let arrival = match &event {
                Seen::Silence { client, number, .. } => arrived.get(&(*client, *number)),
                _ => None,
            };
            match arrival {
                Some(&(arrival, arrived_us)) if arrival < place => {
                    seen.push((arrival, false, arrived_us, event));
                }
                _ => seen.push((place, true, at_us, event)),
            }
        }
        seen.sort_by_key(|&(place, own, ..)| (place, own));
        seen.into_iter().map(|(.., at_us, event)| (at_us, event)).collect()
    }
}

/// Tells the run of a schedule as a witness, which has been played and ends as the run does. What became of its writes
/// is left for whoever judges.
///
/// # Errors
/// [`Untold`] if that cannot be done.
pub fn transcribe(schedule: &Schedule, found: Found, workload: &str) -> Result<Witness, Untold> {
    if schedule
        .operations
        .iter()
        .any(|operation| operation.replica.is_some() && !operation.operation.is_write())
    {
        return Err(Untold::FollowerRead);
    }
    let mut shorthand = Shorthand::default();
    let outcome = run(schedule, &mut shorthand)?;
    if shorthand.seen.len() > MAX_EVENTS {
        return Err(Untold::TooLong { events: shorthand.seen.len() });
    }
    let lost: Vec<u32> = shorthand.lost_by_kill();
    let mut telling = Telling::new(schedule, found, workload, lost)?;
    for (at_us, seen) in shorthand.in_order() {
        telling.tell(at_us, seen)?;
    }
    telling.compare(&outcome)?;
    telling.prune();
    Ok(telling.finish())
}

impl Shorthand {
    /// For each kill in order, how many records are lost.
    fn lost_by_kill(&self) -> Vec<u32> {
        let kill = |(place, (_, seen)): (usize, &(u64, Seen))| {
            matches!(seen, Seen::Fault(Fault::Kill(_))).then(|| self.lost.get(&place).copied().unwrap_or(0))
        };
        self.seen.iter().enumerate().filter_map(kill).collect()
    }
}

/// A witness as it grows.
struct Telling {
    witness: Witness,
    played: Played,
    /// What the witness calls the beginning.
    base_us: i64,
    /// The records lost by the kills that are still to come.
    lost: vec::IntoIter<u32>,
    blocked: BTreeSet<LinkId>,
}

impl Telling {
    fn new(schedule: &Schedule, found: Found, workload: &str, lost: Vec<u32>) -> Result<Self, Untold> {
        let tokens = schedule.clients.token;
        let starts = (0..).zip(&schedule.clients.at);
        let clients = starts.map(|(client, &at)| (ClientId(client), ClientStart { at, tokens })).collect();
        let cluster = &schedule.cluster;
        let witness = Witness {
            quarrel: Kind::Witness,
            v: Version1,
            found,
            cluster: Cluster {
                strategy: cluster.strategy.clone(),
                topology: cluster.topology.clone(),
                propagation: cluster.propagation,
                leaders: cluster.leaders,
                followers: cluster.followers.clone(),
                acknowledgements: Acknowledgements::Dropped,
                coarse_us: u32::try_from(cluster.clock_tick_us).unwrap_or(u32::MAX),
                reserve: if matches!(cluster.durability, Durability::Lazy { .. }) { RESERVE } else { 0 },
            },
            clients,
            workload: String::from(workload),
            steps: Vec::new(),
            end: None,
        };
        let played = play(&witness)?;
        let base_us = beginning(schedule);
        Ok(Self { witness, played, base_us, lost: lost.into_iter(), blocked: BTreeSet::new() })
    }

    fn push(&mut self, at_us: u64, act: Act) -> Result<(), WitnessError> {
        let at_us = Some(self.base_us.saturating_add_unsigned(at_us));
        self.witness.steps.push(Step { step: None, act, at_us, digests: BTreeMap::new() });
        self.played = play(&self.witness)?;
        Ok(())
    }

    fn tell(&mut self, at_us: u64, seen: Seen) -> Result<(), WitnessError> {
        match seen {
            Seen::Begun { client, keyed: KeyedOperation { key, operation }, write } => {
                self.push(at_us, Act::Begin { client, key, operation, write, at_once: false })
            }
            Seen::Fed { at, input, news, speaks } => self.fed(at_us, at, input, &news, speaks),
            Seen::Silence { moves: Some(fault), .. } => self.push(at_us, Act::Fault(fault)),
            Seen::Silence { client, .. } if self.waits(client) => self.push(at_us, Act::GiveUp { client }),
            Seen::Silence { .. } => Ok(()),
            Seen::Fault(fault) => self.fault(at_us, fault),
            Seen::Errand { at: replica, errand } => {
                let act = match errand {
                    Errand::Collect => Act::Collect { replica },
                    Errand::Forget => Act::Forget { replica },
                    Errand::TakeHome(key) => Act::TakeHome { replica, key },
                };
                self.push(at_us, act)
            }
        }
    }

    fn fed(
        &mut self,
        at_us: u64,
        at: ReplicaId,
        input: Input,
        news: &VersionVector,
        speaks: bool,
    ) -> Result<(), WitnessError> {
        match input {
            Input::Request { id, .. } => {
                let (client, _) = client_of(id);
                self.push(at_us, Act::Arrive { client, at })
            }
            Input::Tick if speaks => self.push(at_us, Act::Tick { replica: at }),
            Input::Peer { link, message: Message::Entries { entries, .. } } if news.total() > 0 => {
                let dots: Vec<Dot> = entries.iter().map(|entry| entry.version.dot).collect();
                for message in self.under_way(link) {
                    if matches!(&message, Frame::Entries(carried) if carried.iter().all(|dot| dots.contains(dot)))
                    {
                        self.push(at_us, Act::Deliver { link, message: Some(message), copy: false })?;
                    }
                }
                Ok(())
            }
            Input::Peer { link, message: message @ Message::Routed(_) } => {
                let message = Frame::of(&message);
                if !self.under_way(link).contains(&message) {
                    return Ok(());
                }
                self.push(at_us, Act::Deliver { link, message: Some(message), copy: false })
            }
            // The player brings links up by itself, errands are told of apart, and the rest changes nothing.
            _ => Ok(()),
        }
    }

    fn fault(&mut self, at_us: u64, fault: Fault) -> Result<(), WitnessError> {
        let is_live = |replica: &ReplicaId| {
            self.played.replicas.get(replica).is_some_and(|held| held.phase == Phase::Live)
        };
        let act = match fault {
            Fault::Kill(replica) => {
                let records = self.lost.next().unwrap_or(0);
                if !is_live(&replica) {
                    return Ok(());
                }
                if records > 0 {
                    Act::LoseTail { replica, records }
                } else {
                    Act::Fault(Fault::Kill(replica))
                }
            }
            Fault::Restart(replica) if is_live(&replica) => return Ok(()),
            Fault::Pause(replica) | Fault::Resume(replica) if !is_live(&replica) => return Ok(()),
            Fault::Cut(links) => {
                self.blocked.extend(&links);
                Act::Fault(Fault::Cut(links))
            }
            Fault::Stall(links) => {
                self.blocked.extend(&links);
                Act::Fault(Fault::Stall(links))
            }
            // Every message waits for its step: how fast a link is does not matter, only that it is open again.
            Fault::Degrade(links, _) | Fault::Heal(links) => {
                let opened: Vec<LinkId> =
                    links.into_iter().filter(|link| self.blocked.remove(link)).collect();
                if opened.is_empty() {
                    return Ok(());
                }
                Act::Fault(Fault::Heal(opened))
            }
            other => Act::Fault(other),
        };
        self.push(at_us, act)
    }

    fn happenings(&self) -> impl Iterator<Item = &Happening> {
        self.played.steps.iter().flat_map(|step| &step.happenings)
    }

    /// Whether a client waits for an answer.
    fn waits(&self, who: ClientId) -> bool {
        let mut waits = false;
        for happening in self.happenings() {
            match happening {
                Happening::Asked { client, .. } if *client == who => waits = true,
                Happening::Ended { client, .. } if *client == who => waits = false,
                _ => {}
            }
        }
        waits
    }

    /// What is under way on a link, the oldest first.
    fn under_way(&self, on: LinkId) -> Vec<Frame> {
        let mut frames = BTreeMap::new();
        for happening in self.happenings() {
            match happening {
                Happening::Sent { message, link, back: false, frame, .. } if *link == on => {
                    frames.insert(*message, frame.clone());
                }
                Happening::Delivered { message, .. } | Happening::Lost { message, .. } => {
                    frames.remove(message);
                }
                _ => {}
            }
        }
        frames.into_values().collect()
    }

    /// Whether every replica ends as in the run.
    fn compare(&self, outcome: &Outcome) -> Result<(), Untold> {
        for (index, simulated) in outcome.replicas.iter().enumerate() {
            let replica = ReplicaId::from_index(index);
            let Some(played) = self.played.replicas.get(&replica) else {
                return Err(Untold::Differs { replica });
            };
            let same = match simulated {
                None => played.phase != Phase::Live,
                Some(simulated) => {
                    played.phase == Phase::Live
                        && simulated.cells().count() == played.records.len()
                        && simulated.cells().all(|(key, cell)| {
                            played
                                .records
                                .get(key)
                                .is_some_and(|held| self.is_same(held, &RecordEnd::of(cell)))
                        })
                }
            };
            if !same {
                return Err(Untold::Differs { replica });
            }
        }
        Ok(())
    }

    /// Whether a record is the same, but for when the beginning was.
    fn is_same(&self, played: &RecordEnd, simulated: &RecordEnd) -> bool {
        let shift_us = EPOCH_US - self.base_us;
        let at_same = |played: Stamp, simulated: Stamp| {
            played == simulated || Stamp { time_us: played.time_us + shift_us, ..played } == simulated
        };
        played.value == simulated.value
            && played.versions.len() == simulated.versions.len()
            && played.versions.iter().zip(&simulated.versions).all(|(played, simulated)| {
                (played.write, played.dot, &played.value)
                    == (simulated.write, simulated.dot, &simulated.value)
                    && at_same(played.stamp, simulated.stamp)
            })
    }

    /// Leaves out what nobody notices.
    fn prune(&mut self) {
        let mut shorter = self.witness.steps.len() <= MAX_PRUNED;
        while shorter {
            shorter = false;
            for place in (0..self.witness.steps.len()).rev() {
                let mut witness = self.witness.clone();
                witness.steps.remove(place);
                shorter |= self.take(witness);
            }
        }
        for place in (1..self.witness.steps.len()).rev() {
            let mut witness = self.witness.clone();
            let arrived = match witness.steps.get(place).map(|step| &step.act) {
                Some(Act::Arrive { client, .. }) => *client,
                _ => continue,
            };
            if let Act::Begin { client, at_once, .. } = &mut witness.steps[place - 1].act
                && *client == arrived
            {
                *at_once = true;
                let arrival = witness.steps.remove(place);
                witness.steps[place - 1].at_us = arrival.at_us;
                self.take(witness);
            }
        }
    }

    /// Takes a witness that ends as this one does, for replicas and for clients.
    fn take(&mut self, witness: Witness) -> bool {
        let Ok(played) = play(&witness) else { return false };
        let ends = |played: &Played| -> Vec<_> {
            played.replicas.values().map(|end| (end.phase, end.records.clone())).collect()
        };
        let same = ends(&played) == ends(&self.played) && story(&played) == story(&self.played);
        if same {
            (self.witness, self.played) = (witness, played);
        }
        same
    }

    fn finish(self) -> Witness {
        let Self { mut witness, played, .. } = self;
        for ((number, step), seen) in (1..).zip(&mut witness.steps).zip(played.steps) {
            (step.step, step.digests) = (Some(number), seen.digests);
        }
        witness.end = Some(End { replicas: played.replicas, fates: BTreeMap::new() });
        witness
    }
}

/// What each client went through.
fn story(played: &Played) -> BTreeMap<ClientId, Vec<(Option<WriteId>, &session::Outcome)>> {
    let mut story: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for happening in played.steps.iter().flat_map(|step| &step.happenings) {
        if let Happening::Ended { client, write, outcome } = happening {
            story.entry(*client).or_default().push((*write, outcome));
        }
    }
    story
}

/// A beginning, in whole seconds, after which no clock shows a time before the beginning of time.
fn beginning(schedule: &Schedule) -> i64 {
    let back = |fault: &Fault| match fault {
        Fault::Clock(_, ClockChange::Offset { us } | ClockChange::Step { us }) => us.min(&0).saturating_neg(),
        _ => 0,
    };
    let back_us = schedule.faults.iter().map(|timed| back(&timed.fault)).fold(0_i64, i64::saturating_add);
    (back_us / 1_000_000 + 2).min(i64::from(u32::MAX)) * 1_000_000
}
