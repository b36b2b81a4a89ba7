use super::*;
use insta::assert_snapshot;
use quarrel_models::fate::Fate;
use quarrel_workloads::verdict::Verdict;
use std::collections::BTreeMap;

fn property(name: &str, verdict: Verdict, detail: &str, evidence: &[&str]) -> Property {
    Property {
        name: name.to_owned(),
        verdict,
        detail: detail.to_owned(),
        notable: !evidence.is_empty() || name == "divergence",
        evidence: evidence.iter().map(|&case| case.to_owned()).collect(),
    }
}

fn fates(counts: &[(Fate, u64)]) -> BTreeMap<Fate, u64> {
    Fate::ALL.into_iter().map(|fate| (fate, 0)).chain(counts.iter().copied()).collect()
}

const CAUSAL: &str = "c3.204 (put v204 on k17), acknowledged by B at 3.214 s, lost to c1.198 of A: B had applied \
                      c1.198 (causal-inversion); A's stamp is 840 ms later, although it was written 26 ms earlier";

fn failed() -> Summary {
    Summary {
        scenario: "lww-skew".to_owned(),
        system: "reference".to_owned(),
        strategy: "lww".to_owned(),
        variant: String::new(),
        topology: "all-to-all".to_owned(),
        leaders: 3,
        seed: 8127,
        verdict: Verdict::Fail,
        interrupted: false,
        seconds: 31.24,
        fates: fates(&[
            (Fate::Visible, 5120),
            (Fate::Superseded, 860),
            (Fate::ConcurrentDiscard, 8),
            (Fate::CausalInversion, 2),
        ]),
        anomalies: vec![
            Found { kind: "causal-inversion".to_owned(), count: 2, witness: CAUSAL.to_owned() },
            Found { kind: "concurrent-discard".to_owned(), count: 8, witness: String::new() },
        ],
        properties: vec![
            property("divergence", Verdict::Pass, "all replicas equal 1.9 s after healing", &[]),
            property(
                "causal-inversion",
                Verdict::Fail,
                "2 acknowledged writes lost, none is allowed",
                &[CAUSAL],
            ),
            property("lost-element", Verdict::Unknown, "hangs on the unanswered c3.9", &[]),
            property("vanished", Verdict::Pass, "none", &[]),
            property("partial", Verdict::Pass, "none", &[]),
        ],
        marks: vec![
            Mark {
                name: "concurrent-writes".to_owned(),
                about: "two leaders wrote one record concurrently".to_owned(),
                count: 91,
                required: true,
            },
            Mark {
                name: "moved-in-flight".to_owned(),
                about: "a client moved with a write in flight".to_owned(),
                count: 0,
                required: true,
            },
        ],
        operations: Operations { ok: 5990, fail: 88, info: 136 },
        latency: Some(Latencies { write_p50: 0.0021, write_p99: 0.041, read_p50: 0.000_85, read_p99: 0.012 }),
        results: Some("results/lww-skew/20261123T161841Z-8127".to_owned()),
        again: "quarrel run lww-skew --seed 8127".to_owned(),
    }
}

fn passed(strategy: &str) -> Summary {
    let scenario = format!("tour-{strategy}");
    Summary {
        strategy: strategy.to_owned(),
        verdict: Verdict::Pass,
        fates: fates(&[(Fate::Visible, 900), (Fate::Superseded, 1200)]),
        anomalies: Vec::new(),
        properties: vec![property(
            "divergence",
            Verdict::Pass,
            "all replicas equal 0.2 s after healing",
            &[],
        )],
        marks: Vec::new(),
        results: Some(format!("results/{scenario}/20261123T161841Z-8127")),
        again: format!("quarrel run {scenario} --seed 8127"),
        scenario,
        ..failed()
    }
}

fn unknown() -> Summary {
    Summary {
        verdict: Verdict::Unknown,
        properties: failed().properties.split_off(2),
        latency: None,
        results: None,
        interrupted: true,
        again: "quarrel check history.jsonl".to_owned(),
        ..failed()
    }
}

fn report(runs: Vec<Summary>) -> Report {
    Report { runs, tour: None }
}

fn render(format: &dyn Format, report: &Report) -> String {
    let mut out = Vec::new();
    format.write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn too_wide(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.chars().count() > 80).collect()
}

#[test]
fn text_says_verdict_first_and_the_repeat_command_last() {
    let text = render(&Text::default(), &report(vec![failed(), unknown()]));
    assert_eq!(too_wide(&text), [""; 0]);
    assert_snapshot!(text);
}

