//! Files of a run, by a path that came from outside.

use std::path::{Component, Path, PathBuf};

/// A path that leads to no file that may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("there is no such file in this run's folder")]
    Missing,
    /// The path leaves the folder, or means to.
    #[error("this path leads out of the run's folder")]
    Outside,
}

/// The file at this path within a folder: plain names only, no hidden ones, and no link that leads out.
///
/// # Errors
/// [`FileError`] if there is none, or it is not within the folder.
pub fn find(folder: &Path, path: &str) -> Result<PathBuf, FileError> {
    if path.contains(['\\', '\0']) {
        return Err(FileError::Outside);
    }
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) if name.to_string_lossy().starts_with('.') => {
                return Err(FileError::Missing);
            }
            Component::Normal(_) => {}
            _ => return Err(FileError::Outside),
        }
    }
    let root = folder.canonicalize().map_err(|_| FileError::Missing)?;
    let found = root.join(path).canonicalize().map_err(|_| FileError::Missing)?;
    if !found.starts_with(&root) {
        return Err(FileError::Outside);
    }
    if found.is_file() { Ok(found) } else { Err(FileError::Missing) }
}

/// What a browser is told that a file holds.
pub(super) fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|end| end.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("jsonl" | "log" | "hlog" | "txt" | "xml") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn only_files_within_the_folder_are_found() {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("run");
        fs::create_dir_all(folder.join("log")).unwrap();
        for path in ["history.jsonl", "log/A.log", ".lock"] {
            fs::write(folder.join(path), "x").unwrap();
        }
        fs::write(outside.path().join("secret"), "x").unwrap();
        symlink(outside.path().join("secret"), folder.join("link")).unwrap();
        symlink(outside.path(), folder.join("up")).unwrap();
        assert!(find(&folder, "history.jsonl").is_ok());
        assert!(find(&folder, "log/A.log").is_ok());
        for (path, why) in [
            ("../secret", FileError::Outside),
            ("log/../../secret", FileError::Outside),
            ("/etc/passwd", FileError::Outside),
            ("log\\..\\..\\secret", FileError::Outside),
            ("history.jsonl\0", FileError::Outside),
            ("link", FileError::Outside),
            ("up/secret", FileError::Outside),
            (".lock", FileError::Missing),
            ("log", FileError::Missing),
            ("nothing", FileError::Missing),
            ("", FileError::Missing),
        ] {
            assert_eq!(find(&folder, path), Err(why), "{path:?}");
        }
    }
}
