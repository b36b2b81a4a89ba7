//! What is written in one format and read again is the same history.

use proptest::prelude::*;
use quarrel_workloads::history::recorded::{
    ExportFormat, Format, MAGIC, Operation, ReadError, ReadOptions, Recorded, finals_as_reads, read, write,
    write_binary,
};

fn load(bytes: &[u8], independent: bool) -> Recorded {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]);
    read(bytes, None, ReadOptions { independent }).unwrap_or_else(|error| panic!("{error}\n{shown}"))
}

/// All that an operation says.
fn told(history: &Recorded) -> Vec<String> {
    let operations = history.operations.iter().enumerate();
    let tell = |(at, op): (usize, &Operation)| {
        format!(
            "{} {} {:?} {} {} {} {} {} {}",
            history.show(at),
            op.completed,
            op.outcome,
            op.invoke_time,
            op.complete_time,
            history.values.show(op.input),
            history.values.show(op.output),
            history.values.show(history.node(at)),
            op.is_final
        )
    };
    operations.map(tell).collect()
}

fn written(history: &Recorded, format: ExportFormat, independent: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(history, format, independent, &mut bytes).expect("memory takes it");
    bytes
}

fn binary(history: &Recorded) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_binary(history, &mut bytes).expect("memory takes it");
    bytes
}

fn values() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("nil".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        (0..400_i64).prop_map(|number| number.to_string()),
        (0..2_000_000_i64).prop_map(|number| number.to_string()),
        "[a-z \u{e9}]{0,8}".prop_map(|text| format!("{text:?}")),
        Just(r#""a\"b\\c\n""#.to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..4).prop_map(|items| items.join(" "));
        prop_oneof![
            items.clone().prop_map(|items| format!("[{items}]")),
            items.prop_map(|items| format!("#{{{items}}}")),
            (0..9, inner.clone(), inner).prop_map(|(key, a, b)| format!("{{{key} {a} \"k\" {b}}}")),
            (0..9).prop_map(|key| format!("[[:append {key} 1] [:r {key} nil]]")),
        ]
    })
}

/// Histories of a few processes; some events lack this or that.
fn histories() -> impl Strategy<Value = String> {
    let event = (0..4_usize, 0..4_usize, values(), any::<u8>(), 0..50_u64);
    prop::collection::vec(event, 1..30).prop_map(|events| {
        let names = ["0", "7", "\"worker\"", "2"];
        let mut open = [false; 4];
        let (mut index, mut text) = (0, String::new());
        for (process, kind, value, flags, step) in events {
            index += 1 + if flags % 4 == 0 { step } else { 0 };
            let kind = if open[process] { ["ok", "fail", "info", "ok"][kind] } else { "invoke" };
            open[process] = !open[process];
            let begins = kind == "invoke";
            let key = if begins && process == 1 { ":key 5" } else { "" };
            let time = if flags % 3 > 0 { format!(":time {}", index * 1000) } else { String::new() };
            let last = if begins && flags % 5 == 0 { ":node \"n1\" :final? true" } else { "" };
            // Failed and unknown operations say nothing new: what they were asked for is what counts.
            let value = if matches!(kind, "fail" | "info") { "nil".to_owned() } else { value };
            let name = names[process];
            text.push_str(&format!("{{:index {index} :process {name} :type :{kind} :f :f{process} :value {value} {key} {time} {last}}}\n"));
        }
        text
    })
}

/// Outcomes without a result are written with what was asked; the output of such is not compared.
fn comparable(mut history: Recorded) -> Recorded {
    use quarrel_workloads::history::recorded::{Datum, Outcome};
    for op in &mut history.operations {
        if op.outcome != Outcome::Ok {
            op.output = Datum::NIL;
        } else if op.output.is_nil() {
            op.output = op.input;
        }
    }
    history
}