#[test]
fn the_tour_ends_with_the_strategies_side_by_side() {
    let lww = Summary { scenario: "tour-lww".to_owned(), ..failed() };
    let runs = vec![passed("home-leader"), lww, passed("on-write"), passed("on-read")];
    let text = render(&Text::default(), &Report { runs, tour: Some("quarrel run --seed 8127".to_owned()) });
    assert_eq!(too_wide(&text), [""; 0]);
    let (_, tour) = text.split_once("What became").unwrap();
    assert_snapshot!(tour);
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let plain = render(&Text::default(), &report(vec![failed()]));
    let painted = render(&Text { paint: Paint { on: true }, ci: false }, &report(vec![failed()]));
    assert_ne!(plain, painted);
    assert_eq!(without_escapes(&painted), plain);
}

fn without_escapes(text: &str) -> String {
    let parts = text.split('\u{1b}').enumerate();
    parts
        .map(|(at, part)| if at == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) })
        .collect()
}

#[test]
fn json_has_the_promised_keys() {
    let text = render(&Json, &report(vec![failed()]));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["v"], 1);
    let run = json["runs"][0].as_object().unwrap();
    for key in [
        "scenario",
        "system",
        "strategy",
        "topology",
        "seed",
        "verdict",
        "fates",
        "anomalies",
        "marks",
        "results",
    ] {
        assert!(run.contains_key(key), "{key}");
    }
    assert_eq!(json["runs"][0]["fates"]["vanished"], 0);
    assert_eq!(serde_json::from_value::<Summary>(json["runs"][0].clone()).unwrap(), failed());
    assert_snapshot!(text);
}

#[test]
fn json_of_a_check_has_the_promised_keys() {
    let mut out = Vec::new();
    Json.check(&unknown(), &mut out).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&json["v"], &json["verdict"]), (&1.into(), &"unknown".into()));
    assert_eq!((&json["operations"], &json["seconds"]), (&6214.into(), &31.24.into()));
    assert_eq!(json["anomalies"][0]["kind"], "causal-inversion");
}

#[test]
fn junit_has_a_suite_per_scenario_and_a_case_per_property() {
    assert_snapshot!(render(&Junit { ci: false }, &report(vec![failed()])));
    let strict = render(&Junit { ci: true }, &report(vec![unknown()]));
    assert!(strict.contains("failures=\"2\"") && strict.contains("type=\"unknown\""), "{strict}");
}

#[test]
fn markdown_can_be_pasted() {
    assert_snapshot!(render(&Markdown, &report(vec![failed(), passed("on-write")])));
}

#[test]
fn markdown_is_capped_between_lines() {
    let mut long = failed();
    long.properties[1].evidence = vec![CAUSAL.to_owned(); 2000];
    let text = render(&Markdown, &report(vec![long]));
    assert!(text.len() <= MARKDOWN_MAX_BYTES);
    assert!(text.ends_with("see the artifact)\n"));
    assert!(!text.contains("although it was\n"));
}

#[test]
fn annotations_are_one_per_property_and_cannot_be_forged() {
    let mut forged = failed();
    forged.properties[1].evidence = vec!["key `a\n::error::b`".to_owned()];
    let text = render(&Annotations { ci: false }, &report(vec![forged.clone(), forged]));
    assert_eq!(text.lines().filter(|line| line.starts_with("::error")).count(), 1);
    assert_snapshot!(text);
}

fn comparison() -> Comparison {
    let run = |name: &str, version: &str, summary: Summary| Compared {
        name: name.to_owned(),
        version: version.to_owned(),
        summary,
    };
    let ring = Summary { topology: "ring".to_owned(), ..passed("on-write") };
    Comparison { runs: vec![run("lww-skew/1-8127", "0.1.0", failed()), run("tour/2-8127", "0.2.0", ring)] }
}

#[test]
fn runs_stand_side_by_side() {
    let mut out = Vec::new();
    comparison().write(Paint::default(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(too_wide(&text), [""; 0]);
    assert_snapshot!(text);
}

#[test]
fn what_is_new_and_what_is_gone_is_told_against_the_first_run() {
    let mut comparison = comparison();
    assert_eq!(comparison.differences()[1].gone, ["causal-inversion", "concurrent-discard"]);
    comparison.runs.reverse();
    assert_eq!(comparison.differences()[1].new, ["causal-inversion", "concurrent-discard"]);
    assert_eq!(comparison.differences()[0], Difference::default());
}

#[test]
fn the_page_of_a_comparison_has_strategies_by_topologies() {
    let mut comparison = comparison();
    comparison.runs[0].name = "<b>&".to_owned();
    let page = html::compare(&comparison, |run| (run.version == "0.2.0").then(|| "a\"b".to_owned()));
    assert!(page.contains("&lt;b&gt;&amp;") && !page.contains("<b>"));
    assert!(page.contains("href=\"a&quot;b\""));
    assert!(
        page.contains("all-to-all x3") && page.contains("ring x3") && page.contains("10 of 5,990 (0.2 %)")
    );
    comparison.runs.truncate(1);
    assert!(
        !html::compare(&comparison, |_| None).contains("Strategies by topologies"),
        "one run is no matrix"
    );
}
