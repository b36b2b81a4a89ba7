//! The head of the page: what the run says, in the order in which people ask.

use super::{
    block::{self, Cell, number, words},
    chart,
    markup::{Markup, px},
    scale::duration,
    view::View,
};
use crate::report::{Property, Summary, grouped};
use quarrel_models::fate::Fate;
use quarrel_workloads::verdict::Verdict;

/// Writes the section.
pub(super) fn write(page: &mut Markup, view: &View<'_>) {
    let run = &view.run.summary;
    let scenario = &view.run.record.scenario;
    page.open("header", &[("class", verdict_class(run.verdict)), ("id", "verdict")]);
    page.raw("<h1>");
    block::verdict(page, run.verdict);
    page.raw(" ").leaf("span", &[("id", "scenario")], &run.scenario).raw("</h1>");
    page.leaf("p", &[("class", "about")], &scenario.about);
    page.leaf("p", &[("class", "headline"), ("id", "headline")], &headline(run));
    circumstances(page, run);
    page.raw("<p class=\"label\">the same load and faults again</p>");
    block::command(page, &run.again);
    if run.interrupted {
        block::note(page, "The run was interrupted: the verdict is of what had been recorded until then.");
    }
    for note in &view.run.notes {
        block::note(page, note);
    }
    page.close("header");
    block::section(page, "contract", "Contract", &contract_in_words(view));
    properties(page, run);
    fates(page, run);
    marks(page, run);
    page.leaf("p", &[("class", "dim")], "Latency thresholds: none was set.");
    page.close("section");
}

pub(super) const fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "verdict pass",
        Verdict::Unknown => "verdict unknown",
        Verdict::Fail => "verdict fail",
    }
}

/// The run in a sentence.
pub(super) fn headline(run: &Summary) -> String {
    let acknowledged: u64 = run.fates.values().sum();
    let lost: u64 = Fate::ALL.into_iter().filter(|fate| fate.is_loss()).map(|fate| run.fate(fate)).sum();
    let writes = format!("{} acknowledged writes", grouped(acknowledged));
    let what = if acknowledged == 0 {
        "No write was acknowledged".to_owned()
    } else if lost == 0 {
        format!("None of {writes} was lost")
    } else {
        let kinds = Fate::ALL.into_iter().rev().filter(|&fate| fate.is_loss() && run.fate(fate) > 0);
        let kinds: Vec<String> =
            kinds.map(|fate| format!("{} {}", grouped(run.fate(fate)), fate.name())).collect();
        let verb = if lost == 1 { "was" } else { "were" };
        format!("{} of {writes} {verb} lost: {}", grouped(lost), kinds.join(", "))
    };
    let judged = match run.verdict {
        Verdict::Pass if lost > 0 => "The contract of this scenario allows that.",
        Verdict::Pass => "The contract holds.",
        Verdict::Unknown => "Too little was seen to say whether the contract holds.",
        Verdict::Fail => "The contract is violated.",
    };
    format!("{what}. {judged}")
}

fn circumstances(page: &mut Markup, run: &Summary) {
    let variant = if run.variant.is_empty() { String::new() } else { format!(" ({})", run.variant) };
    let facts = [
        ("strategy", format!("{}{variant}", run.strategy)),
        ("topology", format!("{} of {} leaders", run.topology, run.leaders)),
        ("system", run.system.clone()),
        ("seed", run.seed.to_string()),
        ("took", duration(run.seconds)),
        (
            "operations",
            format!(
                "{}: {} ok, {} failed, {} unknown",
                grouped(run.operations.total()),
                grouped(run.operations.ok),
                grouped(run.operations.fail),
                grouped(run.operations.info)
            ),
        ),
    ];
    page.raw("<dl class=\"facts\">");
    for (name, value) in &facts {
        page.raw("<div>").leaf("dt", &[], name).leaf("dd", &[], value).raw("</div>");
    }
    page.raw("</dl>");
}

fn contract_in_words(view: &View<'_>) -> String {
    let contract = &view.run.record.scenario.contract;
    let list = |findings: &[quarrel_workloads::verdict::Finding]| {
        findings.iter().map(|finding| finding.name()).collect::<Vec<_>>().join(", ")
    };
    let mut parts = vec!["What the strategy promises, and what the scenario says beside it".to_owned()];
    for (verb, findings) in
        [("allows", &contract.allow), ("forbids", &contract.forbid), ("must find", &contract.find)]
    {
        if !findings.is_empty() {
            parts.push(format!("{verb} {}", list(findings)));
        }
    }
    if parts.len() == 1 {
        parts.push("nothing more".to_owned());
    }
    let head = parts.remove(0);
    format!("{head}: it {}.", parts.join("; it "))
}

