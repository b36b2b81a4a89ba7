//! The scenarios that come with the binary.

/// The four parts of the tour, in order: one strategy each, under the same load and the same faults.
pub const TOUR: [&str; 4] = ["tour-home-leader", "tour-lww", "tour-on-write", "tour-on-read"];

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),*]
    };
}

/// All shipped scenarios: names and texts.
#[must_use]
pub const fn shipped() -> &'static [(&'static str, &'static str)] {
    shipped![
        "tour-home-leader",
        "tour-lww",
        "tour-on-write",
        "tour-on-read",
        "smoke",
        "standard",
        "offline-calendar",
        "home-leader-relocation",
        "home-leader-fenced",
        "lww-skew",
        "lww-hybrid",
        "on-write-union",
        "on-read-siblings",
        "or-set",
        "first-write-wins",
        "hard-deletes",
        "ring-node-death",
        "star-hub-death",
        "all-to-all-overtaking",
        "followers",
        "kill-storm",
        "kill-storm-volatile",
        "mariadb-ring-concurrent-update",
        "mariadb-lost-increments",
        "mariadb-lww-skew",
    ]
}

/// The text of the shipped scenario of this name.
#[must_use]
pub fn shipped_text(name: &str) -> Option<&'static str> {
    shipped().iter().find(|(shipped, _)| *shipped == name).map(|&(_, text)| text)
}
