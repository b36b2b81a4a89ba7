//! Errors as their readers see them, shipped scenarios, and the resolved form.

use super::*;

fn error_of(text: &str) -> String {
    match parse("bad.toml", text, TEST_MARKS) {
        Ok(scenario) => panic!("nothing wrong was found in {scenario:?}"),
        Err(error) => error.to_string(),
    }
}

/// A scenario that is fine but for what is added.
fn with(addition: &str) -> String {
    format!("name = \"bad\"\n[strategy.lww]\n[workload.register]\n{addition}\n")
}

macro_rules! bad {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
                insta::assert_snapshot!(stringify!($name), error_of(&$text));
            });
        }
    )*};
}

bad! {
    a_misspelt_key: with("[cluster]\ntopolgy = \"ring\"");
    a_misspelt_topology: with("[cluster]\ntopology = \"rign\"");
    a_key_that_is_not_like_any: with("[clients]\ncolour = 3");
    a_missing_strategy: "name = \"x\"\n[workload.register]\n";
    two_strategies: "name = \"x\"\n[strategy.lww]\n[strategy.arrival]\n[workload.register]\n";
    a_strategy_as_a_text: "name = \"x\"\nstrategy = \"lww\"\n[workload.register]\n";
    an_unknown_strategy: "name = \"x\"\n[strategy.lw]\n[workload.register]\n";
    a_missing_handler: "name = \"x\"\n[strategy.on-write]\n[workload.set]\n";
    no_workload_in_the_table: "name = \"x\"\n[strategy.lww]\n[workload]\n";
    an_unreadable_link: with("[nemesis.partition]\nshape = \"links\"\nlinks = [\"A-B\"]\nat = [\"1s\"]\nfor = \"1s\"");
    a_negative_number: with("[clients]\ncount = -3");
    an_unfinished_table: with("[clients");
    a_syntax_error: "name = smoke\n";
    a_length_of_time_without_a_unit: with("[phases]\nstorm = 8");
    a_name_with_capitals: "name = \"My Scenario\"\n[strategy.lww]\n[workload.register]\n";
    a_graph_with_a_pair_without_a_path:
        with("[cluster]\nleaders = 3\ntopology = { custom = [\"A>B\", \"B>A\", \"B>C\"] }");
    a_graph_without_its_name: with("[cluster]\ntopology = [\"A>B\", \"B>A\"]");
    a_graph_without_its_links: with("[cluster]\ntopology = \"custom\"");
    a_ring_without_relay: with("[cluster]\ntopology = \"ring\"\npropagation = \"direct\"");
    a_fault_that_never_happens: with("[nemesis.kill]\ndown = \"1s\"");
    a_fault_with_both_times:
        with("[nemesis.pause]\nat = [\"1s\"]\nevery = \"2s\"\nfor = \"1s\"");
    a_fault_after_the_storm: with("[nemesis.offline]\nat = [\"1s\", \"30s\"]\nfor = \"1s\"");
    a_link_that_the_graph_does_not_have:
        with("[cluster]\ntopology = \"ring\"\n[[nemesis.partition]]\nat = [\"1s\"]\nfor = \"1s\"\n\
              [[nemesis.partition]]\nshape = \"links\"\nlinks = [\"A>B\", \"A>C\"]\nat = [\"1s\"]\nfor = \"1s\"");
    a_replica_that_does_not_exist: with("[nemesis.kill]\nreplica = \"F\"\nat = [\"1s\"]\ndown = \"1s\"");
    a_clock_of_a_follower:
        with("[cluster]\nfollowers = [{ of = [\"A\"] }]\n[nemesis.clock]\nreplica = \"D\"\nby = \"1s\"");
    a_priority_of_strangers:
        "name = \"x\"\n[strategy.leader-priority]\norder = [\"C\", \"E\", \"C\"]\n[workload.register]\n";
    a_data_type_that_does_not_fit:
        "name = \"x\"\n[strategy.crdt]\ntype = \"or-set\"\n[workload.counter]\n";
    a_calendar_without_a_data_type:
        "name = \"x\"\n[strategy.crdt]\ntype = \"or-set\"\n[workload.calendar]\n";
    a_deletion_that_wins_nothing:
        "name = \"x\"\n[strategy.most-updates]\ndetection = \"none\"\nrows = { deletes = \"delete-wins\" }\n[workload.register]\n";
    an_arrival_that_detects: "name = \"x\"\n[strategy.arrival.rows]\ndeletes = \"delete-wins\"\n[workload.register]\n";
    rows_of_a_merge: "name = \"x\"\n[strategy.on-write]\nhandler = \"latest\"\n[strategy.on-write.rows]\ndeletes = \"hard\"\n[workload.register]\n";
    a_handler_that_does_not_fit: "name = \"x\"\n[strategy.on-write]\nhandler = \"delta\"\n[workload.register]\n";
    a_reader_that_adds_changes: "name = \"x\"\n[strategy.on-read]\nhandler = \"delta\"\n[workload.counter]\n";
    several_mistakes_at_once: with("[clients]\ncount = 0\nrate = -1\n[cluster.link]\nloss_ppm = 2000000");
    a_contract_against_itself:
        with("[contract]\nfind = [\"vanished\"]\nforbid = [\"vanished\"]\nmarks = [\"partitoin\"]");
    an_unknown_finding: with("[contract]\nallow = [\"vanishd\"]");
    shares_beyond_the_whole: "name = \"x\"\n[strategy.lww]\n[workload.calendar]\nmove_share = 0.8\ncancel_share = 0.4\nread_share = 1.5\n";
    a_bridge_over_nothing:
        with("[cluster]\ntopology = \"star\"\n[nemesis.partition]\nshape = \"bridge\"\nreplica = \"A\"\nat = [\"1s\"]\nfor = \"1s\"");
}

