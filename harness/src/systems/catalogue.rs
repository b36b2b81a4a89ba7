//! Which systems under test there are, and whether they can run here.

use super::mariadb;
use serde::Serialize;

/// A system under test, as it is on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name, as scenarios spell it.
    pub name: &'static str,
    /// Whether it can run.
    pub ready: bool,
    /// Its version, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What is missing, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// The one command that installs what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<&'static str>,
}

impl Listed {
    fn of(name: &'static str, version: Result<String, String>, install: &'static str) -> Self {
        let ready = version.is_ok();
        let missing = version.as_ref().err().cloned();
        Self { name, ready, version: version.ok(), missing, install: (!ready).then_some(install) }
    }
}

/// Looks for every system. Installs and starts nothing.
#[must_use]
pub fn list() -> Vec<Listed> {
    vec![
        Listed::of("reference", Ok(env!("CARGO_PKG_VERSION").to_owned()), ""),
        Listed::of("http", Ok("any server of yours".to_owned()), ""),
        Listed::of("maelstrom", Ok("any node of yours".to_owned()), ""),
        Listed::of("mariadb", mariadb::version(), mariadb::install_command()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarrel_workloads::scenario::systems;

    #[test]
    fn what_scenarios_may_name_is_what_is_listed() {
        assert_eq!(list().iter().map(|system| system.name).collect::<Vec<_>>(), systems());
    }

    #[test]
    fn what_is_missing_is_told_with_the_command_that_installs_it() {
        let listed = Listed::of("x", Err("no `x`".to_owned()), "get x");
        assert_eq!((listed.ready, listed.install), (false, Some("get x")));
        assert_eq!(Listed::of("x", Ok("1".to_owned()), "get x").install, None);
    }
}
