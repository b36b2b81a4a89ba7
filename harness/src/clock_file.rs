//! The clock file: how the nemesis sets one node's wall clock, and how the node reads it.
//!
//! Six little-endian 64-bit words: a counter, offset, base, drift, frozen time (nanoseconds; see
//! [`ClockSetting`]), and a seal over these five. It is read at each use of the wall clock, so that a change shows at
//! the next read; a read that meets a write half-way, wherever that is, finds a broken seal and tries again.
//!
//! A seventh word counts the foreign processes that have mapped the file ([`preload`](crate::preload)); an eighth is
//! spare.

use quarrel_models::clock::{ClockSetting, Now};
use rustix::time::{ClockId, clock_gettime};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

const BYTES: usize = 48;
const FILE_BYTES: u64 = 64;
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
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path)?;
        file.set_len(FILE_BYTES)?;
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
        let ClockSetting { offset_ns, base_monotonic_ns, drift_ppb, frozen_at_ns } = setting;
        let words = [self.count, offset_ns, base_monotonic_ns, drift_ppb, frozen_at_ns];
        let mut bytes = [0; BYTES];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words.into_iter().chain([seal(words)])) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        self.file.write_all_at(&bytes, 0)?;
        self.setting = setting;
        Ok(())
    }

    /// How many foreign processes have mapped the file so far: those that started with the preloaded library.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn readers(&self) -> io::Result<u64> {
        let mut word = [0; 8];
        self.file.read_exact_at(&mut word, BYTES as u64)?;
        Ok(u64::from_ne_bytes(word))
    }

    /// How the clock stands.
    #[must_use]
    pub const fn setting(&self) -> ClockSetting {
        self.setting
    }
}

/// The side that reads.
#[derive(Debug)]
pub struct ClockReader {
    file: File,
    /// Whether no time passes but what is written.
    stands: bool,
}

impl ClockReader {
    /// Opens the file.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, stands: false })
    }

    /// Opens the file for a node that is stepped: both clocks stand where the file says, the wall clock at
    /// `frozen_at_ns`, whatever that is, and the monotonic one at `base_monotonic_ns`.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open_stepped(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, stands: true })
    }

    /// The time as this node sees it.
    ///
    /// # Errors
    /// If the file cannot be read or never settles.
    pub fn now(&self) -> io::Result<Now> {
        let setting = self.setting()?;
        let (monotonic_ns, wall_ns) = if self.stands {
            (setting.base_monotonic_ns, setting.frozen_at_ns)
        } else {
            let monotonic_ns = monotonic_ns();
            (monotonic_ns, setting.wall_ns(real_ns(), monotonic_ns))
        };
        Ok(Now { wall_us: wall_ns.div_euclid(1000), monotonic_us: monotonic_ns.unsigned_abs() / 1000 })
    }

    fn setting(&self) -> io::Result<ClockSetting> {
        let mut bytes = [0; BYTES];
        for _ in 0..MAX_ATTEMPTS {
            self.file.read_exact_at(&mut bytes, 0)?;
            let mut words = [0; 6];
            for (word, slot) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = i64::from_le_bytes(*slot);
            }
            let [count, offset_ns, base_monotonic_ns, drift_ppb, frozen_at_ns, sealed] = words;
            if sealed == seal([count, offset_ns, base_monotonic_ns, drift_ppb, frozen_at_ns]) {
                return Ok(ClockSetting { offset_ns, base_monotonic_ns, drift_ppb, frozen_at_ns });
            }
        }
        Err(io::Error::other("the clock file never settles"))
    }
}

/// FNV-1a, a word at a time.
fn seal(words: [i64; 5]) -> i64 {
    let mixed = words.into_iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, word| {
        (sum ^ word.cast_unsigned()).wrapping_mul(0x0100_0000_01b3)
    });
    mixed.cast_signed()
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

    #[test]
    fn the_clocks_of_a_stepped_node_stand_where_they_were_put() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("A.clock");
        let mut writer = ClockWriter::create(&path).unwrap();
        let reader = ClockReader::open_stepped(&path).unwrap();
        for (wall_us, monotonic_us) in [(0, 1_000_000), (-5, 1_001_000)] {
            let now = Now { wall_us, monotonic_us };
            writer.set(ClockSetting::standing(now)).unwrap();
            assert_eq!([reader.now().unwrap(), reader.now().unwrap()], [now; 2]);
        }
    }

    #[test]
    fn a_half_written_change_is_never_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("A.clock");
        let mut writer = ClockWriter::create(&path).unwrap();
        let before = std::fs::read(&path).unwrap();
        writer.set(ClockSetting { offset_ns: 1, drift_ppb: 2, ..ClockSetting::default() }).unwrap();
        let after = std::fs::read(&path).unwrap();
        // Any words of the one among those of the other, the outer ones included.
        for mixture in 1..0b11_1111_u32 {
            let pick = |(at, (old, new)): (usize, (&u8, &u8))| {
                if mixture >> (at / 8) & 1 == 1 { *new } else { *old }
            };
            let mixed: Vec<u8> = before.iter().zip(&after).enumerate().map(pick).collect();
            std::fs::write(&path, &mixed).unwrap();
            let whole = mixed == before || mixed == after;
            assert_eq!(ClockReader::open(&path).unwrap().now().is_ok(), whole, "{mixture:06b}");
        }
    }
}