#[test]
fn every_shipped_scenario_is_valid_and_named_after_its_file() {
    for (name, text) in shipped() {
        let scenario =
            parse(&format!("{name}.toml"), text, TEST_MARKS).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(scenario.name, *name);
        assert!(!scenario.about.is_empty() && text.starts_with("#:schema "), "{name}");
        assert!(!scenario.contract.marks.is_empty(), "{name} would pass without evidence");
        let quick = scenario.quicken();
        assert_eq!(validate(&quick, TEST_MARKS), [], "{name} when it is quick");
    }
}

#[test]
fn the_tour_takes_a_minute_and_its_quick_form_twenty_seconds() {
    let load = |quick: bool| -> Duration {
        let scenario = |name: &&str| {
            let scenario = parse(name, shipped_text(name).unwrap(), TEST_MARKS).unwrap();
            if quick { scenario.quicken() } else { scenario }
        };
        TOUR.iter().map(|name| scenario(name).phases.load()).sum()
    };
    // Beside the load, each part starts a cluster and waits for quiescence: about two seconds.
    assert!(load(false) <= Duration::from_secs(60 - 8), "{:?}", load(false));
    assert!(load(true) <= Duration::from_secs(20 - 8), "{:?}", load(true));
}

#[test]
fn the_parts_of_the_tour_differ_in_nothing_but_strategy_and_contract() {
    let part = |name: &str| {
        let mut scenario = parse(name, shipped_text(name).unwrap(), TEST_MARKS).unwrap();
        let of = scenario.strategy.clone();
        (scenario.name, scenario.about) = Default::default();
        scenario.contract = Contract::default();
        scenario.strategy = Strategy::Arrival(quarrel_models::strategy::Arrival::default());
        (scenario, of)
    };
    let (first, _) = part(TOUR[0]);
    let mut strategies = std::collections::BTreeSet::new();
    for name in TOUR {
        let (scenario, strategy) = part(name);
        assert_eq!(scenario, first, "{name}");
        assert!(strategies.insert(strategy.name()), "{name}");
    }
}

const SMALL: &str = "name = \"small\"\n[cluster]\nleaders = 4\n[strategy.lww]\nclock = \"hybrid\"\n[workload.set]\n\
                     [nemesis.partition]\nat = [\"1s\"]\nfor = \"1s\"\n";

