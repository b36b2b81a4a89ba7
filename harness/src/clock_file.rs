//! The clock file: how the nemesis sets one node's wall clock, and how the node reads it.
//!
//! Six little-endian 64-bit words: a counter, offset, base, drift, frozen time (nanoseconds; see
//! [`ClockSetting`]), and the counter again. It is read at each use of the wall clock, so that a change shows at the
//! next read; a read that meets a write half-way sees two different counters and tries again.

use quarrel_models::clock::{ClockSetting, Now};
use rustix::time::{ClockId, clock_gettime};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

const BYTES: usize = 48;
/// A writer needs a microsecond; a file that never settles is broken.
const MAX_ATTEMPTS: u32 = 10_000;

/// The side that writes.
#[derive(Debug)]
pub struct ClockWriter {
    file: File,
    count: i64,
    setting: ClockSetting,
}

impl ClockWriter {
    /// Creates the file with a clock that is right.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
        let mut writer = Self { file, count: 0, setting: ClockSetting::default() };
        writer.set(ClockSetting::default())?;
        Ok(writer)
    }

    /// Changes the clock. The change has taken effect when this returns.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn set(&mut self, setting: ClockSetting) -> io::Result<()> {
        self.count += 1;
        let words = [
            self.count,
            setting.offset_ns,
            setting.base_monotonic_ns,
            setting.drift_ppb,
            setting.frozen_at_ns,
            self.count,
        ];
        let mut bytes = [0; BYTES];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        self.file.write_all_at(&bytes, 0)?;
        self.setting = setting;
        Ok(())
    }

    /// How the clock stands.
    #[must_use]
    pub const fn setting(&self) -> ClockSetting {
        self.setting
    }
}

/// The side that reads.
#[derive(Debug)]
pub struct ClockReader(File);

impl ClockReader {
    /// Opens the file.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// The time as this node sees it.
    ///
    /// # Errors
    /// If the file cannot be read or never settles.
    pub fn now(&self) -> io::Result<Now> {
        let monotonic_ns = monotonic_ns();
        let wall_ns = self.setting()?.wall_ns(real_ns(), monotonic_ns);
        Ok(Now { wall_us: wall_ns.div_euclid(1000), monotonic_us: monotonic_ns.unsigned_abs() / 1000 })
    }

    fn setting(&self) -> io::Result<ClockSetting> {
        let mut bytes = [0; BYTES];
        for _ in 0..MAX_ATTEMPTS {
            self.0.read_exact_at(&mut bytes, 0)?;
            let mut words = [0; 6];
            for (word, slot) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = i64::from_le_bytes(*slot);
            }
            let [before, offset_ns, base_monotonic_ns, drift_ppb, frozen_at_ns, after] = words;
            if before == after {
                return Ok(ClockSetting { offset_ns, base_monotonic_ns, drift_ppb, frozen_at_ns });
            }
        }
        Err(io::Error::other("the clock file never settles"))
    }
}

/// The machine's wall clock, nanoseconds since the Unix epoch.
#[must_use]
pub fn real_ns() -> i64 {
    nanoseconds(ClockId::Realtime)
}

/// The machine's monotonic clock, nanoseconds.
#[must_use]
pub fn monotonic_ns() -> i64 {
    nanoseconds(ClockId::Monotonic)
}

fn nanoseconds(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_at_the_next_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("A.clock");
        let mut writer = ClockWriter::create(&path).unwrap();
        let reader = ClockReader::open(&path).unwrap();
        let right = reader.now().unwrap();
        writer.set(ClockSetting { offset_ns: 3_600_000_000_000, ..ClockSetting::default() }).unwrap();
        let ahead = reader.now().unwrap();
        assert!(ahead.wall_us - right.wall_us >= 3_600_000_000);
        assert!(ahead.monotonic_us - right.monotonic_us < 3_600_000_000);
        writer.set(ClockSetting { frozen_at_ns: 5_000, ..ClockSetting::default() }).unwrap();
        assert_eq!(reader.now().unwrap().wall_us, 5);
    }
}
