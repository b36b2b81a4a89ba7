//! `set-full` beside a twin that looks at every element in every read, as Jepsen's rules are written.

use crate::jepsen::{check_as, history};
use proptest::prelude::*;
use quarrel_workloads::history::recorded::{Function, Recorded};

/// How many elements are lost, stable and never read.
fn twin(history: &Recorded) -> [u64; 3] {
    let [mut lost, mut stable, mut never] = [0; 3];
    let answered =
        |function| history.operations.iter().filter(move |op| op.function == function && op.is_ok());
    for add in history.operations.iter().filter(|op| op.function == Function::ADD) {
        let has = |output| history.values.as_items(output).unwrap_or_default().contains(&add.input);
        // Only reads that were answered after the addition began can tell.
        let reads: Vec<_> = answered(Function::READ).filter(|read| read.completed > add.invoked).collect();
        let present = reads.iter().filter(|read| has(read.output)).map(|read| read.invoked).max();
        let absent = reads.iter().filter(|read| !has(read.output)).map(|read| read.invoked).max();
        let seen = reads.iter().filter(|read| has(read.output)).map(|read| read.completed).min();
        let known = add.is_ok().then_some(add.completed).into_iter().chain(seen).min();
        if present > absent {
            stable += 1;
        } else if absent > present && known.is_some_and(|known| Some(known) < absent) {
            lost += 1;
        } else {
            never += 1;
        }
    }
    [lost, stable, never]
}

/// Two processes add, three read; a read shows each element or not, as a bit says.
fn events() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec((0..5_usize, any::<u8>(), any::<u16>()), 1..40).prop_map(|steps| {
        let mut open: [Option<usize>; 5] = [None; 5];
        let (mut added, mut lines) = (0, Vec::new());
        for (process, how, shown) in steps {
            let is_add = process < 2;
            let f = if is_add { "add" } else { "read" };
            let Some(element) = open[process].take() else {
                open[process] = Some(added);
                let input = if is_add { added.to_string() } else { "nil".to_owned() };
                added += usize::from(is_add);
                lines.push(format!("{process} invoke {f} {input}"));
                continue;
            };
            let kind = ["ok", "ok", "ok", "info", "fail"][usize::from(how % 5)];
            // Mostly all of them: then something can be stable.
            let bits = if how % 2 == 0 { shown | shown << 3 | shown >> 5 } else { shown };
            let there: Vec<String> =
                (0..added).filter(|n| bits >> (n % 16) & 1 == 1).map(|n| n.to_string()).collect();
            let output = if is_add { element.to_string() } else { format!("[{}]", there.join(" ")) };
            lines.push(format!("{process} {kind} {f} {output}"));
        }
        lines
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 2_000 } else { 40_000 }))]

    #[test]
    fn set_full_is_what_its_rules_say(lines in events()) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let history = history(&lines);
        let findings = check_as("set-full", None, &history);
        let lost = findings.anomalies.iter().find(|found| found.kind == "lost-element").map_or(0, |found| found.count);
        let figure = |name: &str| u64::try_from(findings.figures[name]).unwrap_or(0);
        prop_assert_eq!([lost, figure("stable"), figure("never read")], twin(&history));
    }
}
