//! The clever algorithms beside one that tries every order.

use super::{
    budget::Budget,
    object::{self, Judged, Timed},
    objects::{Mutex, Register, RegisterClass, RegisterStep, Registers},
    specification::{Specification, Step},
    text::{Text, TextClass},
    zones::Access,
};
use proptest::prelude::*;

/// Tries every order, by recursion over at most ten operations.
fn has_order(specification: &mut impl Specification, steps: &[Step], state: u32, taken: u32) -> bool {
    let open = |index: usize| taken & (1 << index) == 0;
    if (0..steps.len()).all(|index| !open(index) || steps[index].ret.is_none()) {
        return true;
    }
    let deadline = (0..steps.len()).filter(|&index| open(index)).filter_map(|index| steps[index].ret).min();
    (0..steps.len()).any(|index| {
        open(index)
            && deadline.is_none_or(|deadline| steps[index].call < deadline)
            && specification
                .step(state, steps[index].class)
                .is_some_and(|next| has_order(specification, steps, next, taken | 1 << index))
    })
}

fn agrees<C: Clone + Ord>(
    operations: &[Timed<C>],
    specification: &mut impl Specification,
    judged: &Judged,
) -> Result<(), TestCaseError> {
    let mut classes: Vec<&C> = operations.iter().map(|timed| &timed.class).collect();
    classes.sort();
    classes.dedup();
    let class = |timed: &Timed<C>| u32::try_from(classes.binary_search(&&timed.class).unwrap()).unwrap();
    let steps: Vec<Step> = operations
        .iter()
        .map(|timed| Step { class: class(timed), call: timed.call, ret: timed.ret })
        .collect();
    let initial = specification.initial();
    prop_assert_eq!(has_order(specification, &steps, initial, 0), *judged == Judged::Linearizable);
    let Judged::Contradiction { operations: witness, .. } = judged else { return Ok(()) };
    let relaxed = |kept: &[usize]| -> Vec<Step> {
        let strict = |index: usize| kept.contains(&index);
        (0..steps.len())
            .map(|index| Step { ret: steps[index].ret.filter(|_| strict(index)), ..steps[index] })
            .collect()
    };
    prop_assert!(!has_order(specification, &relaxed(witness), initial, 0), "a witness contradicts itself");
    for spared in 0..witness.len() {
        let mut fewer = witness.clone();
        fewer.remove(spared);
        prop_assert!(has_order(specification, &relaxed(&fewer), initial, 0), "none can be spared");
    }
    Ok(())
}

/// Classes with calls and returns: per process one operation after the other, each in at most two parts, shuffled.
fn timed<C: Clone + std::fmt::Debug>(
    class: impl Strategy<Value = C>,
    most: usize,
) -> impl Strategy<Value = Vec<Timed<C>>> {
    let operation = (class, 0_u32..40, 1_u32..16, prop::bool::weighted(0.15));
    prop::collection::vec(operation, 1..=most).prop_map(|drawn| {
        let mut events: Vec<(u32, usize, bool)> = Vec::new();
        for (index, (_, call, length, crashed)) in drawn.iter().enumerate() {
            events.push((*call, index, false));
            if !crashed {
                events.push((call + length, index, true));
            }
        }
        events.sort_unstable();
        let place = |index, is_return| {
            let found = events.iter().position(|&(_, of, kind)| (of, kind) == (index, is_return));
            found.map(|at| u32::try_from(at).unwrap())
        };
        let numbered = drawn.iter().enumerate();
        numbered
            .map(|(index, (class, ..))| Timed {
                class: class.clone(),
                call: place(index, false).unwrap(),
                ret: place(index, true),
            })
            .collect()
    })
}

fn distinct<C: Ord + Clone>(operations: &[Timed<C>]) -> Vec<C> {
    let mut classes: Vec<C> = operations.iter().map(|timed| timed.class.clone()).collect();
    classes.sort();
    classes.dedup();
    classes
}

fn register(operations: &[Timed<RegisterClass>]) -> Register {
    let narrow = |value| u32::try_from(value).unwrap();
    Register(distinct(operations).into_iter().map(|class| class.map(narrow)).collect())
}

