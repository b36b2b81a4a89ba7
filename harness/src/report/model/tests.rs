use super::*;
use crate::model::{Reason, Selection, ask};
use quarrel_models::{check::Limits, fate::Fate};
use quarrel_workloads::verdict::{Anomaly, Finding, Verdict};

fn matrix() -> Matrix {
    let selection = Selection {
        strategies: vec!["arrival".to_owned(), "on-write (union)".to_owned()],
        leaders: Some(2),
        writes: Some(2),
        ..Selection::default()
    };
    let questions = selection.questions().unwrap();
    let (cells, mut records, mut taken) = (questions.len(), Vec::new(), Taken::default());
    ask(questions, Limits::default(), 2, |answer| {
        taken.add(&answer.exploration);
        records.extend(Record::of(&answer));
    });
    // How much memory a search takes differs between machines.
    taken.most_bytes = 123_456;
    records.iter_mut().for_each(|record: &mut Record| record.bytes = 98_765);
    Matrix {
        records,
        cells,
        taken,
        seconds: 1.25,
        witnesses: Some("w".to_owned()),
        again: "quarrel model --matrix".to_owned(),
    }
}

fn modelled() -> Modelled {
    let reason =
        |finding, verdict, why: &str| Reason { finding, verdict, why: why.to_owned(), witness: None };
    let reasons = vec![
        reason(Finding::Fate(Fate::Vanished), Verdict::Unknown, "not found in 9 states, but the time was up"),
        reason(
            Finding::Anomaly(Anomaly::Divergence),
            Verdict::Fail,
            "found in 12 steps, and nobody permits it, which is said at some length here to see it wrapped",
        ),
        reason(Finding::Fate(Fate::Partial), Verdict::Pass, "found in 12 steps, which the strategy permits"),
    ];
    Modelled {
        scenario: "small".to_owned(),
        strategy: "arrival".to_owned(),
        topology: "ring".to_owned(),
        leaders: 3,
        scaled: vec!["5 leaders → 3".to_owned(), "9 clients → 3".to_owned(), "its load → 3 writes".to_owned()],
        outcome: Outcome { verdict: Verdict::Fail, reasons },
        records: matrix().records,
        told: Some((
            "divergence in 10 steps".to_owned(),
            " 1. c0 writes k = 0 (c0.1) at A, stamped 1.000 s.\n\
             10. C>A delivers c0.1: discarded at A, which holds c1.1 with the later stamp (1.001 s against 1.000 s).\n\
             \nIn the end A and B hold k = 0 (c0.1).\n"
                .to_owned(),
        )),
        seconds: 0.75,
        results: Some("results/small/20261123T161841Z-model".to_owned()),
        again: "quarrel model small".to_owned(),
        replay: Some("quarrel replay results/small/20261123T101112Z-model/witness/causal-inversion.json --on live".to_owned()),
    }
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_matrix_says_in_how_many_steps_and_what_holds() {
    insta::assert_snapshot!(text(|out| ModelText::default().matrix(&matrix(), out)));
}

#[test]
fn a_scenario_says_verdict_first_and_tells_its_witness() {
    insta::assert_snapshot!(text(|out| ModelText::default().scenario(&modelled(), out)));
}

#[test]
fn the_summary_of_a_pipeline_can_be_pasted() {
    insta::assert_snapshot!(text(|out| {
        ModelMarkdown.matrix(&matrix(), out)?;
        ModelMarkdown.scenarios(&[modelled()], out)
    }));
}

#[test]
fn a_scenario_in_json_has_the_promised_keys() {
    let mut one = modelled();
    one.records.truncate(1);
    insta::assert_snapshot!(text(|out| ModelJson.scenarios(&[one], out)));
}
