use super::*;
use quarrel_models::handler::rhai::load_once;
use std::time::Duration;

/// Debug builds look into smaller worlds where clients also take away what they wrote: those of three writes are
/// looked into by a release build, as `quarrel handler check` does it.
fn writes(text: &str) -> u8 {
    if is_large(text) { 2 } else { 3 }
}

fn is_large(text: &str) -> bool {
    cfg!(debug_assertions) && ["\"cart\"", "\"calendar\""].iter().any(|workload| text.contains(workload))
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
fn the_calendar_keeps_every_law_and_holds_in_a_small_cluster() {
    let handler = load_once("calendar.rhai", Template::Calendar.text(), None).unwrap();
    let Handler::Script(script) = handler else { panic!("a script") };
    let mut plan = Plan { seeds: 0, ..plan(2) };
    plan.size.leaders = 2;
    let report = try_handler(handler, script, &plan).unwrap();
    assert_eq!(broken_laws(&report), Vec::<&str>::new(), "{:?}", report.laws);
    assert_eq!(violated(&report), Vec::<&str>::new());
    assert_eq!(report.open(), Vec::<String>::new());
}

#[test]
fn the_text_passes_everything() {
    passes(Template::Text);
}

/// A handler in clusters of two leaders and three writes: the least that shows what is wrong with it.
fn in_small(name: &str, text: &str) -> Report {
    let handler = load_once(name, text, None).unwrap();
    let Handler::Script(script) = handler else { panic!("a script") };
    let mut plan = plan(3);
    plan.size.leaders = 2;
    plan.seeds = 0;
    try_handler(handler, script, &plan).unwrap()
}

const UNION: &str = "fn merge(left, right) {\n  if left == () { return right; }\n  if right == () { return left; }\n  union(left, right)\n}";

#[test]
fn a_union_in_place_keeps_every_law_and_diverges_in_the_cluster() {
    let text =
        format!("const NAME = \"in-place\"; const SITE = \"in-place\"; const WORKLOAD = \"cart\";\n{UNION}");
    let report = in_small("in-place.rhai", &text);
    assert!(report.is_lawful(), "{:?}", report.laws);
    assert!(violated(&report).contains(&"converged"), "{:?}", violated(&report));
    let trace = report.cluster.trace.unwrap();
    assert_eq!(trace.property, "converged");
    insta::assert_snapshot!(trace.told);
}

#[test]
fn a_cart_that_unites_keeps_every_law_and_resurrects_what_was_removed() {
    let text = format!("const NAME = \"old-cart\"; const WORKLOAD = \"cart\";\n{UNION}");
    let report = in_small("old-cart.rhai", &text);
    assert!(report.is_lawful(), "{:?}", report.laws);
    assert_eq!(violated(&report), ["no-resurrection"]);
    insta::assert_snapshot!(report.cluster.trace.unwrap().told);
}

#[test]
fn a_greatest_value_keeps_every_law_and_loses_an_acknowledged_write() {
    let text = "const NAME = \"greatest\"; const WORKLOAD = \"counter\";\nfn merge(left, right) {\n  \
                if left == () { return right; }\n  if right == () { return left; }\n  \
                if left > right { left } else { right }\n}";
    let report = in_small("greatest.rhai", text);
    assert!(report.is_lawful(), "{:?}", report.laws);
    assert!(violated(&report).contains(&"no-counter-drift"), "{:?}", violated(&report));
    insta::assert_snapshot!(report.cluster.trace.unwrap().told);
}

#[test]
fn a_broken_law_is_shown_with_the_smallest_inputs() {
    let first = "const NAME = \"first\"; const WORKLOAD = \"set\";\nfn merge(left, right) { left }";
    let report = in_small("first.rhai", first);
    assert_eq!(broken_laws(&report), ["commutative", "inflationary"]);
    let commutative = report.laws.iter().find(|finding| finding.law == Law::Commutative).unwrap();
    let broken = commutative.broken.as_ref().unwrap();
    assert_eq!(broken.came_out, ["merge(a, b) = ()", "merge(b, a) = #{1}"]);

    let growing = "const NAME = \"growing\"; const WORKLOAD = \"text\";\nfn merge(left, right) { (left ?? []) + (right ?? []) }";
    assert!(broken_laws(&in_small("growing.rhai", growing)).contains(&"bounded"));
    let failing = "const NAME = \"failing\"; const WORKLOAD = \"set\";\nfn merge(left, right) { if left == right { left } else { 7 } }";
    assert!(broken_laws(&in_small("failing.rhai", failing)).contains(&"total"));
}

#[test]
fn a_handler_that_is_fine_alone_breaks_beside_an_old_version_of_itself() {
    let old = "const NAME = \"my-set\"; const WORKLOAD = \"set\";\nfn merge(left, right) { left ?? right }";
    let old = load_once("set-v1.rhai", old, None).unwrap();
    let handler = load_once("set-v2.rhai", Template::Set.text(), None).unwrap();
    let Handler::Script(script) = handler else { panic!("a script") };
    let mut plan = Plan { old: Some(old), seeds: 0, ..plan(2) };
    plan.size.leaders = 2;
    let report = try_handler(handler, script, &plan).unwrap();
    assert!(report.is_lawful() && !report.cluster.is_broken());
    assert!(report.mixed.as_ref().is_some_and(ClusterReport::is_broken), "the old version drops a side");
    assert!(!report.is_sound());
}
