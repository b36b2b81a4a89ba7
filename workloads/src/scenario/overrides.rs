//! What the environment and the command line can change of a scenario: one line per setting.

use super::{
    Durability, Scenario, Span,
    validate::{data_type_for, handlers_for},
};
use quarrel_models::{
    id::ReplicaId,
    strategy::{
        Arrival, Crdt, DataType, FirstWriteWins, HomeLeader, LastWriteWins, LeaderPriority, MostUpdates,
        OnRead, OnWrite, Strategy,
    },
    topology::{Follower, Topology},
};

/// What can be read from the text of a flag or of an environment variable.
pub trait FromText: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence on what was expected.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// One setting: its names, the value that it stands for, and how it is read and applied.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The flag, such as `--warm-up`.
    pub flag: &'static str,
    /// The environment variable, such as `QUARREL_WARM_UP`.
    pub variable: &'static str,
    /// What it does, for help texts.
    pub about: &'static str,
    /// The path of what it sets.
    pub(super) path: &'static str,
    read: fn(&mut Overrides, &str) -> Result<(), String>,
    apply: fn(&Overrides, &mut Scenario) -> bool,
}

impl Setting {
    /// Reads the text of its flag or variable into the settings.
    ///
    /// # Errors
    /// A sentence on what was expected.
    pub fn read(&self, overrides: &mut Overrides, text: &str) -> Result<(), String> {
        (self.read)(overrides, text)
    }

    /// Changes the scenario, if this is set. Whether it was.
    pub(super) fn apply(&self, overrides: &Overrides, scenario: &mut Scenario) -> bool {
        (self.apply)(overrides, scenario)
    }
}

macro_rules! settings {
    ($($about:literal $field:ident: $type:ty, $flag:literal, $variable:literal => $path:literal, $set:expr;)*) => {
        /// Settings of the environment or of the command line: what is `None` stays as the scenario says.
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct Overrides {
            $(#[doc = $about] pub $field: Option<$type>,)*
        }

        /// All settings, in the order in which they are applied.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            flag: $flag,
            variable: $variable,
            about: $about,
            path: $path,
            read: |overrides, text| {
                overrides.$field = Some(<$type>::from_text(text)?);
                Ok(())
            },
            apply: |overrides, scenario| {
                let set: fn(&mut Scenario, $type) = $set;
                overrides.$field.clone().map(|value| set(scenario, value)).is_some()
            },
        },)*];
    };
}

settings! {
    "A short run: the phases and the times of faults are scaled down."
    quick: bool, "--quick", "QUARREL_QUICK" => "phases", |s, quick| if quick { *s = s.quicken(); };
    "The number of leaders."
    leaders: usize, "--leaders", "QUARREL_LEADERS" => "cluster.leaders", |s, leaders| s.cluster.leaders = leaders;
    "The number of readable followers; they follow the leaders in turn."
    followers: u32, "--followers", "QUARREL_FOLLOWERS" => "cluster.followers", set_followers;
    "The topology: ring, star or all-to-all."
    topology: Topology, "--topology", "QUARREL_TOPOLOGY" => "cluster.topology", set_topology;
    "When a write is acknowledged: fsync, os or none."
    durability: Durability, "--durability", "QUARREL_DURABILITY" => "cluster.durability",
        |s, durability| s.cluster.durability = durability;
    "The conflict strategy in its plain form, such as lww, on-write or first-write-wins."
    strategy: StrategyName, "--strategy", "QUARREL_STRATEGY" => "strategy", set_strategy;
    "The number of clients."
    clients: u32, "--clients", "QUARREL_CLIENTS" => "clients.count", |s, count| s.clients.count = count;
    "Operations per second of all clients together; 0 is a closed loop."
    rate: f64, "--rate", "QUARREL_RATE" => "clients.rate", |s, rate| s.clients.rate = rate;
    "How long clients wait for an answer."
    timeout: Span, "--timeout", "QUARREL_TIMEOUT" => "clients.timeout", |s, timeout| s.clients.timeout = timeout;
    "Load without faults, before them."
    warm_up: Span, "--warm-up", "QUARREL_WARM_UP" => "phases.warm_up", |s, warm_up| s.phases.warm_up = warm_up;
    "Load and faults."
    duration: Span, "--duration", "QUARREL_DURATION" => "phases.storm", |s, storm| s.phases.storm = storm;
    "Load after the faults are undone."
    recovery: Span, "--recovery", "QUARREL_RECOVERY" => "phases.recovery", |s, span| s.phases.recovery = span;
    "The most that replication may take to come to rest."
    quiesce: Span, "--quiesce", "QUARREL_QUIESCE" => "phases.quiesce", |s, quiesce| s.phases.quiesce = quiesce;
    "The most operations; 0 is no bound."
    operations: u64, "--operations", "QUARREL_OPERATIONS" => "phases.operations",
        |s, operations| s.phases.operations = operations;
}

