//! Old runs are removed.

use super::{Catalogue, Entry, LATEST, Status, Store, StoreError, lock};
use std::{fs, path::Path};

/// What a pruning removed, or would remove.
#[derive(Debug)]
pub struct Pruned {
    /// The runs, the newest first.
    pub removed: Vec<Entry>,
    /// How many bytes their files hold.
    pub bytes: u64,
}

impl Store {
    /// Removes all runs but the newest `keep`. Runs that are under way are left alone and not counted.
    ///
    /// # Errors
    /// [`StoreError`] if a folder cannot be read or removed.
    pub fn prune(&self, keep: usize, dry_run: bool) -> Result<Pruned, StoreError> {
        let catalogue = self.catalogue()?;
        let removed: Vec<Entry> = idle(&catalogue).skip(keep).cloned().collect();
        let mut bytes = 0;
        for entry in &removed {
            bytes += size(&entry.path);
            if !dry_run {
                fs::remove_dir_all(&entry.path).map_err(|e| StoreError::new("remove", &entry.path, e))?;
                // The scenario's folder goes with its last run; otherwise it is not empty and stays.
                let _ = entry.path.parent().map(fs::remove_dir);
            }
        }
        if !dry_run && !removed.is_empty() {
            self.mend_latest()?;
        }
        Ok(Pruned { removed, bytes })
    }

    /// A `latest` that leads nowhere is pointed to the newest complete run, or removed.
    fn mend_latest(&self) -> Result<(), StoreError> {
        let naming = lock::exclusive(&self.root)?;
        let link = self.root.join(LATEST);
        if !link.exists() {
            let catalogue = self.catalogue()?;
            let newest = catalogue.entries().iter().find(|entry| entry.status == Status::Complete);
            match newest {
                Some(entry) => self.point_latest(&Path::new(&entry.scenario).join(&entry.name))?,
                // It may not have been there at all.
                None => drop(fs::remove_file(&link)),
            }
        }
        drop(naming);
        Ok(())
    }
}

fn idle(catalogue: &Catalogue) -> impl Iterator<Item = &Entry> {
    catalogue.entries().iter().filter(|entry| entry.status != Status::Running)
}

/// The bytes of all files below a folder; what cannot be read counts nothing.
fn size(folder: &Path) -> u64 {
    let Ok(listing) = fs::read_dir(folder) else { return 0 };
    let of_item = |item: fs::DirEntry| match item.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&item.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    listing.flatten().map(of_item).sum()
}
