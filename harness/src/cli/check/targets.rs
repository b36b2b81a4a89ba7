//! Which histories a command line means.

use super::Arguments;
use crate::{cli::runs, exit::Failure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A history that is to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    /// Its run's folder, if it was named by that.
    pub(super) folder: Option<PathBuf>,
    /// Whether it was found in a folder.
    is_found: bool,
}

impl Target {
    /// Whether nothing but its extension says that it is a history: then it may be none. What is called a history is
    /// meant to be one, wherever it was found.
    pub(super) fn is_guess(&self) -> bool {
        self.is_found && self.path.file_stem().is_none_or(|stem| stem != "history")
    }
}

/// What histories of others are called.
const EXTENSIONS: [&str; 5] = ["edn", "json", "jsonl", "log", "qhist"];

pub(super) fn find(arguments: &Arguments) -> Result<Vec<Target>, Failure> {
    let mut targets = Vec::new();
    for word in &arguments.files {
        let before = targets.len();
        let path = Path::new(word);
        if path.is_dir() && arguments.checker.is_some() {
            below(path, &mut targets)?;
            if targets.len() == before {
                let help = format!("histories of others end in .{}", EXTENSIONS.join(", ."));
                return Err(Failure::usage(format!("there is no history in {word}"), help));
            }
        } else {
            targets.push(named(word, arguments)?);
        }
    }
    Ok(targets)
}

/// The history of a run's folder, or all in a folder and below.
fn below(folder: &Path, targets: &mut Vec<Target>) -> Result<(), Failure> {
    let history = folder.join("history.jsonl");
    if history.is_file() {
        targets.push(Target { path: history, folder: Some(folder.to_path_buf()), is_found: false });
        return Ok(());
    }
    let unreadable =
        |error| Failure::usage(format!("cannot read the folder {}: {error}", folder.display()), "");
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.sort();
    for path in paths {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.is_symlink() {
            below(&path, targets)?;
        } else if path.is_file() && EXTENSIONS.contains(&extension.as_ref()) {
            targets.push(Target { path, folder: None, is_found: true });
        }
    }
    Ok(())
}

/// A file, a run's folder, or a run of the store.
fn named(word: &str, arguments: &Arguments) -> Result<Target, Failure> {
    let path = Path::new(word);
    let is_found = false;
    if path.is_dir() {
        return Ok(Target { path: path.join("history.jsonl"), folder: Some(path.to_path_buf()), is_found });
    }
    // Also what is no plain file, such as a pipe.
    if path.exists() {
        return Ok(Target { path: path.to_path_buf(), folder: None, is_found });
    }
    let entry = runs::find(&arguments.store.store(), word).map_err(|failure| {
        let message = failure.message.replace("there is no run", "there is no file and no run");
        Failure { message, ..failure }
    })?;
    if entry.model.is_some() {
        let message = format!("{} is a scenario in the model, and has no history", entry.path.display());
        return Err(Failure::usage(message, "`quarrel runs show` shows what was found"));
    }
    let history = entry.path.join("history.jsonl");
    if !history.exists() {
        let message =
            format!("{} holds no history: it was made with --keep, and passed", entry.path.display());
        return Err(Failure::usage(message, "`quarrel runs show` shows its verdict"));
    }
    Ok(Target { path: history, folder: Some(entry.path), is_found })
}
