//! Small histories as text.
//!
//! ```text
//! 10-20 c1.1@A k put x => A:1 s5 knew A:3 B:1 on c2.1 c2.2     a write: its times in ms, what it returned
//! 10-?  c1.2@A k delete                                        never answered; `10-x`: refused
//! 30-40 c2@B k read => x of c1.1                               a read; `-` is no record
//! fault 15 {"kill":"B"}                                        phase 50 quiesce
//! resolve 60 c4.1 k x over c1.1 c2.1
//! recorded A k c1.1 c2.1
//! final A k x by c1.1 A:1 s5 + c2.1 B:1 s6                      `~` for siblings, whose own values follow `=`
//! applied A A:3 B:1
//! dead C
//! unrest it takes too long
//! ```
//! Values are JSON without spaces, or bare words. Replicas that are not dead end their final read by themselves.

use quarrel_models::{
    clock::Stamp,
    id::{ReplicaId, WriteId},
    operation::Operation,
    value::Value,
    version::VersionVector,
};
use quarrel_workloads::{
    checker::ledger::LedgerEntry,
    history::{Event, FORMAT_VERSION, FinalVersion, Header, OperationResult, Quiescence},
    judge::{Judge, Judgement},
};
use std::collections::BTreeMap;

pub(crate) fn header(scenario: &str) -> Header {
    Header {
        quarrel: "history".to_owned(),
        v: FORMAT_VERSION,
        seed: 1,
        started: "2026-01-01T00:00:00Z".to_owned(),
        system: "reference".to_owned(),
        scenario: toml::from_str(&format!("name = 'test'\n{scenario}")).expect("a scenario"),
    }
}

pub(crate) const LWW: &str = "[strategy.lww]\n[workload.register]\n";
pub(crate) const SET: &str = "[strategy.lww]\n[workload.set]\n";
pub(crate) const UNION: &str = "[strategy.on-write]\nhandler = 'union'\n[workload.set]\n";
pub(crate) const COUNTER: &str = "[strategy.lww]\n[workload.counter]\n";
pub(crate) const CALENDAR: &str = "[strategy.on-write]\nhandler = 'calendar'\n[workload.calendar]\n";
pub(crate) const ON_READ: &str = "[strategy.on-read]\nhandler = 'latest'\n[workload.register]\n";
pub(crate) const ARRIVAL: &str = "[strategy.arrival]\n[workload.register]\n";

/// Judges the script under the scenario (three leaders).
pub(crate) fn judge(scenario: &str, script: &str) -> (Judgement, Vec<LedgerEntry>) {
    judge_events(&header(scenario), &events(script))
}

pub(crate) fn judge_events(header: &Header, events: &[Event]) -> (Judgement, Vec<LedgerEntry>) {
    let mut judge = Judge::new(header).expect("known marks");
    for event in events {
        judge.observe(event);
    }
    let mut entries = Vec::new();
    let judgement = judge.finish(&mut entries).expect("a vector takes everything");
    (judgement, entries)
}

/// The entry of this write.
pub(crate) fn entry<'a>(entries: &'a [LedgerEntry], write: &str) -> &'a LedgerEntry {
    let mut found = entries.iter().filter(|entry| entry.write.to_string() == write);
    let first = found.next().unwrap_or_else(|| panic!("no entry for {write}"));
    assert!(found.next().is_none(), "{write} has two entries");
    first
}

pub(crate) fn fate(entries: &[LedgerEntry], write: &str) -> String {
    entry(entries, write).fate.to_string()
}

/// The count of an anomaly.
pub(crate) fn count(judgement: &Judgement, anomaly: &str) -> u64 {
    judgement.anomalies.iter().find(|found| found.kind.name() == anomaly).map_or(0, |found| found.count)
}

pub(crate) fn hits(judgement: &Judgement, mark: &str) -> u64 {
    judgement.marks.iter().find(|found| found.name == mark).expect("a mark").hits
}

fn value(text: &str) -> Option<Value> {
    match text {
        "-" | "~" => None,
        _ => Some(serde_json::from_str(text).unwrap_or_else(|_| text.into())),
    }
}

fn need(text: &str) -> Value {
    value(text).expect("a value")
}

#[derive(Default)]
struct Script {
    timed: Vec<(u64, Event)>,
    finals: Vec<Event>,
    records: BTreeMap<ReplicaId, u64>,
    applied: BTreeMap<ReplicaId, VersionVector>,
    dead: Vec<ReplicaId>,
    unrest: Option<String>,
}

pub(crate) fn events(script: &str) -> Vec<Event> {
    let mut parsed = Script::default();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        parsed.line(&line.split_whitespace().collect::<Vec<_>>());
    }
    parsed.timed.sort_by_key(|(t, _)| *t);
    let mut events: Vec<Event> = parsed.timed.into_iter().map(|(_, event)| event).collect();
    events.extend(parsed.finals);
    for replica in (0..3).map(ReplicaId).filter(|replica| !parsed.dead.contains(replica)) {
        let applied = parsed.applied.remove(&replica).unwrap_or_default();
        let records = parsed.records.get(&replica).copied().unwrap_or(0);
        events.push(Event::FinalEnd { replica, records, applied });
    }
    let quiescence = match parsed.unrest {
        Some(why) => Quiescence::NotReached { why },
        None => Quiescence::Positions { after_ns: 1 },
    };
    events.push(Event::End { t: 1_000_000_000_000, quiescence });
    events
}

fn ms(text: &str) -> u64 {
    text.parse::<u64>().expect("milliseconds") * 1_000_000
}

