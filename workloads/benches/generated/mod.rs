//! Histories that benchmarks read and judge. The same for the same arguments.
#![allow(dead_code, reason = "each benchmark takes some of them")]

use quarrel_models::random::Stream;
use std::{collections::VecDeque, fmt::Write as _};

/// One operation that is answered before the next one begins.
pub(crate) struct Op {
    process: u64,
    key: u64,
    is_write: bool,
    value: Option<u64>,
}

fn place(number: u64) -> usize {
    usize::try_from(number).expect("the histories fit into memory")
}

/// Sessions that follow one log of writes to a thousand registers, each some way behind: causally consistent.
pub(crate) fn causal(operations: u64, sessions: u64) -> Vec<Op> {
    const KEYS: u64 = 1000;
    let mut random = Stream::new(1, "bench", 0);
    let mut log: Vec<Vec<(usize, u64)>> = vec![Vec::new(); place(KEYS)];
    let mut written = 0;
    let mut seen = vec![0; place(sessions)];
    (1..=operations)
        .map(|n| {
            let process = random.below(sessions);
            let key = random.below(KEYS);
            let is_write = random.below(2) == 0;
            let view = &mut seen[place(process)];
            let value = if is_write {
                written += 1;
                *view = written;
                log[place(key)].push((written, n));
                Some(n)
            } else {
                let lag = place(random.below(1000));
                *view = written.saturating_sub(lag).max(*view);
                let upto = log[place(key)].partition_point(|&(place, _)| place <= *view);
                upto.checked_sub(1).map(|at| log[place(key)][at].1)
            };
            Op { process, key, is_write, value }
        })
        .collect()
}

/// As Jepsen writes it, two lines an operation.
pub(crate) fn edn(operations: &[Op]) -> String {
    let mut text = String::new();
    for (n, Op { process, key, is_write, value }) in (0_u64..).zip(operations) {
        let f = if *is_write { "write" } else { "read" };
        let value = value.map_or("nil".to_owned(), |value| value.to_string());
        let input = if *is_write { value.as_str() } else { "nil" };
        let (index, time) = (n * 2, n * 10_000);
        let _ = writeln!(
            text,
            "{{:index {index}, :time {time}, :type :invoke, :process {process}, :f :{f}, :key {key}, :value {input}}}\n\
             {{:index {}, :time {}, :type :ok, :process {process}, :f :{f}, :key {key}, :value {value}}}",
            index + 1,
            time + 5000,
        );
    }
    text
}

/// One JSON object a line.
pub(crate) fn json_lines(operations: &[Op]) -> String {
    let mut text = String::new();
    for (n, Op { process, key, is_write, value }) in (0_u64..).zip(operations) {
        let f = if *is_write { "write" } else { "read" };
        let value = value.map_or("null".to_owned(), |value| value.to_string());
        let input = if *is_write { value.as_str() } else { "null" };
        let (index, time) = (n * 2, n * 10_000);
        let _ = writeln!(
            text,
            "{{\"index\":{index},\"time\":{time},\"type\":\"invoke\",\"process\":{process},\"f\":\"{f}\",\"key\":{key},\"value\":{input}}}\n\
             {{\"index\":{},\"time\":{},\"type\":\"ok\",\"process\":{process},\"f\":\"{f}\",\"key\":{key},\"value\":{value}}}",
            index + 1,
            time + 5000,
        );
    }
    text
}

/// A register per key with unique values and ten clients that overlap. Every operation takes effect when it returns.
pub(crate) fn registers(operations: u64, keys: u64) -> String {
    let mut random = Stream::new(1, "bench", 0);
    let mut values = vec![0_u64; place(keys)];
    let mut open: VecDeque<(u64, u64, Option<u64>)> = VecDeque::new();
    let (mut edn, mut index) = (String::new(), 0_u64);
    let mut event = |kind: &str, process: u64, f: &str, key: u64, value: &str| {
        let time = index * 5_000;
        let _ = writeln!(
            edn,
            "{{:index {index}, :time {time}, :process {process}, :type :{kind}, :f :{f}, :key {key}, :value {value}}}"
        );
        index += 1;
    };
    for n in 0..operations + 10 {
        if n >= 10 || open.len() == 10 {
            let (process, key, write) = open.pop_front().expect("ten operations are open");
            let value = &mut values[place(key)];
            *value = write.unwrap_or(*value);
            let shown = if *value == 0 { "nil".to_owned() } else { value.to_string() };
            event("ok", process, if write.is_some() { "write" } else { "read" }, key, &shown);
        }
        if n < operations {
            let (process, key) = (n % 10, random.below(keys));
            let write = random.below(2).eq(&0).then_some(n + 1);
            let (f, value) = write.map_or(("read", "nil".to_owned()), |value| ("write", value.to_string()));
            event("invoke", process, f, key, &value);
            open.push_back((process, key, write));
        }
    }
    edn
}

/// Elements that are added one by one, and read in the end.
pub(crate) fn set(operations: u64) -> String {
    let (mut edn, mut elements) = (String::new(), String::new());
    for n in 0..operations - 1 {
        let (index, time, process) = (n * 2, n * 10_000, n % 10);
        let _ = writeln!(
            edn,
            "{{:index {index}, :time {time}, :type :invoke, :process {process}, :f :add, :value {n}}}\n\
             {{:index {}, :time {}, :type :ok, :process {process}, :f :add, :value {n}}}",
            index + 1,
            time + 5000,
        );
        let _ = write!(elements, "{n} ");
    }
    let _ = writeln!(
        edn,
        "{{:type :invoke, :process 0, :f :read, :value nil}}\n{{:type :ok, :process 0, :f :read, :value #{{{elements}}}}}"
    );
    edn
}

/// Transactions of two steps on a few hundred keys at a time, one after the other, up to twenty overlapping. Of
/// lists, or of registers.
pub(crate) fn transactions(lists_of: bool, count: u64) -> String {
    let mut random = Stream::new(1, "bench", 1);
    let mut lists: Vec<Vec<u64>> = vec![Vec::new(); place(count / 50)];
    let mut open: VecDeque<(u64, String)> = VecDeque::new();
    let mut edn = String::new();
    for n in 0..count {
        if open.len() == 20 {
            let (process, done) = open.pop_front().expect("twenty are open");
            let _ = writeln!(edn, "{{:process {process}, :type :ok, :f :txn, :value [{done}]}}");
        }
        let (mut asked, mut done) = (String::new(), String::new());
        for step in 0..2 {
            let key = (n / 50).saturating_sub(random.below(20)).min(count / 50 - 1);
            let list = &mut lists[place(key)];
            if random.below(2) == 0 {
                let element = 2 * n + step + 1;
                list.push(element);
                let f = if lists_of { "append" } else { "w" };
                let _ = write!(asked, "[:{f} {key} {element}]");
                let _ = write!(done, "[:{f} {key} {element}]");
            } else {
                let _ = write!(asked, "[:r {key} nil]");
                let last = list.last().map_or("nil".to_owned(), u64::to_string);
                let shown = if lists_of { format!("{list:?}") } else { last };
                let _ = write!(done, "[:r {key} {shown}]");
            }
        }
        let process = n % 20;
        let _ = writeln!(edn, "{{:process {process}, :type :invoke, :f :txn, :value [{asked}]}}");
        open.push_back((process, done));
    }
    for (process, done) in open {
        let _ = writeln!(edn, "{{:process {process}, :type :ok, :f :txn, :value [{done}]}}");
    }
    edn
}
