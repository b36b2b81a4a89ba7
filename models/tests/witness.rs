//! Witnesses: every path of the model is one, reads back as it was written, and leads back to the path.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod witness {
    pub(crate) mod worlds;
}

use proptest::prelude::*;
use quarrel_models::{
    check::{Action, Limits, Verdict, World, check, fates, found, path, witness},
    id::ReplicaId,
    witness::{ReplicaEnd, Witness, lay_out, narrate, play},
};
use std::{fs, path::PathBuf};
use witness::worlds::{shortest, worlds};

fn json(witness: &Witness) -> String {
    lay_out(&serde_json::to_string(witness).unwrap())
}

fn read(json: &str) -> Result<Witness, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// Where the actions lead.
fn walk(world: &World, path: &[Action]) -> quarrel_models::check::State {
    path.iter().fold(world.initial(), |state, &action| world.next(&state, action))
}

/// A path that takes of the enabled actions those that the numbers say.
fn any_path(world: &World, choices: &[u8]) -> Vec<Action> {
    let mut state = world.initial();
    let mut path = Vec::new();
    for &choice in choices {
        let mut actions = Vec::new();
        world.actions(&state, &mut actions);
        if actions.is_empty() {
            break;
        }
        let action = actions[usize::from(choice) % actions.len()];
        path.push(action);
        state = world.next(&state, action);
    }
    path
}

/// What holds of the witness of any path.
fn is_faithful(world: &World, actions: &[Action]) {
    let witness = witness(world, actions, found(world, "nothing"));
    let again = read(&json(&witness)).unwrap();
    assert_eq!(again, witness);
    assert_eq!(path(world, &again).unwrap(), actions);
    // The clocks and stamps too are those of the model.
    let state = walk(world, actions);
    let end = witness.end.as_ref().unwrap();
    for (&replica, end) in &end.replicas {
        assert_eq!(end.phase, world.phase(&state, replica).into());
        assert_eq!(end.offset_us, i64::from(world.offset_ms(&state, replica)) * 1000);
        assert_versions(world, &state, replica, end);
    }
    let told: Vec<_> =
        fates(world, &state).into_iter().map(|(slot, fate)| (world.write_of(slot), fate)).collect();
    if state.is_quiescent() {
        assert_eq!(end.fates.iter().map(|(&write, end)| (write, end.fate)).collect::<Vec<_>>(), told);
    }
}

fn assert_versions(
    world: &World,
    state: &quarrel_models::check::State,
    replica: ReplicaId,
    end: &ReplicaEnd,
) {
    let held = world.replica(state, replica);
    let model: Vec<_> = held.cells().flat_map(|(_, cell)| &cell.versions).map(|v| (v.dot, v.stamp)).collect();
    let played: Vec<_> =
        end.records.values().flat_map(|record| &record.versions).map(|v| (v.dot, v.stamp)).collect();
    assert_eq!(model, played);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn the_witness_of_any_path_reads_back_and_leads_back(
        index in 0..worlds().len(),
        choices in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let (_, world) = &worlds()[index];
        is_faithful(world, &any_path(world, &choices));
    }
}

#[test]
fn the_shortest_witnesses_are_faithful() {
    for (_, world, property) in shortest() {
        let Verdict::Violated { path, .. } = check(&world, property, Limits::default()) else {
            panic!("{property} holds")
        };
        is_faithful(&world, &path);
    }
}

fn golden() -> (World, Witness) {
    let (_, world, property) =
        shortest().into_iter().find(|(name, ..)| *name == "the older write wins under skew").unwrap();
    let Verdict::Violated { path, .. } = check(&world, property, Limits::default()) else {
        panic!("{property} holds")
    };
    let witness = witness(&world, &path, found(&world, property.name()));
    (world, witness)
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/witness").join(name)
}

#[test]
fn a_witness_is_written_as_it_always_was() {
    let (_, witness) = golden();
    let json = json(&witness);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(file("causal-inversion.json"), &json).unwrap();
    }
    assert_eq!(fs::read_to_string(file("causal-inversion.json")).unwrap(), json);
}

