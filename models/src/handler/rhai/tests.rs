use super::*;
use crate::{
    clock::Stamp,
    handler::{Conflict, RefusedKind, Resolution},
    id::{ClientId, Dot, ReplicaId, WriteId},
    value::Value,
    version::{Version, VersionVector},
};
use alloc::collections::BTreeMap;

fn version(origin: u8, value: Option<Value>) -> Version {
    Version {
        write: WriteId { client: ClientId(origin.into()), sequence: 1 },
        dot: Dot { origin: ReplicaId(origin), position: 1 },
        stamp: Stamp { time_us: 1000 + i64::from(origin), logical: 0 },
        context: VersionVector::new(),
        value,
        updates: 0,
    }
}

fn file(workload: &str, function: &str) -> String {
    format!("const NAME = \"mine\";\nconst WORKLOAD = \"{workload}\";\n{function}")
}

fn resolved(text: &str, values: &[Option<Value>]) -> Resolution {
    let script = read("mine.rhai", text).unwrap();
    let versions: Vec<Version> =
        values.iter().zip(0..).map(|(value, origin)| version(origin, value.clone())).collect();
    script.resolve(&Conflict { key: &"k".into(), versions: &versions, past: None })
}

fn set(elements: &[i64]) -> Value {
    Value::Set(elements.iter().copied().map(Value::Int).collect())
}

fn refused(text: &str) -> (RefusedKind, String) {
    match resolved(text, &[Some(set(&[1])), Some(set(&[2]))]) {
        Resolution::Refused(refused) => (refused.kind, refused.why.to_string()),
        other => panic!("it answers: {other:?}"),
    }
}

#[test]
fn a_script_merges_two_sides_at_a_time() {
    let union = file("set", "fn merge(left, right) { union(left, right) }");
    let merged = resolved(&union, &[Some(set(&[1])), Some(set(&[2])), Some(set(&[2, 3]))]);
    assert_eq!(merged, Resolution::Value(set(&[1, 2, 3])));
}

#[test]
fn a_script_sees_all_that_is_known_of_a_version() {
    let text = file(
        "register",
        "fn resolve(conflict) { let v = conflict.versions[1]; \
         `${conflict.key} ${v.value} ${v.origin} ${v.stamp} ${v.deleted} ${v.write} ${conflict.base == ()}` }",
    );
    let said = resolved(&text, &[None, Some(7.into())]);
    assert_eq!(said, Resolution::Value("k 7 B 1001 false c1.1 true".into()));
}

#[test]
fn nothing_is_a_deletion() {
    let text = file("set", "fn merge(left, right) { () }");
    assert_eq!(resolved(&text, &[Some(set(&[1])), Some(set(&[2]))]), Resolution::Delete);
}

#[test]
fn values_come_back_as_their_workload_writes_them() {
    let calendar = file(
        "calendar",
        "fn merge(left, right) { #{ free: [], one: [\"m1\"], two: [\"m2\", \"m1\"], gone: () } }",
    );
    let fields: BTreeMap<_, _> = [
        ("one".into(), "m1".into()),
        ("two".into(), Value::Set(["m1".into(), "m2".into()].into_iter().collect())),
    ]
    .into_iter()
    .collect();
    assert_eq!(resolved(&calendar, &[None, None]), Resolution::Value(Value::Map(fields)));
}

#[test]
fn what_keeps_a_script_from_an_answer_is_told_apart() {
    let said = |function: &str| refused(&file("set", function));
    let own = said("fn merge(left, right) { refuse(\"ask a person\") }");
    assert_eq!(own, (RefusedKind::Refused, "ask a person".to_owned()));
    let thrown = said("fn merge(left, right) {\n  throw \"oops\";\n}");
    assert_eq!(thrown, (RefusedKind::Failed, "line 4, column 3: Runtime error: oops".to_owned()));
    let unknown = said("fn merge(left, right) { left.nothing() }");
    assert_eq!(unknown.0, RefusedKind::Failed, "{unknown:?}");
    let kind = said("fn merge(left, right) { 7 }");
    assert_eq!(kind.0, RefusedKind::WrongKind);
    assert_eq!(kind.1, "`merge` returned what is no set: it is an integer; a set is an array of elements");
}