#[test]
fn the_printed_form_says_where_each_value_came_from() {
    let variable = |name: &str| (name == "QUARREL_CLIENTS").then(|| "12".to_owned());
    let environment = Overrides::from_environment(variable).unwrap();
    let flags = Overrides { duration: Some(Span::from_millis(3000)), ..Overrides::default() };
    let resolved = Resolved::resolve("small.toml", SMALL, &environment, &flags, TEST_MARKS).unwrap();
    assert_eq!(resolved.origin("cluster.leaders"), Origin::File { file: "small.toml".to_owned(), line: 3 });
    assert_eq!(resolved.origin("clients.count"), Origin::Environment("QUARREL_CLIENTS"));
    assert_eq!(resolved.origin("phases.storm"), Origin::Flag("--duration"));
    assert_eq!(resolved.origin("phases.warm_up"), Origin::Default);
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
        insta::assert_snapshot!("printed_form", resolved.print());
    });
}

#[test]
fn flags_win_over_the_environment_and_both_over_the_file() {
    let environment = Overrides { leaders: Some(5), clients: Some(7), ..Overrides::default() };
    let flags = Overrides { leaders: Some(6), ..Overrides::default() };
    let resolved = Resolved::resolve("small.toml", SMALL, &environment, &flags, TEST_MARKS).unwrap();
    assert_eq!((resolved.scenario.cluster.leaders, resolved.scenario.clients.count), (6, 7));
    assert_eq!(resolved.origin("cluster.leaders"), Origin::Flag("--leaders"));
}

#[test]
fn the_printed_form_of_every_shipped_scenario_reads_back_as_the_same() {
    for (name, text) in shipped() {
        for quick in [None, Some(true)] {
            let flags = Overrides { quick, ..Overrides::default() };
            let none = Overrides::default();
            let resolved = Resolved::resolve(name, text, &none, &flags, TEST_MARKS)
                .unwrap_or_else(|error| panic!("{error}"));
            let again = parse(name, &resolved.print(), TEST_MARKS).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(again, resolved.scenario, "{name}");
        }
    }
}

#[test]
fn another_strategy_gets_the_handler_that_fits() {
    let strategy = <StrategyName as FromText>::from_text("on-write").ok();
    let flags = Overrides { strategy, ..Overrides::default() };
    let resolved = Resolved::resolve("small.toml", SMALL, &Overrides::default(), &flags, TEST_MARKS).unwrap();
    assert_eq!(resolved.scenario.strategy.to_string(), "on-write (union)");
    assert_eq!(resolved.origin("strategy.on-write.handler"), Origin::Flag("--strategy"));
}

#[test]
fn every_strategy_can_be_asked_for_by_its_name() {
    for name in Strategy::NAMES {
        let strategy = <StrategyName as FromText>::from_text(name).ok();
        let flags = Overrides { strategy, ..Overrides::default() };
        let none = Overrides::default();
        let resolved = Resolved::resolve("small.toml", SMALL, &none, &flags, TEST_MARKS).unwrap();
        assert_eq!(resolved.scenario.strategy.name(), name);
    }
}

#[test]
fn a_bad_flag_is_blamed_and_not_the_file() {
    let flags = Overrides { clients: Some(0), ..Overrides::default() };
    let error =
        Resolved::resolve("small.toml", SMALL, &Overrides::default(), &flags, TEST_MARKS).unwrap_err();
    insta::assert_snapshot!(error, @r"
    error: `count` must be at least 1
     |
     = note: `clients.count` was set by flag --clients
    help: write `count = 9`
    ");
    let lookup = |name: &str| (name == "QUARREL_TOPOLOGY").then(|| "mesh".to_owned());
    let error = Overrides::from_environment(lookup).unwrap_err();
    insta::assert_snapshot!(error, @"QUARREL_TOPOLOGY: `mesh` is no topology, write ring, star or all-to-all (a graph of your own needs a file)");
}

#[test]
fn the_scenario_in_the_readme_is_valid() {
    let readme = include_str!("../../../README.md");
    let text = readme.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    parse("README.md", text, &["skew-exceeded-edit-gap"]).unwrap();
}