#[test]
fn a_witness_written_by_hand_says_only_what_happens() {
    let (world, witness) = golden();
    let hand = read(&fs::read_to_string(file("by-hand.json")).unwrap()).unwrap();
    assert_eq!(path(&world, &hand).unwrap(), path(&world, &witness).unwrap());
    assert_eq!(play(&hand).unwrap().replicas, witness.end.unwrap().replicas);
}

/// A change of the text of the witness written by hand, and what the reader or the player then says.
#[test]
fn an_error_names_the_step_and_what_is_wrong() {
    let text = fs::read_to_string(file("by-hand.json")).unwrap();
    let (world, _) = golden();
    let facts = [
        ("\"v\": 1", "\"v\": 2", "the witness has format version 2, and this build reads version 1"),
        (
            "\"quarrel\": \"witness\"",
            "\"quarrel\": \"history\"",
            "unknown variant `history`, expected `witness`",
        ),
        ("\"workload\"", "\"wrkload\"", "unknown field `wrkload`"),
        (
            "{\"deliver\": {\"link\": \"A>B\"}}",
            "{\"delivr\": {\"link\": \"A>B\"}}",
            "step 2: unknown variant `delivr`",
        ),
        ("{\"link\": \"A>B\"}", "{\"link\": \"A>B\", \"n\": 1}", "step 2: unknown field `n`"),
        (
            "{\"offset\": {\"us\": -10000}}",
            "{\"offset\": {\"us\": -10000, \"ms\": 1}}",
            "step 4: unknown field `ms`",
        ),
        ("{\"link\": \"A>B\"}", "{\"link\": \"A-B\"}", "step 2: `A-B` is not a directed link, such as `A>B`"),
        ("{\"link\": \"A>B\"}", "{\"link\": \"B>C\"}", "step 2: link B>C has nothing to deliver"),
        ("{\"link\": \"A>B\"}", "{\"link\": \"B>A\"}", "step 2: the cluster has no link B>A"),
        (
            "{\"link\": \"A>B\"}",
            "{\"link\": \"A>B\", \"message\": {\"entries\": [\"A:2\"]}}",
            "step 2: link A>B does not carry entries A:2; under way are: entries A:1",
        ),
        ("\"client\": \"c0\"", "\"client\": \"c7\"", "step 1: there is no client c7"),
        ("\"do\": {\"begin\"", "\"step\": 3, \"do\": {\"begin\"", "step 1: it says that it is step 3"),
        (
            "\"do\": {\"begin\"",
            "\"at_us\": -5, \"do\": {\"begin\"",
            "step 1: the true time goes back from 1000000 us",
        ),
        (
            "\"do\": {\"begin\"",
            "\"digests\": {\"A\": \"12\"}, \"do\": {\"begin\"",
            "step 1: A has digest 999ad95c1ff22c2a after this step, and the witness says 0000000000000012",
        ),
        ("-10000", "-20000", "step 4: the bounds of the model do not allow this here: "),
        ("\"leaders\": 3", "\"leaders\": 0", "the cluster of the witness cannot work"),
    ];
    for (good, bad, expected) in facts {
        assert!(text.contains(good), "{good} is not in the file");
        let said = match read(&text.replacen(good, bad, 1)) {
            Err(error) => error,
            Ok(witness) => path(&world, &witness).unwrap_err().to_string(),
        };
        assert!(said.contains(expected), "{bad}: {said}");
    }
}

#[test]
fn a_witness_is_told_in_sentences() {
    let mut told = String::new();
    for (name, world, property) in shortest() {
        let Verdict::Violated { path, .. } = check(&world, property, Limits::default()) else {
            panic!("{property} holds")
        };
        let witness = witness(&world, &path, found(&world, property.name()));
        let within = witness.found.within.as_deref().unwrap_or_default();
        told += &format!("{name}\n({property}; {within})\n\n{}\n", narrate(&witness).unwrap());
    }
    insta::assert_snapshot!(told);
}
