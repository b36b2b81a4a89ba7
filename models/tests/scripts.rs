//! Scripts of the cluster: `tests/scripts/*.txt` hold commands and what they must print.
//!
//! A block is commands, a line `----`, and the output up to an empty line. `UPDATE=1 cargo test -p quarrel-models`
//! writes the outputs anew. Commands: see [`Script::run`].
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rig;

use quarrel_models::{
    id::{ClientId, LinkId, ReplicaId},
    message::{Input, Message, Parents, RoutedBody, TraceEvent},
    operation::{KeyedOperation, Operation},
    replica::Config,
    session::{Outcome, SessionInput},
    strategy::Decision,
    topology::{Follower, Graph, Propagation, Topology},
    value::{Key, Value},
    version::Cell,
};
use rig::{Event, Rig};
use std::{fmt::Write as _, path::PathBuf};

#[test]
fn the_cluster_does_what_the_scripts_say() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut paths: Vec<PathBuf> = folder.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut wrong = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let actual = replay(&text, &path.display().to_string());
        if actual != text {
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&path, &actual).unwrap();
            } else {
                wrong.push(difference(&path.display().to_string(), &text, &actual));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\nif this is right: UPDATE=1 cargo test", wrong.join("\n"));
}

/// The first line that differs, with its surroundings.
fn difference(path: &str, expected: &str, actual: &str) -> String {
    let at = expected.lines().zip(actual.lines()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| text.lines().skip(at).take(4).collect::<Vec<_>>().join("\n    ");
    format!("{path}:{}:\n  expected\n    {}\n  got\n    {}", at + 1, from(expected), from(actual))
}

/// The script with the outputs as they are now.
fn replay(text: &str, path: &str) -> String {
    let mut script: Option<Script> = None;
    let mut result = String::new();
    let mut output = String::new();
    let mut skipping = false;
    for (number, line) in text.lines().enumerate() {
        if skipping {
            skipping = !line.is_empty();
            if skipping {
                continue;
            }
        }
        writeln!(result, "{line}").unwrap();
        if line == "----" {
            result.push_str(&std::mem::take(&mut output));
            skipping = true;
        } else if let Some(parameters) = line.strip_prefix("cluster ") {
            script = Some(Script::new(parameters));
        } else if !line.is_empty() && !line.starts_with('#') {
            let script = script.as_mut().unwrap_or_else(|| panic!("{path}: begin with `cluster ..`"));
            let words: Vec<&str> = line.split_whitespace().collect();
            let known = script.run(&words, &mut output);
            assert!(known.is_some(), "{path}:{}: cannot read `{line}`", number + 1);
            script.tell_events(&mut output);
        }
    }
    assert!(output.is_empty(), "{path}: the last commands lack their `----`, and print\n{output}");
    result
}

struct Script {
    rig: Rig,
}

fn value(word: &str) -> Value {
    if word.starts_with(['{', '[']) {
        return serde_json::from_str(word).unwrap();
    }
    word.parse().map_or_else(|_| Value::Text(word.into()), Value::Int)
}

fn milliseconds(word: &str) -> Option<i64> {
    word.strip_suffix("ms")?.parse().ok().map(|ms: i64| ms * 1000)
}

fn operation(words: &[&str]) -> Option<KeyedOperation> {
    let operation = match words {
        ["read", _] => Operation::Read,
        ["put", _, new] => Operation::Put(value(new)),
        ["delete", _] => Operation::Delete,
        ["add", _, number] => Operation::Add(number.parse().ok()?),
        ["insert", _, element] => Operation::Insert(value(element)),
        ["remove", _, element] => Operation::Remove(value(element)),
        ["append", _, item] => Operation::Append(value(item)),
        ["claim", _, field, holder] => Operation::Claim { field: (*field).into(), value: value(holder) },
        ["release", _, field, holder] => Operation::Release { field: (*field).into(), value: value(holder) },
        ["move", _, from, to, holder] => {
            Operation::Move { from: (*from).into(), to: (*to).into(), value: value(holder) }
        }
        _ => return None,
    };
    Some(KeyedOperation { key: words[1].into(), operation })
}

fn topology(name: &str) -> Topology {
    match name {
        "ring" => Topology::Ring,
        "star" => Topology::Star,
        "all-to-all" => Topology::AllToAll,
        links => Topology::Custom(links.split(',').map(|link| link.parse().unwrap()).collect()),
    }
}

/// `A+B:readable,A` is two followers.
fn followers(text: &str) -> Vec<Follower> {
    let follower = |text: &str| {
        let (of, readable) = text.strip_suffix(":readable").map_or((text, false), |of| (of, true));
        Follower { of: of.split('+').map(|leader| leader.parse().unwrap()).collect(), readable }
    };
    text.split(',').map(follower).collect()
}

impl Script {
    /// `leaders=N topology=ring|star|all-to-all|A>B,B>A strategy=JSON`, and optionally `propagation`, `followers`,
    /// `tokens=yes`, `window`, `batch`, `retention`, `reserve`.
    fn new(parameters: &str) -> Self {
        let parameter = |name: &str| {
            parameters.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let number = |name: &str| parameter(name).map(|text| text.parse::<u32>().unwrap());
        let topology = topology(parameter("topology").unwrap());
        let relay = match parameter("propagation") {
            Some(name) => name == "relay",
            None => topology.needs_relay(),
        };
        let propagation = if relay { Propagation::Relay } else { Propagation::Direct };
        let followers = parameter("followers").map(followers).unwrap_or_default();
        let leaders = number("leaders").unwrap() as usize;
        let graph = Graph::new(&topology, leaders, followers, propagation).unwrap();
        let mut config = Config::new(graph, serde_json::from_str(parameter("strategy").unwrap()).unwrap());
        config.window = number("window").unwrap_or(config.window);
        config.batch = number("batch").map_or(config.batch, |batch| batch as usize);
        config.retention = number("retention").map_or(config.retention, |kept| kept as usize);
        config.reserve = number("reserve").unwrap_or(config.reserve);
        Self { rig: Rig::new(config, parameter("tokens") == Some("yes")) }
    }

    /// Every command there is.
    fn run(&mut self, words: &[&str], output: &mut String) -> Option<()> {
        let rig = &mut self.rig;
        match words {
            // Time: `at 10ms` is the true time; clocks stand apart from it; `wait` also tells every replica.
            ["at", time] => rig.now_us = u64::try_from(milliseconds(time)?).ok()?,
            ["wait", time] => rig.wait(u64::try_from(milliseconds(time)?).ok()?),
            ["clock", replica, offset] => {
                let replica: ReplicaId = replica.parse().ok()?;
                rig.offsets_us[replica.index()] = milliseconds(offset)?;
            }
            // Replicas.
            ["crash", replica] => rig.crash(replica.parse().ok()?),
            ["crash", replica, "on-persist"] => rig.crash_on_persist(replica.parse().ok()?),
            ["restart", replica] => rig.restart(replica.parse().ok()?),
            ["collect", replica] => rig.step(replica.parse().ok()?, Input::Collect),
            ["forget", replica] => rig.step(replica.parse().ok()?, Input::Forget),
            ["lose", replica, records] => rig.lose_tail(replica.parse().ok()?, records.parse().ok()?),
            // Clients.
            ["relocate", client, to, token] => {
                rig.relocate(client.parse().ok()?, to.parse().ok()?, *token == "token");
            }
            ["unanswered", client] => rig.session(client.parse().ok()?, SessionInput::Unanswered),
            ["unsent", client] => rig.session(client.parse().ok()?, SessionInput::Unsent),
            // What there is to see.
            ["state", key] => self.state(&(*key).into(), output),
            ["frames"] => self.frames(output),
            ["converged"] => {
                writeln!(output, "{}", if rig.converged() { "all equal" } else { "different" }).ok()?;
            }
            ["recovery"] => self.recovery(output),
            [first, rest @ ..] if first.contains('@') => {
                let (client, at) = first.split_once('@')?;
                let (client, at): (ClientId, ReplicaId) = (client.parse().ok()?, at.parse().ok()?);
                assert_eq!(rig.client(client, at).at, at, "{client} has not moved there");
                rig.start(client, operation(rest)?);
            }
            _ => return self.run_on_link(words),
        }
        Some(())
    }

    /// Commands on links. Acknowledgements and hellos travel against the link: `A<B` names those of `A>B`.
    fn run_on_link(&mut self, words: &[&str]) -> Option<()> {
        let rig = &mut self.rig;
        if let ["deliver", "all"] = words {
            rig.deliver_everything();
            return Some(());
        }
        let (verb, name) = (words.first()?, words.get(1)?);
        let forth = !name.contains('<');
        let link: LinkId = name.replace('<', ">").parse().ok()?;
        match *verb {
            "cut" => rig.cut(link),
            "heal" => rig.heal(link),
            "deliver" => {
                let most = words.get(2).map_or(Some(usize::MAX), |most| most.parse().ok())?;
                // What is sent in answer, on the same link, is not part of this delivery.
                let wire = &rig.wires[&link];
                let there = if forth { wire.forth.len() } else { wire.back.len() };
                for _ in 0..most.min(there) {
                    assert!(rig.deliver(link, forth));
                }
            }
            "drop" | "duplicate" | "swap" => {
                let wire = rig.wires.get_mut(&link)?;
                let queue = if forth { &mut wire.forth } else { &mut wire.back };
                match *verb {
                    "drop" => drop(queue.pop_front()?),
                    "swap" => queue.swap(0, 1),
                    _ => queue.push_front(queue.front()?.clone()),
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn state(&self, key: &Key, output: &mut String) {
        for id in self.rig.config.graph.replicas() {
            let text = match (self.rig.replica(id), self.rig.cell(id, key)) {
                (None, _) => "dead".to_string(),
                (_, None) => "nothing".to_string(),
                (_, Some(cell)) => describe(cell),
            };
            writeln!(output, "{id}: {text}").unwrap();
        }
    }

    fn frames(&self, output: &mut String) {
        for (link, wire) in &self.rig.wires {
            for message in &wire.forth {
                writeln!(output, "{link}: {}", describe_message(message)).unwrap();
            }
            for message in &wire.back {
                writeln!(output, "{}<{}: {}", link.from, link.to, describe_message(message)).unwrap();
            }
        }
    }

    /// Whether each replica would come back as it is.
    fn recovery(&self, output: &mut String) {
        for replica in self.rig.live() {
            let back = self.rig.recovered(replica.id());
            let same = back.digest() == replica.digest() && back.applied() == replica.applied();
            writeln!(output, "{}: {}", replica.id(), if same { "the same" } else { "another" }).unwrap();
        }
    }

    fn tell_events(&mut self, output: &mut String) {
        for event in std::mem::take(&mut self.rig.events) {
            let line = match event {
                Event::Done(client, outcome) => format!("{client} {}", describe_outcome(&outcome)),
                Event::Resolved(client, resolution) => format!(
                    "{client} resolves {} into {} as {}{}",
                    list(&resolution.over),
                    shown(resolution.value.as_ref()),
                    resolution.write,
                    resolution.dot.map_or_else(|| " in vain".into(), |dot| format!(" at {dot}")),
                ),
                Event::Trace(replica, trace) => format!("  {replica} {}", describe_trace(&trace)),
            };
            writeln!(output, "{line}").unwrap();
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "none".into(), ToString::to_string)
}

fn list(writes: &Parents) -> String {
    writes.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
}

fn describe(cell: &Cell) -> String {
    let versions: Vec<String> = cell
        .versions
        .iter()
        .map(|version| format!("{}@{}={}", version.write, version.dot, shown(version.value.as_ref())))
        .collect();
    let merged =
        cell.merged.as_ref().map(|merged| format!(" => {}", shown(merged.as_ref()))).unwrap_or_default();
    format!("{}{merged}", versions.join(" "))
}

fn describe_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Written(written) if written.duplicate => format!("knew already: {}", written.dot),
        Outcome::Written(written) => {
            let on = if written.on.is_empty() { String::new() } else { format!(" on {}", list(&written.on)) };
            format!("wrote {}{on}", written.dot)
        }
        Outcome::Read { value, versions, .. } if versions.is_empty() => {
            format!("read {}", shown(value.as_ref()))
        }
        Outcome::Read { value, versions, .. } => {
            format!("read {} of {}", shown(value.as_ref()), list(versions))
        }
        Outcome::Failed(refusal) => format!("failed: {refusal}"),
        Outcome::Unsent => "unsent".into(),
        Outcome::Unknown(Some(refusal)) => format!("may have written: {refusal}"),
        Outcome::Unknown(None) => "may have written".into(),
    }
}

fn describe_trace(trace: &TraceEvent) -> String {
    match trace {
        TraceEvent::Apply { write, decision, against, recorded, .. } => {
            let verb = match decision {
                Decision::Applied => "applies",
                Decision::Discarded => "discards",
                Decision::Merged => "merges",
                Decision::Sibling => "keeps both",
                Decision::Skipped => "skips",
            };
            let against = against.map(|other| format!(" against {other}")).unwrap_or_default();
            format!("{verb} {write}{against}{}", if *recorded { ", recorded" } else { "" })
        }
        TraceEvent::Duplicate { write, dot } => format!("knows {write} already, ignores {dot}"),
        TraceEvent::Home { key, epoch } => format!("is home of {key}, epoch {epoch}"),
        TraceEvent::Truncated { link, origin, after, kept_after } => {
            format!("cannot resume {link}: {origin} after {after} asked, kept after {kept_after}")
        }
        TraceEvent::Collected { key, write, .. } => format!("forgets that {write} deleted {key}"),
        TraceEvent::Stalled { key, write, dot } => {
            format!("stalls {} before {write}: {key} is missing", dot.origin)
        }
        TraceEvent::Unresolved { key, refused, .. } => format!("leaves {key} unresolved: {refused}"),
        TraceEvent::Forgot { records } => format!("forgets metadata, records: {records}"),
    }
}

fn describe_message(message: &Message) -> String {
    match message {
        Message::Hello { applied } => format!("hello {applied}"),
        Message::Ack { applied } => format!("ack {applied}"),
        Message::Entries { origin, after, entries } => {
            let writes: Vec<String> = entries.iter().map(|entry| entry.version.write.to_string()).collect();
            format!("entries of {origin} after {after}: {}", writes.join(" "))
        }
        Message::Routed(routed) => {
            let body = match &routed.body {
                RoutedBody::Forward { .. } => "forward",
                RoutedBody::ForwardReply { .. } => "forward reply",
                RoutedBody::HomeRequest { .. } => "home request",
                RoutedBody::HomeGrant { .. } => "home grant",
                RoutedBody::HomeMoved { .. } => "home moved",
            };
            format!("{body} {}>{}", routed.from, routed.to)
        }
    }
}
