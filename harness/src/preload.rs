//! The clock of a program that is not ours: a small library, preloaded, that reads the clock file.
//!
//! The library is `shim/clock.rs`; the build script compiles it and this binary carries it. It moves what a program sees
//! of the wall clock and nothing else. [`examine`] says beforehand what it cannot reach, and
//! [`ClockWriter::readers`](crate::clock_file::ClockWriter::readers) shows afterwards that it was loaded.

use elf::{ElfBytes, abi, endian::AnyEndian};
use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Empty where the library cannot work.
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/clock.so"));
/// The variable that the library reads.
const CLOCK_FILE: &str = "QUARREL_CLOCK_FILE";
const LD_PRELOAD: &str = "LD_PRELOAD";

/// The library, unpacked.
#[derive(Debug, Clone)]
pub struct Preload {
    library: PathBuf,
}

impl Preload {
    /// Writes the library into a folder, which has to outlive the programs that load it.
    ///
    /// # Errors
    /// If this build carries no library, or the file cannot be written.
    pub fn unpack(folder: &Path) -> Result<Self, PreloadError> {
        if LIBRARY.is_empty() {
            return Err(PreloadError::Platform);
        }
        // The loader splits the variable at these, and has no way to escape them.
        if folder.as_os_str().as_encoded_bytes().iter().any(|byte| b" :".contains(byte)) {
            return Err(PreloadError::Folder(folder.to_owned()));
        }
        let library = std::path::absolute(folder)?.join("clock.so");
        fs::write(&library, LIBRARY)?;
        Ok(Self { library })
    }

    /// The environment variables with which a program, and every program that it starts, sees the clock of that file.
    #[must_use]
    pub fn environment(&self, clock_file: &Path) -> [(&'static str, OsString); 2] {
        let mut preloaded = self.library.clone().into_os_string();
        if let Some(others) = env::var_os(LD_PRELOAD).filter(|others| !others.is_empty()) {
            preloaded.push(":");
            preloaded.push(others);
        }
        [(LD_PRELOAD, preloaded), (CLOCK_FILE, clock_file.as_os_str().to_owned())]
    }
}

/// Why the library cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PreloadError {
    /// It works on 64-bit Linux with glibc.
    #[error(
        "clocks of foreign programs can be set on 64-bit Linux with glibc only; leave `[nemesis.clock]` out"
    )]
    Platform,
    /// The dynamic loader cannot be told of it.
    #[error("the dynamic loader cannot preload from {}: a path with a blank or a colon; choose other `--results`", .0.display())]
    Folder(PathBuf),
    /// The file could not be written.
    #[error("the library that sets clocks could not be unpacked")]
    Io(#[from] io::Error),
}

/// Why the clock of a program cannot be set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The kernel or the loader ignores preloading.
    #[error("it is set-user-id, and the dynamic loader ignores preloading for such programs")]
    Privileged,
    /// It has no dynamic loader.
    #[error("it is statically linked, and nothing can be preloaded")]
    Static,
    /// Its C library is another.
    #[error("its dynamic loader is {0}, not that of glibc")]
    Loader(String),
    /// It is for another processor.
    #[error("it is for another kind of processor")]
    Processor,
    /// It asks the kernel without the C library.
    #[error("it is written in Go, whose programs ask the kernel for the time and not the C library")]
    Go,
    /// It is no program.
    #[error("it is no ELF program; name the program that a script starts")]
    Format,
    /// It could not be read.
    #[error("it could not be read: {0}")]
    Unreadable(String),
}

/// Says whether the library can set the clock of a program, as far as its file tells.
///
/// # Errors
/// The reason why it cannot.
pub fn examine(program: &Path) -> Result<(), Unreachable> {
    let unreadable = |error: io::Error| Unreachable::Unreadable(error.to_string());
    let mode = fs::metadata(program).map_err(unreadable)?.permissions().mode();
    let bytes = fs::read(program).map_err(unreadable)?;
    let file = ElfBytes::<AnyEndian>::minimal_parse(&bytes).map_err(|_| Unreachable::Format)?;
    let processor = match env::consts::ARCH {
        "x86_64" => abi::EM_X86_64,
        "aarch64" => abi::EM_AARCH64,
        "riscv64" => abi::EM_RISCV,
        _ => file.ehdr.e_machine,
    };
    if file.ehdr.e_machine != processor {
        return Err(Unreachable::Processor);
    }
    if mode & 0o6000 != 0 {
        return Err(Unreachable::Privileged);
    }
    if matches!(file.section_header_by_name(".note.go.buildid"), Ok(Some(_))) {
        return Err(Unreachable::Go);
    }
    let loader = file.segments().into_iter().flatten().find(|segment| segment.p_type == abi::PT_INTERP);
    let loader = loader.ok_or(Unreachable::Static)?;
    let path = file.segment_data(&loader).map_err(|_| Unreachable::Format)?;
    let path = String::from_utf8_lossy(path.strip_suffix(b"\0").unwrap_or(path)).into_owned();
    let name = Path::new(&path).file_name().and_then(OsStr::to_str).unwrap_or_default();
    if name.starts_with("ld-linux") { Ok(()) } else { Err(Unreachable::Loader(path)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_tests_can_be_preloaded_and_a_script_cannot() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        assert_eq!(examine(&script), Err(Unreachable::Format));
        if cfg!(all(target_os = "linux", target_env = "gnu")) {
            assert_eq!(examine(&env::current_exe().unwrap()), Ok(()));
        }
    }

    #[test]
    fn what_cannot_be_preloaded_is_told_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let own = fs::read(env::current_exe().unwrap()).unwrap();
        let write = |bytes: &[u8], mode| {
            fs::write(&program, bytes).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
            examine(&program)
        };
        assert_eq!(write(&own, 0o4755), Err(Unreachable::Privileged));
        let mut foreign = own.clone();
        foreign[18] ^= 1; // e_machine
        assert_eq!(write(&foreign, 0o755), Err(Unreachable::Processor));
        let name = b"/ld-linux";
        let at = own.windows(name.len()).position(|window| window == name).unwrap();
        let mut musl = own.clone();
        musl[at..at + name.len()].copy_from_slice(b"/ld-musl-");
        assert!(
            matches!(write(&musl, 0o755), Err(Unreachable::Loader(loader)) if loader.contains("ld-musl"))
        );
        assert_eq!(write(&own[..40], 0o755), Err(Unreachable::Format));
    }

    #[test]
    fn a_folder_that_the_loader_would_take_apart_is_refused() {
        assert!(matches!(Preload::unpack(Path::new("/tmp/a b")), Err(PreloadError::Folder(_))));
    }

    #[test]
    fn what_was_preloaded_before_stays_so() {
        let preload = Preload { library: "/run/clock.so".into() };
        let [(name, value), (_, file)] = preload.environment(Path::new("A.clock"));
        assert_eq!((name, file.as_os_str()), ("LD_PRELOAD", OsStr::new("A.clock")));
        assert!(value.as_encoded_bytes().starts_with(b"/run/clock.so"));
    }
}
