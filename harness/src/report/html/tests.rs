use super::*;
use crate::{
    report::{Circumstances, recorded::Entry},
    runner,
    store::RunRecord,
};
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;
use std::fs;
use tempfile::{TempDir, tempdir};

/// What a stranger may write into a run's files.
#[derive(Debug, Clone)]
struct Words {
    key: String,
    error: String,
    about: String,
    file: String,
}

impl Default for Words {
    fn default() -> Self {
        let word = str::to_owned;
        Self { key: word("k"), error: word("refused"), about: word("two writes"), file: word("notes.txt") }
    }
}

/// What the machine's clock stood at when the run began.
const START_US: u64 = 777_000_000;

/// Lines of JSON after a header.
fn lines(kind: &str, rows: impl IntoIterator<Item = Value>) -> String {
    let header = json!({ "quarrel": kind, "v": 1 });
    std::iter::once(header).chain(rows).map(|row| format!("{row}\n")).collect()
}

fn scenario(words: &Words) -> Value {
    json!({
        "name": "story", "about": words.about,
        "cluster": { "leaders": 3 },
        "strategy": { "lww": { "clock": "wall" } },
        "workload": { "register": { "keys": 1 } },
        "contract": { "find": [], "marks": ["partition"] },
    })
}

/// A's clock is ahead: the first write, made there, wins over the second, which C made on top of it.
fn history(words: &Words, held_by_b: &str) -> String {
    let ms = |ms: u64| ms * 1_000_000;
    let key = &words.key;
    let put = |t, client: &str, at: &str, value: u64, write: &str| json!({"type": "invoke", "t": ms(t), "client": client, "at": at, "key": key, "op": {"put": value}, "write": write});
    let held = |replica: &str, write: &str| {
        let (value, dot) = if write == "c0.1" { (1, "A:1") } else { (100, "C:1") };
        let version = json!({"write": write, "dot": dot, "stamp": {"us": value, "n": 0}});
        json!({"type": "final", "replica": replica, "key": key, "value": value, "versions": [version]})
    };
    let read =
        |replica: &str| json!({"type": "final-end", "replica": replica, "records": 1, "applied": [1, 0, 1]});
    let links = json!(["A>B", "B>A"]);
    let mut rows = vec![
        json!({"type": "phase", "t": ms(1), "phase": "storm"}),
        json!({"type": "nemesis", "t": ms(5), "fault": {"clock": ["A", {"offset": {"us": 2_000_000}}]}}),
        put(10, "c0", "A", 1, "c0.1"),
        json!({"type": "ok", "t": ms(12), "client": "c0", "dot": "A:1", "stamp": {"us": 2_011_000, "n": 0}, "knew": []}),
        put(20, "c1", "C", 100, "c1.1"),
        json!({"type": "ok", "t": ms(22), "client": "c1", "dot": "C:1", "stamp": {"us": 21_000, "n": 0}, "knew": [1]}),
        json!({"type": "invoke", "t": ms(30), "client": "c2", "at": "B", "key": key, "op": "read"}),
        json!({"type": "ok", "t": ms(31), "client": "c2", "versions": ["c0.1"], "value": 1, "knew": [1, 0, 1]}),
        json!({"type": "nemesis", "t": ms(40), "fault": {"cut": links}}),
        put(41, "c2", "B", 200, "c2.1"),
        json!({"type": "fail", "t": ms(42), "client": "c2", "error": words.error}),
        put(43, "c2", "B", 201, "c2.2"),
        json!({"type": "nemesis", "t": ms(60), "fault": {"heal": links}}),
        json!({"type": "nemesis", "t": ms(61), "fault": {"clock": ["A", "reset"]}}),
        json!({"type": "phase", "t": ms(70), "phase": "quiesce"}),
    ];
    for replica in ["A", "B", "C"] {
        rows.extend([held(replica, if replica == "B" { held_by_b } else { "c0.1" }), read(replica)]);
    }
    rows.push(json!({"type": "end", "t": ms(80), "quiescence": {"positions": {"after_ns": 5}}}));
    let header = json!({
        "quarrel": "history", "v": 1, "seed": 1, "started": "2026-11-23T16:18:41Z", "system": "reference",
        "scenario": scenario(words),
    });
    format!("{header}\n{}", rows.iter().map(|row| format!("{row}\n")).collect::<String>())
}