impl Overrides {
    /// Reads the settings of the environment; `lookup` gives the value of a variable.
    ///
    /// # Errors
    /// A sentence with the name of the variable and what was expected.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut overrides = Self::default();
        for setting in SETTINGS {
            if let Some(text) = lookup(setting.variable) {
                setting.read(&mut overrides, &text).map_err(|why| format!("{}: {why}", setting.variable))?;
            }
        }
        Ok(overrides)
    }
}

/// The name of a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrategyName(&'static str);

impl StrategyName {
    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

fn set_followers(scenario: &mut Scenario, followers: u32) {
    let leaders = scenario.cluster.leaders.clamp(1, quarrel_models::id::MAX_REPLICAS);
    let follower =
        |index: u32| Follower { of: vec![ReplicaId::from_index(index as usize % leaders)], readable: true };
    scenario.cluster.followers = (0..followers).map(follower).collect();
}

/// A propagation that the file chose for another topology would only be in the way.
fn set_topology(scenario: &mut Scenario, topology: Topology) {
    scenario.cluster.topology = topology;
    scenario.cluster.propagation = None;
}

/// A strategy of another name replaces that of the file; the same name keeps its parameters.
fn set_strategy(scenario: &mut Scenario, StrategyName(name): StrategyName) {
    if scenario.strategy.name() == name {
        return;
    }
    let handler = |on_read| handlers_for(&scenario.workload, on_read)[0];
    scenario.strategy = match name {
        "arrival" => Strategy::Arrival(Arrival::default()),
        "home-leader" => Strategy::HomeLeader(HomeLeader::default()),
        "lww" => Strategy::Lww(LastWriteWins::default()),
        "first-write-wins" => Strategy::FirstWriteWins(FirstWriteWins::default()),
        "leader-priority" => Strategy::LeaderPriority(LeaderPriority::default()),
        "most-updates" => Strategy::MostUpdates(MostUpdates::default()),
        // Where no type fits, the check of the scenario says so.
        "crdt" => Strategy::Crdt(Crdt {
            data_type: data_type_for(&scenario.workload).unwrap_or(DataType::MvRegister),
        }),
        "on-write" => Strategy::OnWrite(OnWrite { handler: handler(false) }),
        _ => Strategy::OnRead(OnRead { handler: handler(true) }),
    };
}

impl FromText for StrategyName {
    fn from_text(text: &str) -> Result<Self, String> {
        let known = Strategy::NAMES.into_iter().find(|&name| name == text);
        let expected = || format!("`{text}` is no strategy, write one of {}", Strategy::NAMES.join(", "));
        known.map(Self).ok_or_else(expected)
    }
}

impl FromText for Topology {
    fn from_text(text: &str) -> Result<Self, String> {
        let shapes = [Self::Ring, Self::Star, Self::AllToAll];
        let known = shapes.into_iter().find(|shape| shape.name() == text);
        known.ok_or_else(|| {
            format!(
                "`{text}` is no topology, write ring, star or all-to-all (a graph of your own needs a file)"
            )
        })
    }
}

impl FromText for Durability {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "fsync" => Ok(Self::Fsync),
            "os" => Ok(Self::Os),
            "none" => Ok(Self::None),
            _ => Err(format!("`{text}` is no durability, write fsync, os or none")),
        }
    }
}

impl FromText for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "1" | "true" | "yes" => Ok(true),
            "" | "0" | "false" | "no" => Ok(false),
            _ => Err(format!("`{text}` is neither true nor false")),
        }
    }
}

impl FromText for Span {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

macro_rules! numbers_from_text {
    ($($number:ty: $expected:literal),*) => {$(
        impl FromText for $number {
            fn from_text(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| format!("`{text}` is not {}", $expected))
            }
        }
    )*};
}

numbers_from_text!(usize: "a whole number", u32: "a whole number", u64: "a whole number", f64: "a number");
