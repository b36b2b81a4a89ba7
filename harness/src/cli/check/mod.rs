//! `quarrel check`: recorded histories are judged, without running anything: our own again, and those of others.

mod own;
mod parallel;
mod recorded;
mod targets;

use super::{
    World,
    options::{Output, OutputOption, StoreOption},
    select::quoted,
};
use crate::{
    exit::{Exit, Failure},
    report::{Checked, CheckedFile, Paint},
};
use clap::{ValueEnum, builder::PossibleValue};
use quarrel_workloads::{
    checker::standalone::{self, CHECKERS, StandaloneChecker},
    history::recorded::Format,
    scenario::Span,
};
use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    time::Instant,
};
use targets::Target;

const EXAMPLES: &str = "\
Examples:
  quarrel check latest                          the last run
  quarrel check history.jsonl --ledger l.jsonl  with the fate of every write
  quarrel check 20261123T16 --output json       a run, by a prefix of its name
  quarrel check history.edn --checker set-full  a history of Jepsen
  quarrel check store/ --checker bank           all histories in a folder
  quarrel check history.edn --checker list-append --out cycles/     with pictures";

/// Judge recorded histories: our own again, and those of others
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// A `history.jsonl`, a run's folder, or a run of the store: its name, a prefix of it, its seed, or `latest`;
    /// with --checker also histories of others, and folders of them.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
    /// What to judge by; without it, a history of our own is judged by its contract.
    #[arg(long, env = "QUARREL_CHECKER", hide_env_values = true, value_name = "NAME")]
    checker: Option<CheckerName>,
    /// The model of the checker, for those that know several.
    #[arg(long, env = "QUARREL_MODEL", hide_env_values = true, value_name = "NAME")]
    model: Option<String>,
    /// How the histories are written down; `auto` tells it from their first bytes.
    #[arg(
        long,
        default_value = "auto",
        env = "QUARREL_INPUT_FORMAT",
        hide_env_values = true,
        value_name = "FORMAT"
    )]
    input_format: InputFormat,
    /// Values are tuples [key value] of independent keys.
    #[arg(long)]
    independent: bool,
    /// Which reads say what the replicas held in the end.
    #[arg(
        long,
        value_enum,
        default_value_t,
        env = "QUARREL_FINAL_READS",
        hide_env_values = true,
        value_name = "WHICH"
    )]
    final_reads: FinalReads,
    /// The most time for one history; then the verdict is unknown.
    #[arg(
        long,
        default_value = "60s",
        env = "QUARREL_CHECK_TIMEOUT",
        hide_env_values = true,
        value_name = "TIME"
    )]
    timeout: Span,
    /// Also write the fate of every acknowledged write to this file, one JSON object a line.
    #[arg(long, env = "QUARREL_LEDGER", hide_env_values = true, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Draw the cycles that were found, an SVG each, into this folder.
    #[arg(long, env = "QUARREL_CHECK_OUT", hide_env_values = true, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    store: StoreOption,
    #[command(flatten)]
    output: OutputOption,
}

/// A stand-alone checker, by its name.
#[derive(Clone, Copy)]
struct CheckerName(&'static dyn StandaloneChecker);

impl std::fmt::Debug for CheckerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

impl ValueEnum for CheckerName {
    fn value_variants<'a>() -> &'a [Self] {
        static NAMES: std::sync::LazyLock<Vec<CheckerName>> =
            std::sync::LazyLock::new(|| CHECKERS.iter().copied().map(CheckerName).collect());
        &NAMES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()).help(self.0.about()))
    }
}

/// The format of the input, or none if it is to be detected.
#[derive(Debug, Clone, Copy)]
struct InputFormat(Option<Format>);

impl ValueEnum for InputFormat {
    fn value_variants<'a>() -> &'a [Self] {
        static FORMATS: std::sync::LazyLock<Vec<InputFormat>> = std::sync::LazyLock::new(|| {
            std::iter::once(None).chain(Format::ALL.map(Some)).map(InputFormat).collect()
        });
        &FORMATS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.map_or("auto", Format::name)))
    }
}

/// Which reads are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum FinalReads {
    /// Those that the history marks.
    #[default]
    Marked,
    /// The last of each record at each node, or of each process where no node is told.
    Last,
}

impl From<FinalReads> for standalone::FinalReads {
    fn from(which: FinalReads) -> Self {
        match which {
            FinalReads::Marked => Self::Marked,
            FinalReads::Last => Self::Last,
        }
    }
}

