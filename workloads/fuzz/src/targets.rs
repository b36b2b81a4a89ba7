//! What is fuzzed: every reader of histories, the checkers, and the other parsers that take what strangers wrote.
//!
//! A target is a function of bytes that must come back, whatever they are. Two drivers share this file: cargo-fuzz, and
//! the test `fuzz` of quarrel-workloads.

use quarrel_models::{
    message::{Message, Record, Request},
    witness::Witness,
};
use quarrel_workloads::{
    checker::{
        ledger::NoSink,
        standalone::{CHECKERS, FinalReads, Options, StandaloneChecker},
    },
    history::{
        Reader,
        recorded::{Format, ReadOptions, Recorded, read, read_binary, write_binary},
    },
    judge::judge,
    scenario,
};
use std::sync::atomic::{AtomicU32, Ordering};

/// Jepsen's EDN, and maps with a key.
pub fn edn(bytes: &[u8]) {
    history(bytes, Some(Format::Edn));
}

/// A JSON array, or one object a line.
pub fn json(bytes: &[u8]) {
    history(bytes, Some(Format::Json));
}

/// Lines of `jepsen.util`.
pub fn etcd_log(bytes: &[u8]) {
    history(bytes, Some(Format::EtcdLog));
}

/// The compact form. Its first bytes are given: no mutation should have to find them.
pub fn binary(bytes: &[u8]) {
    let magic = quarrel_workloads::history::recorded::MAGIC;
    history(&[magic, bytes.strip_prefix(magic).unwrap_or(bytes)].concat(), Some(Format::Binary));
}

/// Whatever it looks like.
pub fn detected(bytes: &[u8]) {
    history(bytes, None);
}

/// A history of quarrel's own, and the verdict by its contract.
pub fn own_history(bytes: &[u8]) {
    if let Ok(reader) = Reader::new(bytes) {
        let _ = judge(reader, &mut NoSink);
    }
    detected(bytes);
}

/// A scenario.
pub fn scenario(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match scenario::parse("fuzzed.toml", text, &["a mark"]) {
        Ok(scenario) => assert!(scenario.cluster.graph().is_ok(), "what was checked has a graph"),
        Err(error) => assert!(!error.to_string().is_empty(), "an error says something"),
    }
}

/// A witness, which is written as it was read.
pub fn witness(bytes: &[u8]) {
    let Ok(witness) = serde_json::from_slice::<Witness>(bytes) else { return };
    let written = serde_json::to_string(&witness).expect("what was read can be written");
    let again: Witness = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(again, witness);
}

/// What leaders send each other, and what they write to their logs.
pub fn frames(bytes: &[u8]) {
    let _ = postcard::from_bytes::<Message>(bytes);
    let _ = postcard::from_bytes::<Record>(bytes);
    let _ = postcard::from_bytes::<Request>(bytes);
}

/// Any history that can be read, judged by all checkers under all models.
pub fn checkers(bytes: &[u8]) {
    for independent in [false, true] {
        let Ok(history) = read(bytes, None, ReadOptions { independent }) else { continue };
        for &checker in CHECKERS {
            judged(checker, None, &history);
            for model in checker.models() {
                judged(checker, Some(model), &history);
            }
        }
    }
}

fn judged(checker: &dyn StandaloneChecker, model: Option<&str>, history: &Recorded) {
    // Searches are exponential, and ask for the time now and then.
    let asked = AtomicU32::new(0);
    let out_of_time = || asked.fetch_add(1, Ordering::Relaxed) > 20;
    for final_reads in [FinalReads::Marked, FinalReads::Last] {
        match checker.check(history, &Options { model, out_of_time: &out_of_time, final_reads }) {
            Ok(findings) => {
                for found in &findings.anomalies {
                    assert!(found.count > 0, "{}: {} was found", checker.name(), found.kind);
                    for witness in &found.witnesses {
                        let named = witness.operations.iter().all(|&at| at < history.operations.len());
                        assert!(named, "{}: a witness is of this history", checker.name());
                    }
                }
            }
            Err(unfit) => assert!(!unfit.to_string().is_empty(), "a refusal says something"),
        }
    }
}

/// Reads it, and what could be read survives the binary form.
fn history(bytes: &[u8], format: Option<Format>) {
    for independent in [false, true] {
        match read(bytes, format, ReadOptions { independent }) {
            Ok(history) => survives(&history),
            Err(error) => assert!(error.to_string().starts_with(['l', 'b']), "{error} says where"),
        }
    }
}

fn survives(history: &Recorded) {
    let mut written = Vec::new();
    write_binary(history, &mut written).expect("memory takes all");
    let again = read_binary(&written).expect("what was written can be read");
    assert_eq!(again.operations.len(), history.operations.len());
    for at in 0..history.operations.len() {
        assert_eq!(again.show(at).to_string(), history.show(at).to_string());
    }
}
