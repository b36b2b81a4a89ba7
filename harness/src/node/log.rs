//! The write-ahead log of a node: one file of checksummed records.
//!
//! Layout: `QUARREL\x01`, then records of `length u32 | crc32(length) u32 | crc32(payload) u32 | payload`, all
//! little-endian, the payload a [`Record`] in postcard. The length has a checksum of its own, so that a damaged length
//! is told from a record that was cut off.

use crc32fast::hash as crc32;
use quarrel_models::message::Record;
use quarrel_workloads::scenario::Durability;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 8] = b"QUARREL\x01";
const HEADER_BYTES: usize = 12;

/// A log that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be read or written.
    #[error("cannot use the log {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{path} is not a quarrel log: it does not begin with the right bytes", path = path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
    },
    /// A record in the middle is damaged: what follows it cannot be trusted, and cutting it off would lose
    /// acknowledged writes.
    #[error(
        "the log {path} is damaged at byte {offset} (record {index}): {what}; restore the file, or remove it to rebuild this replica from its peers",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        offset: usize,
        /// The number of the record, from 0.
        index: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// What was found in a log file.
#[derive(Debug)]
pub struct Recovered {
    /// The records, in order.
    pub records: Vec<Record>,
    /// The bytes of a torn record that were cut off at the end.
    pub torn_bytes: usize,
}

/// A log open for appending.
#[derive(Debug)]
pub struct WriteAheadLog {
    file: File,
    durability: Durability,
    buffer: Vec<u8>,
}

impl WriteAheadLog {
    /// Opens or creates the log, and reads what it holds. A torn tail is cut off.
    ///
    /// # Errors
    /// [`LogError`] if the file cannot be used, is something else, or is damaged in the middle.
    pub fn open(path: &Path, durability: Durability) -> Result<(Self, Recovered), LogError> {
        let io_error = |source| LogError::Io { path: path.to_owned(), source };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io_error(error)),
        };
        let (recovered, good_bytes) = scan(path, &bytes)?;
        let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(io_error)?;
        if good_bytes == 0 {
            file.set_len(0).and_then(|()| file.write_all(MAGIC)).map_err(io_error)?;
        } else if good_bytes < bytes.len() {
            file.set_len(good_bytes as u64).map_err(io_error)?;
        }
        if durability == Durability::Fsync {
            file.sync_all().map_err(io_error)?;
            // A file that is on disk under no name is lost with the power, too.
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error)?;
        }
        Ok((Self { file, durability, buffer: Vec::new() }, recovered))
    }

    /// Reads what a log holds, and leaves the file as it is.
    ///
    /// # Errors
    /// As [`WriteAheadLog::open`].
    pub fn read(path: &Path) -> Result<Recovered, LogError> {
        let bytes = std::fs::read(path).map_err(|source| LogError::Io { path: path.to_owned(), source })?;
        Ok(scan(path, &bytes)?.0)
    }

    /// Adds a record to what the next [`commit`](Self::commit) makes durable.
    ///
    /// # Errors
    /// If the record cannot be encoded.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        if self.durability == Durability::None && matches!(record, Record::Reserve(_)) {
            // A reservation that could be lost would be none.
            let mut bytes = Vec::new();
            encode(record, &mut bytes)?;
            return self.file.write_all(&bytes);
        }
        encode(record, &mut self.buffer)
    }

    /// Makes all records as durable as was promised.
    ///
    /// # Errors
    /// If the file cannot be written: the node must not acknowledge anything any more.
    pub fn commit(&mut self) -> io::Result<()> {
        if self.durability == Durability::None || self.buffer.is_empty() {
            return Ok(());
        }
        self.flush()?;
        if self.durability == Durability::Fsync { self.file.sync_data() } else { Ok(()) }
    }

    /// Hands what is buffered to the operating system, whatever was promised.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

fn encode(record: &Record, buffer: &mut Vec<u8>) -> io::Result<()> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER_BYTES]);
    *buffer = postcard::to_extend(record, std::mem::take(buffer)).map_err(io::Error::other)?;
    let (header, payload) = buffer[start..].split_at_mut(HEADER_BYTES);
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?.to_le_bytes();
    header[0..4].copy_from_slice(&length);
    header[4..8].copy_from_slice(&crc32(&length).to_le_bytes());
    header[8..12].copy_from_slice(&crc32(payload).to_le_bytes());
    Ok(())
}

