//! The workload, and whether the strategy can work on its values.

use super::Problems;
use crate::scenario::{Calendar, Keys, Scenario, Workload};
use quarrel_models::{handler::Handler, strategy::Strategy};

/// The most records: every client keeps a table of them.
const KEYS_MAX: u32 = 100_000;

/// The handlers that make sense of the workload's values, the best one first. The handler `delta` adds up changes
/// where they are applied, so a reader, who sees only values, cannot use it.
#[must_use]
pub fn handlers_for(workload: &Workload, on_read: bool) -> &'static [Handler] {
    match workload {
        Workload::Register(_) => &[Handler::Latest, Handler::Max],
        Workload::Set(_) => &[Handler::Union, Handler::Latest],
        Workload::Counter(_) if on_read => &[Handler::Max, Handler::Latest],
        Workload::Counter(_) => &[Handler::Delta, Handler::Max, Handler::Latest],
        Workload::Calendar(_) => &[Handler::Calendar, Handler::Latest],
    }
}

/// Checks the workload's numbers and the strategy's handler.
pub(super) fn check(scenario: &Scenario, problems: &mut Problems) {
    let name = scenario.workload.name();
    match &scenario.workload {
        Workload::Register(keys) | Workload::Set(keys) | Workload::Counter(keys) => {
            check_keys(name, keys, scenario.clients.count, problems);
        }
        Workload::Calendar(calendar) => check_calendar(calendar, problems),
    }
    if let Workload::Counter(Keys { delete_share, .. }) = scenario.workload
        && delete_share > 0.0
    {
        problems.add(
            "workload.counter.delete_share",
            "counters are not deleted: increments and a deletion have no common meaning",
            "not for counters",
            "remove the line, or use `[workload.register]`",
        );
    }
    check_handler(scenario, problems);
}

fn check_keys(workload: &str, keys: &Keys, clients: u32, problems: &mut Problems) {
    let path = |name: &str| format!("workload.{workload}.{name}");
    problems.positive(path("keys"), keys.keys.into(), "write `keys = 20`");
    if keys.keys > KEYS_MAX {
        problems.add(
            path("keys"),
            format!("{} records are more than every client can keep a table of", keys.keys),
            format!("at most {KEYS_MAX}"),
            "write `keys = 1000`: few records make conflicts, many make none",
        );
    }
    if !keys.zipf.is_finite() || keys.zipf < 0.0 {
        problems.add(
            path("zipf"),
            format!("`zipf` is an exponent of 0 or more, not {}", keys.zipf),
            "not an exponent",
            "write `zipf = 0.8`, or `zipf = 0` for a uniform choice",
        );
    }
    problems.share(path("read_share"), keys.read_share);
    problems.share(path("delete_share"), keys.delete_share);
    if keys.single_writer && keys.keys > 0 && keys.keys < clients {
        problems.add(
            path("single_writer"),
            format!("{} records are too few for {clients} clients that share none", keys.keys),
            "some clients would own nothing",
            format!("write `keys = {clients}` or more"),
        );
    }
}

fn check_calendar(calendar: &Calendar, problems: &mut Problems) {
    let path = |name: &str| format!("workload.calendar.{name}");
    problems.positive(path("rooms"), calendar.rooms.into(), "write `rooms = 8`");
    problems.positive(path("slots"), calendar.slots.into(), "write `slots = 24`");
    problems.share(path("read_share"), calendar.read_share);
    problems.share(path("move_share"), calendar.move_share);
    problems.share(path("cancel_share"), calendar.cancel_share);
    let both = calendar.move_share + calendar.cancel_share;
    if both > 1.0 {
        problems.add(
            path("move_share"),
            format!("`move_share` and `cancel_share` together are {both:.2} of the writes"),
            "more than all writes",
            "write `move_share = 0.2` and `cancel_share = 0.1`: the rest books meetings",
        );
    }
}

fn check_handler(scenario: &Scenario, problems: &mut Problems) {
    let (handler, on_read) = match &scenario.strategy {
        Strategy::OnWrite(on_write) => (on_write.handler, false),
        Strategy::OnRead(on_read) => (on_read.handler, true),
        _ => return,
    };
    let fitting = handlers_for(&scenario.workload, on_read);
    if fitting.contains(&handler) {
        return;
    }
    let workload = scenario.workload.name();
    let why = if on_read && handler == Handler::Delta {
        "a reader sees values and not the changes that made them".to_owned()
    } else {
        format!("its records are not what `{}` merges", handler.name())
    };
    let names: Vec<String> = fitting.iter().map(|handler| format!("`{}`", handler.name())).collect();
    problems.add(
        format!("strategy.{}.handler", scenario.strategy.name()),
        format!("the handler `{}` does not fit the workload `{workload}` here: {why}", handler.name()),
        "does not fit",
        format!("write `handler = \"{}\"`; those that fit are {}", fitting[0].name(), names.join(", ")),
    );
}