fn register_class() -> impl Strategy<Value = RegisterClass> {
    prop_oneof![
        (0_u64..4).prop_map(RegisterClass::Read),
        (0_u64..4).prop_map(RegisterClass::Write),
        (0_u64..4, 0_u64..4).prop_map(|(from, to)| RegisterClass::CompareAndSet(from, to)),
        (0_u64..4).prop_map(RegisterClass::Mismatch),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_register_is_judged_as_by_trying_every_order(operations in timed(register_class(), 9)) {
        let judged = object::register_by_search(&operations, &mut Budget::until(&|| false));
        agrees(&operations, &mut register(&operations), &judged)?;
    }

    #[test]
    fn unique_values_are_judged_as_by_trying_every_order(
        operations in timed((0_u64..4, prop::bool::ANY), 9),
    ) {
        // The first write of a value stays, later ones become reads: all written values are unique.
        let mut written = vec![0];
        let operations: Vec<_> = operations.into_iter().map(|timed| {
            let (value, is_write) = timed.class;
            let class = if is_write && !written.contains(&value) {
                written.push(value);
                RegisterClass::Write(value)
            } else {
                RegisterClass::Read(value)
            };
            Timed { class, call: timed.call, ret: timed.ret }
        }).collect();
        // A read that never returned tells nothing.
        let tells = |timed: &Timed<RegisterClass>| timed.ret.is_some() || matches!(timed.class, RegisterClass::Write(_));
        let accesses = (0..).zip(&operations).filter(|(_, timed)| tells(timed));
        let mut accesses: Vec<Access> = accesses.filter_map(|(place, timed)| Access::of(place, timed)).collect();
        let judged = object::by_zones(&mut accesses).unwrap();
        let mut specification = register(&operations);
        let classes = distinct(&operations);
        let steps: Vec<Step> = operations.iter().map(|timed| Step {
            class: u32::try_from(classes.binary_search(&timed.class).unwrap()).unwrap(),
            call: timed.call,
            ret: timed.ret,
        }).collect();
        prop_assert_eq!(has_order(&mut specification, &steps, 0, 0), judged == Judged::Linearizable);
        if let Judged::Contradiction { operations: witness, .. } = judged {
            prop_assert!(witness.len() <= 4, "two values contradict each other by four operations at most");
        }
    }

    #[test]
    fn a_mutex_is_judged_as_by_trying_every_order(operations in timed(0_u32..2, 9)) {
        let judged = object::mutex(&operations, &mut Budget::until(&|| false));
        // Both classes exist, whether they are used or not.
        let steps: Vec<Step> = operations
            .iter()
            .map(|timed| Step { class: timed.class, call: timed.call, ret: timed.ret })
            .collect();
        prop_assert_eq!(has_order(&mut Mutex, &steps, 0, 0), judged == Judged::Linearizable);
    }

    #[test]
    fn a_text_is_judged_as_by_trying_every_order(
        operations in timed((0_u8..7, prop::sample::select(vec!["", "a", "b", "ab", "ba", "aab"])), 8),
    ) {
        let operations: Vec<_> = operations.into_iter().map(|timed| {
            let class = match timed.class {
                (0..3, text) => TextClass::Get(text),
                (3, text) => TextClass::Put(text),
                (_, text) => TextClass::Append(text),
            };
            Timed { class, call: timed.call, ret: timed.ret }
        }).collect();
        let judged = object::text(&operations, &mut Budget::until(&|| false));
        agrees(&operations, &mut Text::new(distinct(&operations)), &judged)?;
    }

    #[test]
    fn several_registers_are_judged_as_by_trying_every_order(
        operations in timed(prop::collection::vec((0_u32..2, 0_u32..3, prop::bool::ANY), 1..3), 8),
    ) {
        let operations: Vec<_> = operations.into_iter().map(|timed| {
            let class: Vec<RegisterStep> = timed.class.iter().map(|&(register, value, is_write)| {
                if is_write { RegisterStep::Write(register, value) } else { RegisterStep::Read(register, value) }
            }).collect();
            Timed { class, call: timed.call, ret: timed.ret }
        }).collect();
        let judged = object::registers(&operations, vec![0, 0], &mut Budget::until(&|| false));
        agrees(&operations, &mut Registers::new(distinct(&operations), vec![0, 0]), &judged)?;
    }
}

/// Many histories where the build is fast, fewer where it is not.
const fn cases() -> u32 {
    if cfg!(debug_assertions) { 400 } else { 20_000 }
}
