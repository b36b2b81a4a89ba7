//! Options that several verbs share.

use crate::store::Store;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use quarrel_workloads::scenario::{Overrides, SETTINGS, Setting};
use std::path::PathBuf;

/// How a verb answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs: one object with a version and stable keys.
    Json,
}

/// `--output`.
#[derive(Debug, Clone, Args)]
pub(super) struct OutputOption {
    /// How to answer.
    #[arg(
        long,
        value_enum,
        default_value_t,
        env = "QUARREL_OUTPUT",
        hide_env_values = true,
        value_name = "FORMAT"
    )]
    pub(super) output: Output,
}

/// `--results`.
#[derive(Debug, Clone, Args)]
pub(super) struct StoreOption {
    /// The folder of all results.
    #[arg(
        long,
        default_value = "results",
        env = "QUARREL_RESULTS",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub(super) results: PathBuf,
}

impl StoreOption {
    pub(super) fn store(&self) -> Store {
        Store::new(&self.results)
    }
}

/// The flags that change a scenario: one for each of [`SETTINGS`]. Their variables are read apart, so that
/// `--print-config` can tell the one from the other.
#[derive(Debug, Clone, Default)]
pub(super) struct SettingFlags {
    /// What the flags say.
    pub(super) overrides: Overrides,
    given: Vec<(&'static Setting, String)>,
}

impl SettingFlags {
    /// The flags again, as words of a command line; variables of the environment become flags too.
    pub(super) fn words(&self, variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut words = Vec::new();
        for setting in SETTINGS {
            let flag = self.given.iter().find(|(given, _)| given.flag == setting.flag);
            let text = flag.map(|(_, text)| text.clone()).or_else(|| variable(setting.variable));
            match text {
                Some(text) if is_switch(setting) => {
                    words.extend((text == "true" || text == "1").then(|| setting.flag.to_owned()));
                }
                Some(text) => words.extend([setting.flag.to_owned(), text]),
                None => {}
            }
        }
        words
    }
}

/// Whether the flag stands alone, without a value.
fn is_switch(setting: &Setting) -> bool {
    setting.flag == "--quick"
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in SETTINGS {
            let text = if is_switch(setting) {
                matches.get_flag(setting.flag).then(|| "true".to_owned())
            } else {
                matches.get_one::<String>(setting.flag).cloned()
            };
            if let Some(text) = text {
                let wrong = |why| clap::Error::raw(clap::error::ErrorKind::ValueValidation, why);
                setting.read(&mut self.overrides, &text).map_err(wrong)?;
                self.given.push((setting, text));
            }
        }
        Ok(())
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().fold(command, |command, setting| command.arg(flag(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(setting: &'static Setting) -> Arg {
    let name = setting.flag.trim_start_matches("--");
    let about = format!("{} [env: {}]", setting.about.trim_end_matches('.'), setting.variable);
    let flag = Arg::new(setting.flag).long(name).help(about).help_heading("Changes to the scenario");
    if is_switch(setting) {
        return flag.action(ArgAction::SetTrue);
    }
    let read = |text: &str| setting.read(&mut Overrides::default(), text).map(|()| text.to_owned());
    flag.value_name("VALUE").value_parser(read)
}
