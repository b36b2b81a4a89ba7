//! Transactions: which anomalies a history shows, and whether a consistency model allows them.
//!
//! From what transactions read and wrote follows who must come before whom. Who would have to come before himself
//! shows an anomaly; its kinds follow Adya, and the inference follows Elle (Kingsbury and Alvaro, "Elle: Inferring
//! isolation anomalies from experimental observations", 2020).

mod anomaly;
mod cycles;
mod dependencies;
mod explain;
mod graph;
mod list_append;
mod model;
mod order;
mod picture;
mod rw_register;
mod transaction;

pub use picture::cycle_svg;

use super::standalone::{Findings, FoundAnomaly, Options, StandaloneChecker, Unfit};
use crate::history::recorded::{Outcome, Recorded};
use anomaly::{Direct, Order};
use dependencies::Dependencies;
use model::{Level, Model};
use rw_register::Inference;
use std::collections::BTreeMap;
use transaction::{Transactions, Writes};

/// Judges transactions that append to lists and read them.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListAppend;

/// Judges transactions that write registers and read them.
#[derive(Debug, Clone, Copy, Default)]
pub struct RwRegister;

impl StandaloneChecker for ListAppend {
    fn name(&self) -> &'static str {
        "list-append"
    }

    fn about(&self) -> &'static str {
        "transactions that append to lists and read them keep a consistency model"
    }

    fn models(&self) -> &'static [&'static str] {
        model::NAMES
    }

    fn check(&self, history: &Recorded, options: &Options<'_>) -> Result<Findings, Unfit> {
        let model = chosen(options.model)?;
        let transactions = Transactions::read(history, Writes::Append)?;
        judge(&transactions, Writes::Append, model, list_append::infer(&transactions)?)
    }
}

impl StandaloneChecker for RwRegister {
    fn name(&self) -> &'static str {
        "rw-register"
    }

    fn about(&self) -> &'static str {
        "transactions that write registers and read them keep a consistency model"
    }

    fn models(&self) -> &'static [&'static str] {
        model::NAMES
    }

    fn check(&self, history: &Recorded, options: &Options<'_>) -> Result<Findings, Unfit> {
        let model = chosen(options.model)?;
        let transactions = Transactions::read(history, Writes::Register)?;
        // Below read-committed a write may well stand under what its transaction read.
        let inference = Inference { writes_follow_reads: model.level != Level::ReadUncommitted };
        judge(&transactions, Writes::Register, model, rw_register::infer(&transactions, inference)?)
    }
}

fn chosen(name: Option<&str>) -> Result<Model, Unfit> {
    let name = name.unwrap_or(model::NAMES[0]);
    Model::find(name).ok_or_else(|| Unfit {
        event: None,
        what: format!("the consistency model `{name}` is unknown"),
        expected: format!("expected one of {}", model::NAMES.join(", ")),
    })
}

fn judge(
    transactions: &Transactions<'_>,
    writes: Writes,
    model: Model,
    mut dependencies: Dependencies,
) -> Result<Findings, Unfit> {
    let history = transactions.history;
    if history.bare && model.order == Order::Realtime {
        return Err(Unfit {
            event: None,
            what: format!(
                "the history has completions only, and {} promises the order of real time",
                model.name
            ),
            expected: "write down invocations too, or choose a model without real time by --model".to_owned(),
        });
    }
    let mut findings = Findings::default();
    match model.order {
        Order::None => {}
        Order::Process => order::process(transactions, &mut dependencies),
        Order::Realtime => order::realtime(transactions, &mut dependencies),
    }
    let nothing_inferred = dependencies.is_empty();
    let mut direct = std::mem::take(&mut dependencies.anomalies);
    if writes == Writes::Register
        && let Some(unwritten) = direct.remove(&Direct::UnwrittenRead)
    {
        // A register may have been written before the recording began; a list would show that at its beginning.
        let why = unwritten.witnesses.first().map_or("", |witness| &witness.why);
        findings.notes.push(format!("{} reads tell nothing: the first, {why}", unwritten.count));
    }
    for kind in Direct::ALL {
        if let Some(anomaly) = direct.remove(&kind).filter(|_| model.forbids(kind)) {
            findings.fail(anomaly);
        }
    }
    let mut cycles: BTreeMap<_, FoundAnomaly> = BTreeMap::new();
    for cycle in cycles::search(&dependencies.graph(), model) {
        let kind = (cycle.order, cycle.shape);
        let anomaly =
            cycles.entry(kind).or_insert_with(|| FoundAnomaly::new(anomaly::name(cycle.shape, cycle.order)));
        anomaly.add(|| explain::witness(transactions, writes, &cycle));
        if anomaly.relations.len() < anomaly.witnesses.len() {
            anomaly.relations.push(explain::relations(&cycle));
        }
    }
    cycles.into_values().for_each(|anomaly| findings.fail(anomaly));
    if nothing_inferred && findings.anomalies.is_empty() {
        findings.unknown(
            "no transaction read what another one wrote, or overwrote what it read: nothing was tested",
        );
    }
    findings.figure("transactions", transactions.all.len());
    findings.figure("acknowledged", transactions.with(Outcome::Ok).count());
    Ok(findings)
}
