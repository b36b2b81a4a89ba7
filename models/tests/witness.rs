//! Witnesses: every path of the model is one, reads back as it was written, and leads back to the path.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod witness {
    pub(crate) mod worlds;
}

use proptest::prelude::*;
use quarrel_models::{
    check::{Action, Limits, Verdict, World, check, fates, found, path, witness},
    diagram::{scene, svg},
    id::ReplicaId,
    witness::{ReplicaEnd, Step, Witness, lay_out, narrate, play},
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

#[test]
fn a_witness_that_ends_otherwise_than_it_says_is_refused() {
    let (world, witness) = golden();
    let text = json(&witness);
    let facts = [
        (
            "\"phase\": \"live\"",
            "\"phase\": \"down\"",
            "at the end replica A is live, and the witness says down",
        ),
        (
            "\"offset_us\": -10000",
            "\"offset_us\": -9000",
            "at the end the clock of A, beside the true time, is -10000 us, and the witness says -9000 us",
        ),
        (
            "\"records\": {\"k\": {\"value\": 0",
            "\"records\": {\"k\": {\"value\": 1",
            "at the end record k at A is 0 (c0.1 0 at A:1, 1000000 us), and the witness says 1 (c0.1 0 at A:1, 1000000 us)",
        ),
        (
            "{\"fate\": \"causal-inversion\", \"winner\": \"c0.1\"}",
            "{\"fate\": \"vanished\"}",
            "at the end the fate of c0.2 is causal-inversion, c0.1 won, and the witness says vanished",
        ),
    ];
    for (good, bad, expected) in facts {
        assert!(text.contains(good), "{good} is not in the file");
        let changed = read(&text.replacen(good, bad, 1)).unwrap();
        assert_eq!(path(&world, &changed).unwrap_err().to_string(), expected);
    }
}

fn drawn(name: &str) -> String {
    let (_, world, property) = shortest().into_iter().find(|(known, ..)| *known == name).unwrap();
    let Verdict::Violated { path, .. } = check(&world, property, Limits::default()) else {
        panic!("{property} holds")
    };
    svg(&scene(&witness(&world, &path, found(&world, property.name()))).unwrap())
}

#[test]
fn a_diagram_is_drawn_as_it_always_was() {
    for (file, name) in [
        ("skew", "the older write wins under skew"),
        ("half_a_broadcast", "half a broadcast"),
        ("left_behind", "a request left behind"),
        ("drained", "the old home goes on"),
    ] {
        insta::assert_snapshot!(format!("diagram_{file}"), drawn(name));
    }
}

/// A text of a drawing: its left, top, right and bottom, pixels.
type Box4 = (i64, i64, i64, i64);

/// The texts of a drawing, and its size.
fn texts(svg: &str) -> (Vec<(String, Box4)>, Box4) {
    let number = |line: &str, name: &str| -> i64 {
        line.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
    };
    let head = svg.lines().next().unwrap();
    let size = (0, 0, number(head, "width"), number(head, "height"));
    let of = |part: &str| {
        let (attributes, rest) = part.split_once('>').unwrap();
        let attributes = format!(" {attributes}");
        let (x, y) = (number(&attributes, "x"), number(&attributes, "y"));
        let text = rest.split("</text>").next().unwrap().replace("&gt;", ">").replace("&#39;", "'");
        // The widest of the faces that are asked for is 0.605 em wide; the title is larger.
        let em = if attributes.contains("\"title\"") { 14 } else { 12 };
        let width = i64::try_from(text.chars().count()).unwrap() * em * 605 / 1000;
        let left = match () {
            () if attributes.contains("\"name\"") => x - width / 2,
            () if attributes.contains("\"number\"") => x - width,
            () => x,
        };
        (text, (left, y - em * 3 / 4, left + width, y + em / 4))
    };
    (svg.split("<text ").skip(1).map(|part| of(&format!("{part} "))).collect(), size)
}

fn assert_legible(svg: &str) {
    let (texts, size) = texts(svg);
    for (n, (text, a)) in texts.iter().enumerate() {
        assert!(a.0 >= 0 && a.1 >= 0 && a.2 <= size.2 && a.3 <= size.3, "`{text}` leaves the picture: {a:?}");
        for (other, b) in &texts[n + 1..] {
            let apart = a.2 <= b.0 || b.2 <= a.0 || a.3 <= b.1 || b.3 <= a.1;
            assert!(apart, "`{text}` at {a:?} covers `{other}` at {b:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn no_two_labels_of_a_diagram_overlap_and_all_are_inside(
        index in 0..worlds().len(),
        choices in prop::collection::vec(any::<u8>(), 0..25),
    ) {
        let (name, world) = &worlds()[index];
        let path = any_path(world, &choices);
        let scene = scene(&witness(world, &path, found(world, *name))).unwrap();
        let drawing = svg(&scene);
        assert_legible(&drawing);
        prop_assert_eq!(svg(&scene), drawing);
    }
}

#[test]
fn a_dead_replica_takes_no_request() {
    let hand = read(&fs::read_to_string(file("every-fault.json")).unwrap()).unwrap();
    let error = play(&hand).unwrap_err();
    assert_eq!(error.to_string(), "step 16: B does not run");
}

#[test]
fn every_fault_is_told_and_drawn() {
    let mut hand = read(&fs::read_to_string(file("every-fault.json")).unwrap()).unwrap();
    hand.steps.pop();
    let more = r#"[
        {"do": {"fault": {"clock": ["C", "reset"]}}},
        {"do": {"fault": {"restart": "B"}}},
        {"do": {"collect": {"replica": "B"}}},
        {"do": {"fault": {"pause": "C"}}},
        {"do": {"fault": {"resume": "C"}}},
        {"do": {"deliver": {"link": "B>C"}}},
        {"do": {"forget": {"replica": "C"}}},
        {"at_us": 9000000, "do": {"tick": {"replica": "A"}}},
        {"do": {"reconnect": {"link": "A>D"}}},
        {"do": {"begin": {"client": "c1", "key": "k", "operation": {"put": "z"}, "at_once": true}}},
        {"do": {"lose-tail": {"replica": "B", "records": 1}}},
        {"do": {"lose": {"replica": "C"}}},
        {"do": {"begin": {"client": "c0", "key": "k", "operation": {"put": "y"}}}},
        {"do": {"give-up": {"client": "c0"}}}
    ]"#;
    let more: Vec<Step> = serde_json::from_str(more).unwrap();
    hand.steps.extend(more);
    insta::assert_snapshot!("every_fault_told", narrate(&hand).unwrap());
    let drawing = svg(&scene(&hand).unwrap());
    assert_legible(&drawing);
    insta::assert_snapshot!("every_fault_drawn", drawing);
}