fn apply_log(words: &Words, rows: &[(u64, &str, &str, &str, &str)]) -> String {
    let rows = rows.iter().map(|(ms, write, dot, site, decision)| {
        json!({
            "monotonic_us": START_US + ms * 1000, "wall_us": 5, "event": "apply", "key": words.key, "write": write,
            "dot": dot, "stamp": {"us": 1, "n": 0}, "site": site, "decision": decision,
        })
    });
    lines("apply", rows)
}

/// Writes the files of a run, judged by the judge.
fn story(words: &Words, held_by_b: &str) -> (TempDir, Summary, Value) {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let record = json!({
        "v": 1, "scenario": scenario(words), "seed": 1, "started": "2026-11-23T16:18:41Z",
        "command": ["quarrel", "run", "story"], "versions": { "quarrel": "0.1.0" },
        "host": { "system": "linux", "release": "6", "architecture": "x86_64", "cores": 2 },
    });
    fs::write(at("run.json"), record.to_string()).unwrap();
    fs::write(at("history.jsonl"), history(words, held_by_b)).unwrap();
    fs::write(at(&words.file), "x").unwrap();
    fs::create_dir(at("apply")).unwrap();
    let (first, second) = (("c0.1", "A:1"), ("c1.1", "C:1"));
    for (replica, rows) in [
        ("A", [(11, first.0, first.1, "local", "applied"), (23, second.0, second.1, "remote", "discarded")]),
        ("B", [(16, first.0, first.1, "remote", "applied"), (24, second.0, second.1, "remote", "discarded")]),
        ("C", [(15, first.0, first.1, "remote", "applied"), (21, second.0, second.1, "local", "discarded")]),
    ] {
        fs::write(at(&format!("apply/{replica}.jsonl")), apply_log(words, &rows)).unwrap();
    }
    let judgement = runner::judge(folder.path()).unwrap();
    let record: RunRecord = serde_json::from_value(record).unwrap();
    let circumstances = Circumstances {
        seed: 1,
        seconds: 0.08,
        interrupted: false,
        latency: None,
        results: Some("results/story".to_owned()),
        again: "quarrel run story --seed 1".to_owned(),
    };
    let summary = Summary::new(&record.scenario, &judgement, circumstances);
    (folder, summary, serde_json::to_value(&judgement).unwrap())
}

fn recorded(words: &Words, held_by_b: &str) -> (TempDir, Recorded) {
    let (folder, summary, judgement) = story(words, held_by_b);
    let run = Recorded::read(folder.path(), Some((summary, judgement))).unwrap();
    (folder, run)
}

#[test]
fn a_stranger_is_told_which_write_was_lost_to_which_and_why() {
    let (_folder, run) = recorded(&Words::default(), "c0.1");
    let text = page(&run);
    assert!(
        text.contains("1 of 2 acknowledged writes was lost: 1 causal-inversion. The contract is violated.")
    );
    assert!(text.contains("C already had c0.1 when c1 wrote c1.1 there"));
    assert!(text.contains(
        "The stamps decided: c0.1&#39;s is 1,990 ms later, because A&#39;s clock was 2,000 ms ahead."
    ));
    assert!(text.contains("quarrel run story --seed 1"));
    assert_eq!(text, page(&run), "the same run is the same page");
}

#[test]
fn a_clock_counts_as_it_stood_when_the_write_was_taken() {
    let (_folder, mut run) = recorded(&Words::default(), "c0.1");
    // Set right after A took the write, and before the client had its answer.
    let reset =
        run.history.faults.iter_mut().find(|act| act.fault.to_string().contains("right again")).unwrap();
    reset.t = 11_500_000;
    run.history.faults.sort_by_key(|act| act.t);
    assert!(page(&run).contains("because A&#39;s clock was 2,000 ms ahead."));
}