impl Script {
    fn line(&mut self, words: &[&str]) {
        match words {
            ["fault", t, fault] => {
                let fault = serde_json::from_str(fault).expect("a fault");
                let event = Event::Nemesis { t: ms(t), fault, effect: String::new() };
                self.timed.push((ms(t), event));
            }
            ["phase", t, phase] => {
                let phase = serde_json::from_str(&format!("\"{phase}\"")).expect("a phase");
                self.timed.push((ms(t), Event::Phase { t: ms(t), phase }));
            }
            ["resolve", t, write, key, resolved, "over", over @ ..] => {
                let write: WriteId = write.parse().expect("a write");
                let event = Event::Resolve {
                    t: ms(t),
                    client: write.client,
                    key: (*key).into(),
                    write,
                    over: over.iter().map(|write| write.parse().expect("a write")).collect(),
                    value: value(resolved),
                    dot: None,
                };
                self.timed.push((ms(t), event));
            }
            ["recorded", replica, key, loser, winner] => self.finals.push(Event::Recorded {
                replica: replica.parse().expect("a replica"),
                key: (*key).into(),
                loser: loser.parse().expect("a write"),
                winner: winner.parse().expect("a write"),
            }),
            ["final", replica, key, shown, rest @ ..] => self.final_read(replica, key, shown, rest),
            ["applied", replica, dots @ ..] => {
                let dots = dots.iter().map(|dot| dot.parse().expect("a dot")).collect();
                self.applied.insert(replica.parse().expect("a replica"), dots);
            }
            ["dead", replica] => {
                let replica = replica.parse().expect("a replica");
                self.dead.push(replica);
                self.finals.push(Event::Unread { replica, why: "dead".to_owned() });
            }
            ["unrest", why @ ..] => self.unrest = Some(why.join(" ")),
            [times, who, key, rest @ ..] => self.operation(times, who, key, rest),
            _ => panic!("cannot read {words:?}"),
        }
    }

    fn final_read(&mut self, replica: &str, key: &str, shown: &str, rest: &[&str]) {
        let replica = replica.parse().expect("a replica");
        *self.records.entry(replica).or_default() += 1;
        let version = |words: &[&str]| {
            let own = words.iter().find_map(|word| word.strip_prefix('='));
            FinalVersion {
                write: words[0].parse().expect("a write"),
                dot: words[1].parse().expect("a dot"),
                stamp: stamp(words[2]).expect("a stamp"),
                value: value(own.unwrap_or(shown)),
            }
        };
        let versions = match rest {
            ["by", versions @ ..] => versions.split(|&word| word == "+").map(version).collect(),
            _ => Vec::new(),
        };
        self.finals.push(Event::Final { replica, key: key.into(), value: value(shown), versions });
    }

    fn operation(&mut self, times: &str, who: &str, key: &str, rest: &[&str]) {
        let (call, end) = times.split_once('-').expect("times");
        let (who, at) = who.split_once('@').expect("who and where");
        let write: Option<WriteId> = who.parse().ok();
        let client = write.map_or_else(|| who.parse().expect("a client"), |write| write.client);
        let (asked, told) = match rest.iter().position(|&word| word == "=>") {
            Some(arrow) => (&rest[..arrow], &rest[arrow + 1..]),
            None => (rest, &[][..]),
        };
        let op = operation(asked);
        let t = ms(call);
        let at = at.parse().expect("a replica");
        self.timed.push((t, Event::Invoke { t, client, at, key: key.into(), op, write }));
        let error = "timeout".to_owned();
        let (t, event) = match end {
            "?" => (t + 1, Event::Info { t: t + 1, client, error }),
            "x" => (t + 1, Event::Fail { t: t + 1, client, error }),
            end => (ms(end), Event::Ok { t: ms(end), client, result: result(told) }),
        };
        self.timed.push((t, event));
    }
}

fn stamp(word: &str) -> Option<Stamp> {
    Some(Stamp { time_us: word.strip_prefix('s')?.parse().ok()?, logical: 0 })
}

fn result(words: &[&str]) -> OperationResult {
    let mut result = OperationResult::default();
    let mut section = "";
    for &word in words {
        match (section, word) {
            (_, "knew") => {
                section = word;
                result.knew = Some(VersionVector::new());
            }
            (_, "on" | "of") => section = "of",
            ("knew", dot) => {
                let dot: quarrel_models::id::Dot = dot.parse().expect("a dot");
                result.knew.get_or_insert_default().advance(dot.origin, dot.position);
            }
            ("of", write) => result.versions.push(write.parse().expect("a write")),
            (_, word) if stamp(word).is_some() => result.stamp = stamp(word),
            (_, word) => match word.parse() {
                Ok(dot) => result.dot = Some(dot),
                Err(_) => result.value = value(word),
            },
        }
    }
    result
}

fn operation(words: &[&str]) -> Operation {
    match *words {
        ["read"] => Operation::Read,
        ["put", value] => Operation::Put(need(value)),
        ["delete"] => Operation::Delete,
        ["add", delta] => Operation::Add(delta.parse().expect("a number")),
        ["insert", value] => Operation::Insert(need(value)),
        ["remove", value] => Operation::Remove(need(value)),
        ["append", value] => Operation::Append(need(value)),
        ["claim", field, value] => Operation::Claim { field: field.into(), value: need(value) },
        ["release", field, value] => Operation::Release { field: field.into(), value: need(value) },
        ["move", from, to, value] => Operation::Move { from: from.into(), to: to.into(), value: need(value) },
        _ => panic!("no operation: {words:?}"),
    }
}
