use super::*;
use quarrel_models::handler::rhai::load_once;
use std::time::Duration;

/// Debug builds look into smaller worlds where clients also take away what they wrote: those of three writes are
/// looked into by a release build, as `quarrel handler check` does it.
fn writes(text: &str) -> u8 {
    let erases = ["\"cart\"", "\"calendar\""].iter().any(|workload| text.contains(workload));
    if cfg!(debug_assertions) && erases { 2 } else { 3 }
}

fn plan(writes: u8) -> Plan {
    Plan {
        samples: Vec::new(),
        size: Size { leaders: 3, writes, time: Duration::from_secs(120) },
        seeds: 3,
        old: None,
    }
}

fn report(name: &str, text: &str) -> Report {
    let handler = load_once(name, text, None).unwrap();
    let Handler::Script(script) = handler else { panic!("a script") };
    try_handler(handler, script, &plan(writes(text))).unwrap()
}

fn broken_laws(report: &Report) -> Vec<&'static str> {
    report.laws.iter().filter(|finding| finding.broken.is_some()).map(|finding| finding.law.name()).collect()
}

fn violated(report: &Report) -> Vec<&str> {
    let mut names: Vec<&str> = report
        .cluster
        .cells
        .iter()
        .filter(|cell| cell.verdict == "violated")
        .map(|cell| cell.property.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn passes(template: Template) {
    let report = report(template.name(), template.text());
    assert_eq!(broken_laws(&report), Vec::<&str>::new(), "{template:?}: {:?}", report.laws);
    assert_eq!(
        violated(&report),
        Vec::<&str>::new(),
        "{template:?}: {:?}",
        report.cluster.trace.as_ref().map(|trace| &trace.told)
    );
    assert_eq!(report.seeds.failed, 0, "{template:?}: {:?}", report.seeds);
    assert_eq!(report.open(), Vec::<String>::new(), "{template:?}");
}

#[test]
fn the_counter_passes_everything() {
    passes(Template::Counter);
}

#[test]
fn the_set_passes_everything() {
    passes(Template::Set);
}

#[test]
fn the_cart_passes_everything() {
    passes(Template::Cart);
}

#[test]
fn the_calendar_passes_everything() {
    passes(Template::Calendar);
}

#[test]
fn the_text_passes_everything() {
    passes(Template::Text);
}