#[test]
fn the_diagram_has_a_row_an_event_and_ends_with_what_replicas_hold() {
    let (_folder, run) = recorded(&Words::default(), "c0.1");
    let view = View::new(&run);
    let scene = diagram::scene(&view, &view.cases[0]).unwrap();
    let rows = scene.rows.iter().map(|row| format!("{:>2} {}\n", row.number, row.caption));
    assert_snapshot!(rows.collect::<String>(), @"
     1 0.0100 s  c0 asks A: put 1
     2 0.0110 s  A takes c0.1; its clock is 2,000 ms ahead
     3 0.0120 s  c0.1 is acknowledged
     4 0.0150 s  C applies c0.1
     5 0.0160 s  B applies c0.1
     6 0.0200 s  c1 asks C: put 100
     7 0.0210 s  C discards c1.1
     8 0.0220 s  c1.1 is acknowledged
     9 0.0230 s  A discards c1.1
    10 0.0240 s  B discards c1.1
       in the end: A c0.1; B c0.1; C c0.1
    ");
    assert_eq!(
        scene.lanes.iter().map(|lane| lane.name.as_str()).collect::<Vec<_>>(),
        ["c0", "c1", "A", "B", "C"]
    );
    assert_eq!(scene.arrows.len(), 2 + 2 + 4, "two requests, two answers, two writes to two replicas each");
}

#[test]
fn without_apply_logs_the_diagram_still_shows_that_the_leader_knew() {
    let (folder, summary, judgement) = story(&Words::default(), "c0.1");
    fs::remove_dir_all(folder.path().join("apply")).unwrap();
    let run = Recorded::read(folder.path(), Some((summary, judgement))).unwrap();
    let view = View::new(&run);
    let scene = diagram::scene(&view, &view.cases[0]).unwrap();
    assert!(scene.rows.iter().any(|row| row.caption.ends_with("C has c0.1 by now")));
    assert!(page(&run).contains("There are no apply logs"));
}

#[test]
fn replicas_that_disagree_are_seen_to_disagree() {
    let (_folder, run) = recorded(&Words::default(), "c1.1");
    let text = page(&run);
    assert!(text.contains("Record k: the replicas disagree in the end"));
    let (_folder, run) = recorded(&Words::default(), "c0.1");
    assert!(!page(&run).contains("the replicas disagree in the end"), "and only then");
}

#[test]
fn faults_and_clients_are_drawn() {
    let (_folder, run) = recorded(&Words::default(), "c0.1");
    let view = View::new(&run);
    let mut section = Markup::default();
    faults::write(&mut section, &view);
    clients::write(&mut section, &view);
    assert_snapshot!(section.into_string().replace("><", ">\n<"));
}

#[test]
fn the_page_asks_for_nothing() {
    let (_folder, run) = recorded(&Words::default(), "c0.1");
    let text = page(&run).replace("http://www.w3.org/2000/svg", "");
    for way in ["http:", "https:", "src=", "url(", "@import", "fetch(", "XMLHttpRequest", "srcset", "<iframe"]
    {
        assert!(!text.contains(way), "{way}");
    }
    assert!(text.contains("default-src 'none'"));
}

#[test]
fn violations_are_never_thinned_and_the_rest_is_said_to_be() {
    let (_folder, mut run) = recorded(&Words::default(), "c0.1");
    let of = |fate: quarrel_models::fate::Fate| -> Entry {
        run.ledger.iter().find(|entry| entry.fate == fate).unwrap().clone()
    };
    use quarrel_models::fate::Fate;
    let (kept, lost) = (of(Fate::Visible), of(Fate::CausalInversion));
    let entry = |n: u32| {
        let mut entry = if n.is_multiple_of(4) { lost.clone() } else { kept.clone() };
        (entry.client.0, entry.write.client.0) = (n % 40, n % 40);
        entry.write.sequence = n / 40;
        entry.ack_ns = u64::from(n) * 400_000;
        entry
    };
    run.ledger = (0..100_000).map(entry).collect();
    let text = page(&run);
    assert!(text.len() < MAX_BYTES, "{} bytes", text.len());
    assert!(text.contains("of 100,000 writes, to keep the page small"));
    let data = text.split_once("id=\"ledger-data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: Value = serde_json::from_str(data).unwrap();
    let causal =
        data["fates"].as_array().unwrap().iter().position(|fate| fate == "causal-inversion").unwrap();
    let causal = char::from_digit(u32::try_from(causal).unwrap(), 36).unwrap();
    let shown = data["fate"].as_str().unwrap().chars().filter(|fate| *fate == causal).count();
    assert_eq!(shown, 25_000);
}

#[test]
fn a_page_cannot_be_made_of_half_a_run() {
    let (folder, summary, judgement) = story(&Words::default(), "c0.1");
    let told = |given: Option<(Summary, Value)>| {
        let error = Recorded::read(folder.path(), given).unwrap_err();
        let text = format!("{error}; {}", error.help());
        text.replace(&folder.path().display().to_string(), "RUN")
    };
    let whole = || Some((summary.clone(), judgement.clone()));
    let file = |name: &str| folder.path().join(name);
    assert_snapshot!(told(None), @"cannot read RUN/verdict.json: No such file or directory (os error 2); the run was killed before its end: `quarrel check RUN` judges what was recorded");
    let ledger = fs::read_to_string(file("ledger.jsonl")).unwrap();
    fs::write(file("ledger.jsonl"), format!("{ledger}{{\"write\"")).unwrap();
    assert_snapshot!(told(whole()), @"RUN/ledger.jsonl is damaged: line 4, column 8: EOF while parsing an object at line 1 column 8; `quarrel check RUN --ledger RUN/ledger.jsonl` writes it again");
    fs::write(file("ledger.jsonl"), "{\"quarrel\":\"ledger\",\"v\":9}\n").unwrap();
    assert_snapshot!(told(whole()), @"RUN/ledger.jsonl has format version 9, and this build reads up to 1; use the quarrel that wrote it, or a newer one");
    fs::write(file("run.json"), "{\"v\":7,\"unknown\":true}").unwrap();
    assert_snapshot!(told(whole()), @"RUN/run.json has format version 7, and this build reads up to 1; use the quarrel that wrote it, or a newer one");
    fs::remove_file(file("run.json")).unwrap();
    assert_snapshot!(told(whole()), @"cannot read RUN/run.json: No such file or directory (os error 2); give the folder of a run, its name, its seed, or `latest`; `quarrel runs list` lists them");
}

#[test]
fn half_a_line_of_a_killed_node_is_passed_over_and_told() {
    let (folder, summary, judgement) = story(&Words::default(), "c0.1");
    let path = folder.path().join("apply/B.jsonl");
    let log = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{log}{{\"monotonic_us\":7770")).unwrap();
    let run = Recorded::read(folder.path(), Some((summary, judgement))).unwrap();
    assert_eq!(run.notes, ["1 line is broken off in apply/B.jsonl: a killed node's last words"]);
    assert_eq!(run.applies.all.len(), 6);
}

#[test]
fn apply_logs_are_put_on_the_time_of_the_run() {
    let (_folder, run) = recorded(&Words::default(), "c0.1");
    let ms: Vec<u64> = run.applies.all.iter().map(|line| (line.t + 500_000) / 1_000_000).collect();
    assert_eq!(ms, [11, 15, 16, 21, 23, 24]);
}

/// What breaks out of text, attributes, scripts and comments, if anything does.
fn hostile() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "<zq>",
        "</script>",
        "\"",
        "'",
        "&zq;",
        "<!--",
        "-->",
        "]]>",
        "\\u003c",
        "</style>",
        "{{",
        "|",
        "+",
        "\u{202e}",
        "\u{0}",
        "`",
        "javascript:",
        " onx=1 ",
        "é",
        "=",
    ]);
    prop::collection::vec(parts, 1..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_text_of_a_stranger_becomes_markup(key in hostile(), error in hostile(), about in hostile(), file in hostile()) {
        let (_folder, tame) = recorded(&Words::default(), "c1.1");
        let tame = page(&tame);
        let file = format!("f{}", file.replace(['/', '\0'], "_"));
        let (_folder, run) = recorded(&Words { key, error, about, file }, "c1.1");
        let text = page(&run);
        prop_assert!(!text.contains("<zq") && !text.contains("&zq;"));
        let turns = text.contains(['\u{202e}', '\0']);
        prop_assert!(!turns, "characters that turn or end a line are replaced");
        // The same elements, attributes and scripts as on a page of tame words: nothing began or ended one.
        let outside_data = |page: &str| {
            let (before, rest) = page.split_once("id=\"ledger-data\">").unwrap();
            format!("{before}{}", rest.split_once("</script>").unwrap().1)
        };
        prop_assert_eq!(text.matches("</script").count(), tame.matches("</script").count());
        let (text, tame) = (outside_data(&text), outside_data(&tame));
        for sign in ["<script", "</script", "<style", "</style", "<!--", "<svg", "<td", "<a ", "\""] {
            prop_assert_eq!(text.matches(sign).count(), tame.matches(sign).count(), "{}", sign);
        }
        prop_assert_eq!(text.matches('<').count(), tame.matches('<').count());
    }
}