/// Reads all records, and says how many bytes are good.
fn scan(path: &Path, bytes: &[u8]) -> Result<(Recovered, usize), LogError> {
    let mut records = Vec::new();
    if !bytes.starts_with(MAGIC) {
        // A file shorter than its magic is one that was being created.
        if MAGIC.starts_with(bytes) {
            return Ok((Recovered { records, torn_bytes: bytes.len() }, 0));
        }
        return Err(LogError::NotALog { path: path.to_owned() });
    }
    let mut at = MAGIC.len();
    while at < bytes.len() {
        let damaged =
            |what| LogError::Damaged { path: path.to_owned(), offset: at, index: records.len(), what };
        let rest = &bytes[at..];
        let Some((header, body)) = rest.split_first_chunk::<HEADER_BYTES>() else { break };
        let word = |n: usize| u32::from_le_bytes([header[n], header[n + 1], header[n + 2], header[n + 3]]);
        if crc32(&header[0..4]) != word(4) {
            return Err(damaged("the record's length does not match its checksum"));
        }
        let length = word(0) as usize;
        let Some(payload) = body.get(..length) else { break };
        if crc32(payload) != word(8) {
            if body.len() == length {
                break;
            }
            return Err(damaged("the record does not match its checksum"));
        }
        let record = postcard::from_bytes(payload).map_err(|_| damaged("the record cannot be read"))?;
        records.push(record);
        at += HEADER_BYTES + length;
    }
    Ok((Recovered { records, torn_bytes: bytes.len() - at }, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(records: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("A.log");
        let (mut log, _) = WriteAheadLog::open(&path, Durability::Fsync).unwrap();
        for n in 1..=records {
            log.append(&Record::Reserve(n)).unwrap();
        }
        log.commit().unwrap();
        (folder, path)
    }

    fn records_in(path: &Path) -> Result<(usize, usize), LogError> {
        WriteAheadLog::open(path, Durability::Os).map(|(_, found)| (found.records.len(), found.torn_bytes))
    }

    #[test]
    fn a_log_cut_off_anywhere_keeps_its_whole_records_and_goes_on() {
        let (_folder, path) = log_of(3);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let (records, _) = records_in(&path).unwrap();
            let (mut log, _) = WriteAheadLog::open(&path, Durability::Os).unwrap();
            log.append(&Record::Reserve(9)).unwrap();
            log.commit().unwrap();
            assert_eq!(records_in(&path).unwrap(), (records + 1, 0), "cut at {length}");
        }
    }

    #[test]
    fn damage_in_the_middle_is_an_error_that_says_where() {
        let (_folder, path) = log_of(3);
        let whole = std::fs::read(&path).unwrap();
        let record_bytes = (whole.len() - MAGIC.len()) / 3;
        for at in MAGIC.len()..MAGIC.len() + 2 * record_bytes {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            std::fs::write(&path, &bytes).unwrap();
            match records_in(&path) {
                Err(LogError::Damaged { offset, .. }) => assert!(offset <= at && at < offset + record_bytes),
                other => panic!("damage at byte {at} went unnoticed: {other:?}"),
            }
        }
    }

    #[test]
    fn a_file_of_another_kind_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "shopping: milk").unwrap();
        assert!(matches!(records_in(&path), Err(LogError::NotALog { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "shopping: milk");
    }

    #[test]
    fn without_durability_only_reservations_are_written_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("A.log");
        let (mut log, _) = WriteAheadLog::open(&path, Durability::None).unwrap();
        let home = Record::Home {
            key: "k".into(),
            leader: quarrel_models::id::ReplicaId(0),
            epoch: 1,
            given: false,
        };
        log.append(&home).unwrap();
        log.append(&Record::Reserve(7)).unwrap();
        log.commit().unwrap();
        assert_eq!(records_in(&path).unwrap(), (1, 0));
        log.flush().unwrap();
        assert_eq!(records_in(&path).unwrap(), (2, 0));
    }
}