proptest! {
    #[test]
    fn every_history_survives_the_binary_form(text in histories()) {
        let history = load(text.as_bytes(), false);
        let again = load(&binary(&history), false);
        prop_assert_eq!(told(&history), told(&again));
    }

    #[test]
    fn every_history_survives_edn_and_json(text in histories()) {
        let history = comparable(load(text.as_bytes(), false));
        // Others number events without gaps.
        let mut dense = load(&written(&history, ExportFormat::Edn, false), false);
        let json = comparable(load(&written(&history, ExportFormat::Json, false), false));
        dense = comparable(dense);
        prop_assert_eq!(told(&dense), told(&json));
        prop_assert_eq!(dense.operations.len(), history.operations.len());
        for (n, (a, b)) in dense.operations.iter().zip(&history.operations).enumerate() {
            prop_assert_eq!((a.outcome, a.invoke_time, a.complete_time, a.is_final), (b.outcome, b.invoke_time, b.complete_time, b.is_final));
            prop_assert_eq!(dense.values.show(a.input).to_string(), history.values.show(b.input).to_string(), "{}", n);
            prop_assert_eq!(dense.values.show(a.output).to_string(), history.values.show(b.output).to_string(), "{}", n);
        }
    }

    #[test]
    fn a_damaged_binary_form_is_refused_or_read_and_never_panics(
        text in histories(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = binary(&load(text.as_bytes(), false));
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read(bytes.as_slice(), Some(Format::Binary), ReadOptions::default());
        let cut = cut.index(bytes.len());
        let _ = read(&bytes[..cut], Some(Format::Binary), ReadOptions::default());
    }
}

/// Unique writes and their reads, ten clients, as a register workload makes them.
fn register(operations: u64) -> String {
    let mut text = String::new();
    for n in 0..operations {
        let (process, key, index, time) = (n * 7 % 10, n * 13 % 1000, n * 2, n * 20_000 + n % 977 * 7);
        let (f, input) = if n % 2 == 0 { ("write", n.to_string()) } else { ("read", "nil".to_owned()) };
        text.push_str(&format!(
            "{{:index {index} :time {time} :type :invoke :process {process} :f :{f} :key {key} :value {input}}}\n\
             {{:index {} :time {} :type :ok :process {process} :f :{f} :key {key} :value {}}}\n",
            index + 1,
            time + 9000 + n % 331,
            if n % 2 == 0 { n } else { n / 3 * 2 },
        ));
    }
    text
}

#[test]
fn the_binary_form_takes_at_most_eight_bytes_an_event() {
    let history = load(register(20_000).as_bytes(), false);
    let bytes = binary(&history);
    assert!(bytes.starts_with(MAGIC));
    assert!(bytes.len() <= 8 * 40_000, "{} bytes for 40,000 events", bytes.len());
}

#[test]
fn independent_keys_are_written_as_tuples_when_asked_for() {
    let history = load(
        b"{:type :invoke :process 0 :f :write :key :x :value 3}{:type :ok :process 0 :f :write :value 3}",
        false,
    );
    let edn = written(&history, ExportFormat::Edn, true);
    assert!(String::from_utf8_lossy(&edn).contains(":value [\"x\" 3]"), "{}", String::from_utf8_lossy(&edn));
    assert_eq!(told(&load(&edn, true)), told(&comparable(history)));
}

#[test]
fn final_reads_become_reads_that_are_marked() {
    let mut history = load(
        br#"{"quarrel":"history","v":1}
{"type":"invoke","t":10,"client":"c0","at":"A","key":"x","op":{"put":1},"write":"c0.1"}
{"type":"ok","t":20,"client":"c0"}
{"type":"final","replica":"A","key":"x","value":1}
{"type":"final-end","replica":"A","records":1,"applied":[1]}
{"type":"final-end","replica":"B","records":0,"applied":[1]}
"#,
        false,
    );
    finals_as_reads(&mut history);
    let edn = written(&history, ExportFormat::Edn, false);
    let again = load(&edn, false);
    let shown: Vec<String> = (0..again.operations.len()).map(|at| again.show(at).to_string()).collect();
    assert_eq!(
        shown,
        ["0: process 0 write of x 1 -> ok", "2: process 1 read of x -> 1", "4: process 2 read of x -> nil"]
    );
    assert!(again.operations[1].is_final && !again.operations[0].is_final);
}

#[test]
fn a_damaged_binary_form_says_where() {
    let history = load(
        b"{:type :invoke :process 0 :f :write :value 3}{:type :ok :process 0 :f :write :value 3}",
        false,
    );
    let bytes = binary(&history);
    // After two whole operations, a completion of a process that invoked nothing.
    let mut orphan = bytes.clone();
    let at = orphan.len();
    orphan.extend([0b1, 2]);
    let error = read(orphan.as_slice(), None, ReadOptions::default()).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { at: found, .. } if found == at), "{error}");
    let cut = read(&bytes[..bytes.len() - 1], None, ReadOptions::default()).unwrap();
    assert!(cut.warnings[0].contains("broken off"), "{:?}", cut.warnings);
}