fn properties(page: &mut Markup, run: &Summary) {
    let row = |property: &Property| {
        let mut sign = Markup::default();
        block::verdict(&mut sign, property.verdict);
        vec![words(&property.name), Cell::Piece(sign), words(&property.detail)]
    };
    let is_told = |property: &&Property| property.notable || property.verdict != Verdict::Pass;
    let mut told: Vec<&Property> = run.properties.iter().filter(is_told).collect();
    told.sort_by_key(|property| std::cmp::Reverse(property.verdict));
    let rows: Vec<_> = told.into_iter().map(row).collect();
    block::table(page, "What was judged", &["property", "verdict", "why"], &rows);
    let quiet: Vec<_> = run.properties.iter().filter(|property| !is_told(property)).map(row).collect();
    if !quiet.is_empty() {
        let mut inner = Markup::default();
        block::table(&mut inner, "Looked for and not found", &["property", "verdict", "why"], &quiet);
        block::folded(page, &format!("{} more that hold: looked for and not found", quiet.len()), &inner);
    }
}

/// The fates as one bar, and as a table.
fn fates(page: &mut Markup, run: &Summary) {
    let all: u64 = run.fates.values().sum();
    if all == 0 {
        return;
    }
    let mut svg = chart::begin_bars(34.0, "The fates of all acknowledged writes as shares of one bar");
    let mut at = 0.0;
    for fate in Fate::ALL {
        let width = share(run.fate(fate), all) * chart::WIDTH;
        if width > 0.0 {
            let [x, wide] = [at, width.max(2.0)].map(px);
            let class = fate_class(fate);
            svg.open("rect", &[("x", &x), ("y", "4"), ("width", &wide), ("height", "26"), ("class", class)]);
            svg.leaf("title", &[], &format!("{fate}: {}", grouped(run.fate(fate)))).close("rect");
            at += width;
        }
    }
    svg.close("svg");
    block::figure(page, "What became of the acknowledged writes", &svg);
    let rows: Vec<Vec<Cell>> = Fate::ALL
        .into_iter()
        .filter(|&fate| run.fate(fate) > 0)
        .map(|fate| {
            let mut name = Markup::default();
            block::coloured_fate(&mut name, fate);
            vec![
                Cell::Piece(name),
                number(grouped(run.fate(fate))),
                number(format!("{:.2} %", 100.0 * share(run.fate(fate), all))),
                words(fate.meaning()),
            ]
        })
        .collect();
    page.raw("<div id=\"fates\">");
    block::table(page, "Fates of acknowledged writes", &["fate", "writes", "share", "meaning"], &rows);
    page.raw("</div>");
}

/// The class by which a fate is coloured.
pub(super) const fn fate_class(fate: Fate) -> &'static str {
    match fate {
        Fate::Visible => "fate visible",
        Fate::Merged => "fate merged",
        Fate::Superseded => "fate superseded",
        Fate::ConcurrentDiscard => "fate discard",
        Fate::RealTimeInversion => "fate real-time",
        Fate::SessionInversion => "fate session",
        Fate::CausalInversion => "fate causal",
        Fate::Vanished => "fate vanished",
        Fate::Stranded => "fate stranded",
        Fate::Partial => "fate partial",
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn marks(page: &mut Markup, run: &Summary) {
    let (hit, required) = run.marks_hit();
    let rows: Vec<Vec<Cell>> = run
        .marks
        .iter()
        .filter(|mark| mark.required || mark.count > 0)
        .map(|mark| {
            let mut sign = Markup::default();
            match (mark.required, mark.count > 0) {
                (_, true) => block::verdict(&mut sign, Verdict::Pass),
                (true, false) => block::verdict(&mut sign, Verdict::Unknown),
                (false, false) => {}
            }
            let needed = if mark.required { "required" } else { "also seen" };
            let name = words(&mark.name);
            vec![name, Cell::Piece(sign), number(grouped(mark.count)), words(needed), words(&mark.about)]
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    let caption = format!("Marks: situations that had to arise, {hit} of {required} did");
    block::table(page, &caption, &["mark", "", "times", "", "what it means"], &rows);
}