#[test]
fn a_script_that_does_not_end_is_ended() {
    let loops = [
        "fn merge(left, right) { loop { } }",
        "fn merge(left, right) { let a = []; loop { a.push(1) } }",
        "fn merge(left, right) { let a = []; loop { a += a; a.push(1); } }",
        "fn merge(left, right) { let s = \"x\"; loop { s += s } }",
        "fn merge(left, right) { let m = #{}; let n = 0; loop { n += 1; m[`k${n}`] = m } }",
        "fn merge(left, right) { merge(left, right) }",
        "fn deep(n) { deep(n + 1) + 1 } fn merge(left, right) { deep(0) }",
        "fn merge(left, right) { let a = []; a.pad(900, \"xxxxxxxx\"); loop { a.sort(); a.reverse(); } }",
        "fn merge(left, right) { let s = \"\"; s.pad(8000, 'x'); loop { s.replace(\"x\", \"y\"); s.replace(\"y\", \"x\"); } }",
    ];
    for function in loops {
        assert_eq!(refused(&file("set", function)).0, RefusedKind::Limit, "{function}");
    }
}

#[test]
fn a_script_finds_no_clock_no_chance_and_no_way_out() {
    let tries = [
        "timestamp()",
        "sleep(1)",
        "rand()",
        "print(1)",
        "debug(1)",
        "eval(\"1\")",
        "open_file(\"x\")",
        "1.5",
        "import \"x\" as y",
    ];
    for attempt in tries {
        let text = file("set", &format!("fn merge(left, right) {{ let x = {attempt}; left }}"));
        let stopped = match read("mine.rhai", &text) {
            Err(_) => true,
            Ok(_) => matches!(
                resolved(&text, &[Some(set(&[1])), Some(set(&[2]))]),
                Resolution::Refused(refused) if refused.kind == RefusedKind::Failed
            ),
        };
        assert!(stopped, "{attempt}");
    }
}

#[test]
fn a_file_that_is_no_handler_says_where_and_how_to_mend_it() {
    let error = |text: &str| read("mine.rhai", text).map(|_| ()).unwrap_err().to_string();
    let all = [
        file("set", "fn merge(left, right) {\n  let x = 1\n  left\n}"),
        file("set", "fn marge(left, right) { left }"),
        file("set", "fn merge(left) { left }"),
        file("sets", "fn merge(left, right) { left }"),
        "const NAME = \"union\"; fn merge(left, right) { left }".to_owned(),
        "fn merge(left, right) { left }".to_owned(),
        file("set", "const SITE = \"here\"; fn merge(left, right) { left }"),
        file("set", "const SITE = \"read\"; fn merge(left, right, base) { left }"),
        file("set", "const PERMITS = [\"visible\"]; fn merge(left, right) { left }"),
        file("set", "let x = 1 / 0; fn merge(left, right) { left }"),
        file("set", "fn merge(left, right) { left } fn resolve(conflict) { () }"),
    ];
    let said: Vec<String> = all.iter().map(|text| error(text)).collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_handler_survives_json_with_its_text() {
    let text = file("set", "fn merge(left, right) { union(left, right) }");
    let old = Old { handler: load_once("old.rhai", &text, None).unwrap(), replicas: [ReplicaId(1)].into() };
    for old in [None, Some(old)] {
        let handler = load_once("mine.rhai", &text, old).unwrap();
        let json = serde_json::to_string(&handler).unwrap();
        let back: Handler = serde_json::from_str(&json).unwrap();
        assert_eq!(back, handler, "{json}");
        assert!(matches!(back, Handler::Script(script) if script.is_read()));
    }
    let unread: Handler = serde_json::from_str("\"cart.rhai\"").unwrap();
    assert_eq!(serde_json::to_string(&unread).unwrap(), "\"cart.rhai\"");
    assert!(serde_json::from_str::<Handler>("\"unoin\"").is_err());
    let damaged = serde_json::from_str::<Handler>(r#"{"file":"x.rhai","text":"fn"}"#).unwrap_err();
    assert!(damaged.to_string().contains("x.rhai: line 1"), "{damaged}");
}
