//! Histories are read back as they were written, and damage in the file is told, never a panic.

use crate::script::{LWW, UNION, events, header};
use proptest::prelude::*;
use quarrel_workloads::{
    checker::ledger::NoSink,
    history::{Ending, Event, Reader, Writer},
    judge::judge,
};

const SCRIPT: &str = r#"10-20 c1.1@A k put {"a":[1,"x"]} => A:1 s10 knew A:1 on c2.4 c3.1
    12-13 c2@B k read => {"$set":[1,2]} of c1.1
    14-? c2.1@C k delete
    15-x c3.1@C k claim 9:00 m1
    fault 15 {"degrade":[["A>B"],{"latency_us":5}]}
    fault 16 {"clock":["A",{"offset":{"us":-5}}]}
    phase 17 quiesce
    resolve 18 c4.1 k x over c1.1 c2.1
    recorded A k c1.1 c2.1
    final A k ~ by c1.1 A:1 s5 =x + c2.1 B:1 s6 =y
    final B k - by c1.1 A:1 s5
    applied A A:3 C:1
    dead C"#;

fn file(scenario: &str, events: &[Event]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &header(scenario)).expect("memory takes everything");
    for event in events {
        writer.write(event).expect("memory takes everything");
    }
    writer.finish().expect("memory takes everything")
}

/// What comes of reading these bytes: the events, and how they ended or why they cannot be read.
fn read(bytes: &[u8]) -> (Vec<Event>, Result<Option<Ending>, String>) {
    let mut reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Err(error.to_string())),
    };
    let mut events = Vec::new();
    for event in &mut reader {
        match event {
            Ok(event) => events.push(event),
            Err(error) => return (events, Err(error.to_string())),
        }
    }
    (events, Ok(reader.ending()))
}

#[test]
fn a_history_reads_back_as_it_was_written() {
    let events = events(SCRIPT);
    let (back, ending) = read(&file(LWW, &events));
    assert_eq!(back, events);
    assert_eq!(ending, Ok(Some(Ending::Complete)));
}

#[test]
fn the_lines_keep_their_shape() {
    let text = String::from_utf8(file(UNION, &events(SCRIPT))).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with(r#"{"quarrel":"history","v":1,"#));
    assert_eq!(
        lines[1],
        r#"{"type":"invoke","t":10000000,"client":"c1","at":"A","key":"k","op":{"put":{"a":[1,"x"]}},"write":"c1.1"}"#
    );
    let ok = lines.iter().find(|line| line.contains(r#""type":"ok","t":20000000"#)).unwrap();
    assert_eq!(
        *ok,
        r#"{"type":"ok","t":20000000,"client":"c1","dot":"A:1","stamp":{"us":10,"n":0},"knew":[1],"versions":["c2.4","c3.1"]}"#
    );
}

#[test]
fn a_truncated_last_line_ends_the_reading_with_a_warning() {
    let bytes = file(LWW, &events(SCRIPT));
    let (events, ending) = read(&bytes[..bytes.len() - 5]);
    assert!(!events.is_empty());
    assert!(matches!(ending, Ok(Some(Ending::Truncated { .. }))), "{ending:?}");
    let reader = Reader::new(&bytes[..bytes.len() - 5]).unwrap();
    let judgement = judge(reader, &mut NoSink).unwrap();
    assert!(judgement.reasons.iter().any(|reason| reason.evidence.contains("broken off")));
}

#[test]
fn a_history_without_an_end_was_cut_short() {
    let mut events = events(SCRIPT);
    events.pop();
    assert_eq!(read(&file(LWW, &events)).1, Ok(Some(Ending::CutShort)));
}

#[test]
fn a_broken_line_in_the_middle_is_an_error_with_its_place() {
    let text = String::from_utf8(file(LWW, &events(SCRIPT))).unwrap();
    let broken = text.replacen(r#""client":"c2""#, r#""client":"x2""#, 1);
    let error = read(broken.as_bytes()).1.unwrap_err();
    assert!(error.starts_with("line 3, column ") && error.contains("`x2` is not a client"), "{error}");
    let lacking = text.replacen(r#","key":"k""#, "", 1);
    let error = read(lacking.as_bytes()).1.unwrap_err();
    assert!(error.starts_with("line 2, column ") && error.contains("missing field `key`"), "{error}");
}

#[test]
fn what_is_no_history_or_a_newer_one_is_refused_with_advice() {
    let error = |text: &str| read(text.as_bytes()).1.unwrap_err();
    assert!(error("").contains("the file is empty"));
    assert!(error("hello\n").contains("not a quarrel history"));
    assert!(error("{\"quarrel\":\"witness\",\"v\":1}\n").contains("a `witness` file"));
    assert!(error("{\"quarrel\":\"history\",\"v\":99}\n").contains("format version 99"));
    assert!(error("{\"quarrel\":\"history\",\"v\":1}\n").starts_with("line 1, column "));
}

#[test]
fn lines_after_the_end_are_refused() {
    let mut events = events(SCRIPT);
    events.push(events[0].clone());
    assert!(read(&file(LWW, &events)).1.unwrap_err().contains("after its `end`"));
}

proptest! {
    #[test]
    fn garbage_never_panics_the_reader_or_the_judge(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..12),
        numbers in any::<bool>(),
    ) {
        let mut bytes = file(UNION, &events(SCRIPT));
        let header = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(0);
        for (at, byte, how) in edits {
            // Mostly leave the header whole, or nothing after it is ever read.
            let at = header + at.index(bytes.len() - header);
            let byte = if numbers { b'0' + byte % 10 } else { byte };
            match how {
                0 => { bytes.remove(at); }
                1 => bytes.insert(at, byte),
                2 if bytes[at].is_ascii_digit() => bytes[at] = b'0' + byte % 10,
                _ => bytes[at] = byte,
            }
        }
        if let Ok(reader) = Reader::new(&bytes[..]) {
            let _ = judge(reader, &mut NoSink);
        }
    }
}