pub(super) fn check(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let began = Instant::now();
    let targets = targets::find(arguments)?;
    sound(arguments, &targets)?;
    if let ([target], None) = (targets.as_slice(), arguments.checker) {
        let summary =
            own::judged(arguments, &target.path, target.folder.as_deref(), open(target, arguments)?)?;
        own::tell(arguments.output.output, &summary, world)?;
        return Ok(summary.verdict.into());
    }
    let results = parallel::map(&targets, |target| one(target, arguments));
    let mut exit = Exit::Success;
    let mut files = Vec::with_capacity(targets.len());
    let mut passed_over = Vec::new();
    for (target, result) in targets.iter().zip(results) {
        let file = match result {
            Ok(file) => file,
            Err(failure) if targets.len() == 1 => return Err(failure),
            Err(failure) if target.is_guess() && failure.exit == Exit::Usage && is_no_history(&failure) => {
                writeln!(world.err, "passed over: {}", failure.message)?;
                passed_over.push(shown(&target.path));
                continue;
            }
            Err(failure) => {
                exit = exit.merge(failure.exit);
                CheckedFile::failed(&target.path, &failure.message)
            }
        };
        exit = file.error.as_ref().map_or(exit.merge(file.verdict.into()), |_| exit);
        files.push(file);
    }
    if files.is_empty() {
        let message = format!("none of these {} files is a history", passed_over.len());
        return Err(Failure::usage(message, "name a file: what is wrong with it is then said"));
    }
    let checked = Checked { files, passed_over, seconds: began.elapsed().as_secs_f64() };
    match arguments.output.output {
        Output::Json => checked.json(world.out)?,
        Output::Text => {
            checked.text(Paint { on: world.surroundings.colours_out }, &again(arguments), world.out)?;
        }
    }
    Ok(exit)
}

/// Whether the command line can be meant so.
fn sound(arguments: &Arguments, targets: &[Target]) -> Result<(), Failure> {
    if arguments.ledger.is_some() && (targets.len() > 1 || arguments.checker.is_some()) {
        let help = "leave --checker out, and name one history of quarrel's own";
        return Err(Failure::usage("--ledger writes the fates of one history, judged by its contract", help));
    }
    let Some(model) = &arguments.model else { return Ok(()) };
    let Some(CheckerName(checker)) = arguments.checker else {
        return Err(Failure::usage("--model needs --checker", "name the checker whose model it is"));
    };
    if checker.models().contains(&model.as_str()) {
        return Ok(());
    }
    let message = format!("the checker `{}` has no model `{model}`", checker.name());
    Err(Failure::usage(
        message,
        match checker.models() {
            [] => "leave --model out".to_owned(),
            models => format!("write one of {}", models.join(", ")),
        },
    ))
}

fn open(target: &Target, arguments: &Arguments) -> Result<BufReader<File>, Failure> {
    let path = target.path.display();
    let file = File::open(&target.path).map_err(|error| {
        let help = "give the `history.jsonl` of a run, its folder, or `latest`";
        Failure::usage(format!("cannot judge {path}: {error}"), help)
    })?;
    let mut input = BufReader::with_capacity(1 << 20, file);
    if arguments.checker.is_some() {
        return Ok(input);
    }
    let start = input.fill_buf().unwrap_or_default();
    // What quarrel wrote names itself in its first bytes.
    let is_own = start.trim_ascii_start().starts_with(b"{\"quarrel\"");
    let format = arguments.input_format.0.or_else(|| Format::detect(start));
    match format {
        Some(format) if !is_own => {
            let names: Vec<&str> = CHECKERS.iter().map(|checker| checker.name()).collect();
            let message =
                format!("cannot judge {path}: it is a recorded history ({format}) without a contract");
            Err(Failure::usage(message, format!("say what to judge by: --checker {}", names.join("|"))))
        }
        _ => Ok(input),
    }
}

fn one(target: &Target, arguments: &Arguments) -> Result<CheckedFile, Failure> {
    match arguments.checker {
        Some(CheckerName(checker)) => recorded::judged(checker, target, arguments),
        None => {
            let input = open(target, arguments)?;
            let summary = own::judged(arguments, &target.path, target.folder.as_deref(), input)?;
            Ok(CheckedFile::of_run(&target.path, &summary))
        }
    }
}

fn is_no_history(failure: &Failure) -> bool {
    failure.message.contains("no history") || failure.message.contains(": line 1, ")
}

/// The command that does the same.
fn again(arguments: &Arguments) -> String {
    let mut words = vec!["quarrel check".to_owned()];
    words.extend(arguments.files.iter().map(|file| quoted(file).into_owned()));
    if let Some(CheckerName(checker)) = arguments.checker {
        words.push(format!("--checker {}", checker.name()));
    }
    words.extend(arguments.model.iter().map(|model| format!("--model {}", quoted(model))));
    words.extend(arguments.input_format.0.map(|format| format!("--input-format {format}")));
    words.extend(arguments.independent.then(|| "--independent".to_owned()));
    words.extend((arguments.final_reads == FinalReads::Last).then(|| "--final-reads last".to_owned()));
    words.join(" ")
}

/// The path, as reports show it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
