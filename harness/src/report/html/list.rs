//! The list of a store's runs, as a page: what the viewer shows first. It works without a script.

use super::{
    block::{self, Cell, number, words},
    document,
    markup::Markup,
};
use crate::{
    report::{Summary, grouped},
    store::{Catalogue, Entry, Status},
};
use quarrel_models::fate::Fate;

/// The states that can be asked for.
const STATES: [&str; 5] = ["pass", "fail", "unknown", "incomplete", "running"];

/// Renders the list of those runs whose scenario and state are these; empty words stand for all.
#[must_use]
pub fn list(catalogue: &Catalogue, scenario: &str, state: &str) -> String {
    let mut body = Markup::default();
    body.raw("<main><h1>Runs</h1>");
    filter(&mut body, catalogue, scenario, state);
    let wanted = |entry: &&Entry| {
        (scenario.is_empty() || entry.scenario == scenario) && (state.is_empty() || state_of(entry) == state)
    };
    let rows: Vec<Vec<Cell>> = catalogue.entries().iter().filter(wanted).map(row).collect();
    if rows.is_empty() {
        body.leaf("p", &[("class", "note")], "There are no such runs. `quarrel run` makes some.");
    } else {
        body.raw("<form action=\"/compare\" method=\"get\" id=\"runs\">");
        let header = ["", "run", "state", "strategy", "topology", "acknowledged", "lost", "seed", "started"];
        block::table(&mut body, &format!("{} runs, the newest first", rows.len()), &header, &rows);
        body.raw("<p><button type=\"submit\">compare the chosen runs</button></p></form>");
    }
    body.raw("</main>");
    document("runs \u{2013} quarrel", &body).into_string()
}

fn state_of(entry: &Entry) -> &str {
    match entry.status {
        Status::Complete => entry.verdict_word().unwrap_or("unknown"),
        Status::Running => "running",
        Status::Incomplete => "incomplete",
    }
}

fn filter(page: &mut Markup, catalogue: &Catalogue, scenario: &str, state: &str) {
    let mut scenarios: Vec<&str> = catalogue.entries().iter().map(|entry| entry.scenario.as_str()).collect();
    scenarios.sort_unstable();
    scenarios.dedup();
    page.raw("<form class=\"controls\" method=\"get\" action=\"/\">");
    choice(page, "scenario", &scenarios, scenario);
    choice(page, "verdict", &STATES, state);
    page.raw("<button type=\"submit\">filter</button></form>");
}

fn choice(page: &mut Markup, name: &'static str, options: &[&str], chosen: &str) {
    page.raw("<label>").text(name).raw(" ").open("select", &[("name", name)]);
    page.raw("<option value=\"\">all</option>");
    for option in options {
        if *option == chosen {
            page.leaf("option", &[("value", option), ("selected", "")], option);
        } else {
            page.leaf("option", &[("value", option)], option);
        }
    }
    page.raw("</select></label> ");
}

fn row(entry: &Entry) -> Vec<Cell> {
    let full = entry.full_name();
    let run = entry.verdict.as_ref().and_then(|verdict| verdict.get("run"));
    let summary: Option<Summary> = run.and_then(|run| serde_json::from_value(run.clone()).ok());
    let mut choose = Markup::default();
    let mut name = Markup::default();
    let mut state = Markup::default();
    match &summary {
        Some(summary) if entry.status == Status::Complete => {
            let says = format!("compare {full}");
            choose.empty(
                "input",
                &[("type", "checkbox"), ("name", "run"), ("value", &full), ("aria-label", &says)],
            );
            name.leaf("a", &[("href", &format!("/runs/{full}/"))], &full);
            block::verdict(&mut state, summary.verdict);
        }
        None if entry.model.is_some() && entry.status == Status::Complete => {
            name.leaf("a", &[("href", &format!("/runs/{full}/"))], &full);
            let arena = entry.model.as_ref().map_or("model", |model| &model.arena);
            state.text(&format!("{}, {arena}", state_of(entry)));
        }
        _ => {
            name.text(&full);
            state.text(state_of(entry));
        }
    }
    let of = |get: &dyn Fn(&Summary) -> String| summary.as_ref().map_or("-".to_owned(), get);
    let lost = |run: &Summary| -> u64 {
        Fate::ALL.into_iter().filter(|fate| fate.is_loss()).map(|fate| run.fate(fate)).sum()
    };
    let record = entry.record.as_ref();
    let started = record.map_or("", |record| record.started.split('.').next().unwrap_or_default());
    vec![
        Cell::Piece(choose),
        Cell::Piece(name),
        Cell::Piece(state),
        words(of(&|run| run.strategy.clone())),
        words(of(&|run| format!("{} x{}", run.topology, run.leaders))),
        number(of(&|run| grouped(run.fates.values().sum()))),
        number(of(&|run| grouped(lost(run)))),
        number(record.map_or("-".to_owned(), |record| record.seed.to_string())),
        words(started.replace('T', " ")),
    ]
}
