//! All runs of a store, and how people name them.

use super::{Entry, LATEST, PARTIAL, Store, StoreError};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// All runs of a store, the newest first.
#[derive(Debug)]
pub struct Catalogue {
    root: PathBuf,
    entries: Vec<Entry>,
}

/// A name that leads to no single run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// There is no run of that name.
    #[error("there is no run `{0}`")]
    Missing(String),
    /// There are several.
    #[error("`{name}` could be any of {}: {}", candidates.len(), candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// The full names of the runs that it fits.
        candidates: Vec<String>,
    },
}

impl Store {
    /// Looks at all runs. A store that is not there has none.
    ///
    /// # Errors
    /// [`StoreError`] if the folder cannot be read.
    pub fn catalogue(&self) -> Result<Catalogue, StoreError> {
        let mut entries = Vec::new();
        for scenario in folders(&self.root)? {
            for run in folders(&scenario)?.into_iter().filter(|path| is_run(path)) {
                entries.push(Entry::read(&run));
            }
        }
        // The names begin with the time; scenarios in a fixed order where that is the same.
        entries.sort_by(|a, b| b.name.cmp(&a.name).then_with(|| a.scenario.cmp(&b.scenario)));
        Ok(Catalogue { root: self.root.clone(), entries })
    }
}

impl Catalogue {
    /// The runs, the newest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The shortest text by which [`Catalogue::find`] finds this run: a prefix of its name or, if another scenario has
    /// a run of the same name, its full name.
    #[must_use]
    pub fn shortest(&self, entry: &Entry) -> String {
        let others = || self.entries.iter().filter(|other| other.path != entry.path);
        let clashes = |prefix: &str| others().any(|other| other.name.starts_with(prefix));
        let ends = entry.name.char_indices().map(|(at, c)| at + c.len_utf8());
        // Four characters at least: the first ones are the year, and say nothing tomorrow.
        let prefixes = ends.skip(3).map(|end| &entry.name[..end]);
        let unique = prefixes.into_iter().find(|prefix| !clashes(prefix));
        unique.map_or_else(|| entry.full_name(), str::to_owned)
    }

    /// Finds a run: by path, as `latest`, by its name or a prefix of it, with or without its scenario, or by its seed.
    ///
    /// # Errors
    /// [`FindError`] if it is not exactly one.
    pub fn find(&self, name: &str) -> Result<Entry, FindError> {
        let latest = self.root.join(LATEST);
        let path = if name == LATEST { latest.as_path() } else { Path::new(name) };
        if path.is_dir() && path.join("run.json").exists() {
            return Ok(Entry::read(&path.canonicalize().unwrap_or_else(|_| path.to_path_buf())));
        }
        if name == LATEST {
            let missing = || FindError::Missing(name.to_owned());
            return self.entries.first().cloned().ok_or_else(missing);
        }
        let name = name.strip_suffix(PARTIAL).unwrap_or(name);
        let exact: Vec<&Entry> =
            self.entries.iter().filter(|entry| entry.name == name || entry.full_name() == name).collect();
        if let [entry] = exact[..] {
            return Ok(entry.clone());
        }
        let fits: Vec<&Entry> = self.entries.iter().filter(|entry| fits(entry, name)).collect();
        match fits[..] {
            [] => Err(FindError::Missing(name.to_owned())),
            [entry] => Ok(entry.clone()),
            _ => Err(FindError::Ambiguous {
                name: name.to_owned(),
                candidates: fits.iter().map(|entry| entry.full_name()).collect(),
            }),
        }
    }
}

fn fits(entry: &Entry, name: &str) -> bool {
    let seed = entry.name.split('-').nth(1);
    !name.is_empty()
        && (entry.name.starts_with(name) || entry.full_name().starts_with(name) || seed == Some(name))
}

/// The folders in a folder, links and hidden ones left out.
fn folders(parent: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let unreadable = |error| StoreError::new("read", parent, error);
    let listing = match fs::read_dir(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(unreadable)?,
    };
    let mut folders = Vec::new();
    for item in listing {
        let item = item.map_err(unreadable)?;
        let hidden = item.file_name().to_string_lossy().starts_with('.');
        if !hidden && item.file_type().map_err(unreadable)?.is_dir() {
            folders.push(item.path());
        }
    }
    Ok(folders)
}

/// Runs begin with their time: anything else in the store is not ours to list, or to remove.
fn is_run(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let time = name.split('-').next().unwrap_or_default().as_bytes();
    time.len() == 16 && time[8] == b'T' && time[15] == b'Z' && time[..8].iter().all(u8::is_ascii_digit)
}
