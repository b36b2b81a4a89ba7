//! What MariaDB needs on this machine: its programs, and a data folder to copy.

use crate::systems::reference::{SystemError, failed};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The oldest version with all that is used here: GTIDs of several sources, and triggers on replicas.
pub(super) const OLDEST: (u32, u32) = (10, 6);

/// The command that installs it.
pub(super) const INSTALL: &str = "sudo apt-get install --no-install-recommends -y mariadb-server";

/// The programs, found.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    pub(super) server: PathBuf,
    pub(super) installer: PathBuf,
    /// Such as `10.11.19-MariaDB-0+deb12u1`.
    pub(super) version: String,
}

/// Looks for the programs. The error says what is missing.
pub(super) fn look() -> Result<Programs, String> {
    let server = find("mariadbd").ok_or("the program `mariadbd` is not installed")?;
    let installer = find("mariadb-install-db").ok_or("the program `mariadb-install-db` is not installed")?;
    let said = Command::new(&server)
        .args(["--no-defaults", "--version"])
        .output()
        .map_err(|error| format!("{} does not run: {error}", server.display()))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.split_whitespace().skip_while(|word| *word != "Ver").nth(1).unwrap_or_default();
    let mut numbers = version.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST {
        let (major, minor) = OLDEST;
        return Err(format!("version {version} is too old: {major}.{minor} is needed"));
    }
    Ok(Programs { server, installer, version: version.to_owned() })
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let beside = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    env::split_paths(&path).chain(beside).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The user that a server runs as: it refuses root unless told.
pub(super) fn user() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

/// A data folder with nothing in it but the system tables, made once in the user's cache.
pub(super) fn template(programs: &Programs) -> Result<PathBuf, SystemError> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_else(env::temp_dir)
        .join("quarrel");
    let template = cache.join(format!("mariadb-{}", programs.version));
    if template.is_dir() {
        return Ok(template);
    }
    fs::create_dir_all(&cache).map_err(failed("create the cache of data folders"))?;
    let making = cache.join(format!("making-{}", std::process::id()));
    let made = Command::new(&programs.installer)
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg("--innodb-log-file-size=8M")
        .arg(format!("--datadir={}", making.display()))
        .args(user())
        .stdin(Stdio::null())
        .output()
        .map_err(failed("make a data folder of MariaDB"))?;
    if !made.status.success() {
        let _ = fs::remove_dir_all(&making);
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        return Err(failed("make a data folder of MariaDB")(io::Error::other(said)));
    }
    // Of two that make it at once the first wins; their folders are alike.
    if fs::rename(&making, &template).is_err() {
        let _ = fs::remove_dir_all(&making);
    }
    Ok(template)
}

/// Copies a folder and all that is in it.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
