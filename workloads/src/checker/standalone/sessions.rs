//! The four session guarantees (Terry et al., "Session guarantees for weakly consistent replicated data", 1994), each
//! with the operations that break it.
//!
//! They need an order of the versions of a register. A foreign history tells none but the causal one: a version is
//! older than another if the other's writer knew of it. What neither knew of the other is never called old.

use super::{
    Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness,
    causal::{cyclic_order, thin_air_witness, too_many},
    causality::{
        Access, Accesses, CausalOrder, INITIAL, THIN_AIR, Visitor, WriteNumber, WritesByKey, accesses,
    },
};
use crate::history::recorded::{DatumMap, Recorded};
use smallvec::SmallVec;

/// A read of a session shows an older version, or nothing,
/// - although the session has written one itself (read your writes);
/// - although it has read one (monotonic reads);
/// - although it has read a later write of a session that had written one before (monotonic writes);
/// - although it has read a write of a session that had read one before (writes follow reads).
#[derive(Debug)]
pub(super) struct Sessions;

impl StandaloneChecker for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn about(&self) -> &'static str {
        "read your writes, monotonic reads, monotonic writes, writes follow reads"
    }

    fn check(&self, history: &Recorded, _: &Options<'_>) -> Result<Findings, Unfit> {
        let accesses = accesses(history)?;
        let mut findings = Findings::default();
        let mut guarantees = Guarantees::new(history, &accesses);
        let Some(order) = CausalOrder::follow(&accesses, &mut guarantees) else {
            findings.unknown(too_many(&accesses));
            return Ok(findings);
        };
        findings.figure("reads", guarantees.reads);
        findings.figure("writes", accesses.writes.len());
        findings.figure("sessions", accesses.sessions.len());
        if guarantees.reads == 0 {
            findings.unknown("no read was answered");
        }
        findings.fail(cyclic_order(&order));
        findings.fail(guarantees.thin_air);
        for broken in guarantees.broken {
            findings.fail(broken);
        }
        Ok(findings)
    }
}

/// A version that a session has read of a register, on a frontier: the versions that none of the others knew of. Those
/// of one frontier stand together, and have one position. Twelve bytes: there may be millions.
#[derive(Debug, Clone, Copy)]
struct Version {
    /// How many writes of the session stand before the read after which the frontier was so.
    position: u32,
    write: WriteNumber,
    /// The operation that read it.
    read: u32,
}

/// A session that has read a register.
#[derive(Debug, Clone, Copy)]
struct Reader {
    session: u32,
    /// Where its frontiers are.
    list: u32,
    /// The session and position of the last version that it has read, if that is alone on its frontier. All that it
    /// has read before is older: one look tells that nothing here is newer than what another has read.
    latest: Option<(u32, u32)>,
}

const READ_YOUR_WRITES: usize = 0;
const MONOTONIC_READS: usize = 1;
const MONOTONIC_WRITES: usize = 2;
const WRITES_FOLLOW_READS: usize = 3;

struct Guarantees<'a> {
    history: &'a Recorded,
    accesses: &'a Accesses,
    index: WritesByKey,
    /// Of every session: of every session, the last of its writes that was read, as position.
    direct: Vec<u32>,
    /// Of every session, how many writes it has made.
    position: Vec<u32>,
    /// Of every register, the sessions that have read it.
    readers: Vec<Vec<Reader>>,
    /// Of every session and register, its frontiers, one after the other.
    frontiers: Vec<Vec<Version>>,
    broken: [FoundAnomaly; 4],
    thin_air: FoundAnomaly,
    reads: u64,
    /// The write that a session has read of another, for witnesses: by session, session and position.
    seen: DatumMap<(u32, u32), (WriteNumber, u32)>,
}

impl<'a> Guarantees<'a> {
    fn new(history: &'a Recorded, accesses: &'a Accesses) -> Self {
        let (own, all) = (accesses.sessions.len(), accesses.session_count());
        let direct = if own.checked_mul(all).is_some_and(|size| size < 1 << 30) {
            vec![0; own * all]
        } else {
            Vec::new()
        };
        Self {
            history,
            accesses,
            index: WritesByKey::new(accesses),
            direct,
            position: vec![0; own],
            readers: vec![Vec::new(); accesses.keys.len()],
            frontiers: Vec::new(),
            broken: ["read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads"]
                .map(FoundAnomaly::new),
            thin_air: FoundAnomaly::new("ThinAirRead"),
            reads: 0,
            seen: DatumMap::default(),
        }
    }

    /// The frontier of a session and register that was so before its write of this position.
    fn frontier(&self, list: u32, before: u32) -> &[Version] {
        const NEAR: usize = 8;
        let list = &self.frontiers[list as usize];
        // What sessions know of each other is mostly recent: the search begins at the end.
        let near = list.len() - list.len().min(NEAR);
        let end = match list[near..].iter().rposition(|version| version.position < before) {
            Some(at) => near + at + 1,
            None => list[..near].partition_point(|version| version.position < before),
        };
        last_frontier(&list[..end])
    }

    fn witness(guarantee: usize, operations: Vec<usize>) -> Witness {
        let why = [
            "a session does not see its own write",
            "a session sees an older version than it has seen before",
            "a session sees a later write of another session, and not an earlier one",
            "a session sees a write, and not what that write's session had seen before",
        ];
        Witness { why: why[guarantee].to_owned(), operations }
    }

    fn operation(&self, write: WriteNumber) -> usize {
        self.accesses.writes[write as usize].operation as usize
    }

    /// The operations that show what a read saw: the older write, if there was one, and the read.
    fn shown(&self, access: Access, between: &[usize]) -> Vec<usize> {
        let older = (access.write != INITIAL).then(|| self.operation(access.write));
        older.into_iter().chain(between.iter().copied()).chain([access.operation as usize]).collect()
    }

    /// Own writes, and writes before those that were read.
    fn writes(&mut self, order: &CausalOrder, session: usize, access: Access) {
        let width = self.accesses.session_count();
        let (accesses, direct, own) =
            (self.accesses, &self.direct[session * width..][..width], self.position[session]);
        let mut found: [Option<WriteNumber>; 2] = [None, None];
        let source = order.has(access.write).then(|| order.clock(access.write));
        self.index.last_ones(
            access.key(),
            |other| {
                let after = source.map_or(0, |source| source.at(other));
                (
                    after,
                    if other as usize == session { own } else { direct[other as usize].saturating_sub(1) },
                )
            },
            |_, write| {
                if access.write == INITIAL || order.before(accesses, access.write, write) {
                    let is_own = accesses.writes[write as usize].session as usize == session;
                    found[usize::from(!is_own)].get_or_insert(write);
                }
            },
        );
        if let Some(write) = found[0] {
            let witness = Self::witness(READ_YOUR_WRITES, self.shown(access, &[self.operation(write)]));
            self.broken[READ_YOUR_WRITES].add(|| witness);
        }
        if let Some(write) = found[1] {
            let other = self.accesses.writes[write as usize].session;
            let later = self.seen_of(session, other);
            let mut between = vec![self.operation(write)];
            between
                .extend(later.into_iter().flat_map(|(later, read)| [self.operation(later), read as usize]));
            let witness = Self::witness(MONOTONIC_WRITES, self.shown(access, &between));
            self.broken[MONOTONIC_WRITES].add(|| witness);
        }
    }

    fn seen_of(&self, session: usize, other: u32) -> Option<(WriteNumber, u32)> {
        self.seen.get(&(u32::try_from(session).ok()?, other)).copied()
    }

    /// Own reads, and reads before writes that were read.
    fn reads(&mut self, order: &CausalOrder, session: usize, access: Access) {
        let width = self.accesses.session_count();
        let source = order.has(access.write).then(|| order.clock(access.write));
        let is_newer = |version: &&Version| {
            access.write == INITIAL || order.before(self.accesses, access.write, version.write)
        };
        let mut found: [Option<(u32, Version)>; 2] = [None, None];
        for reader in &self.readers[access.key() as usize] {
            let is_known =
                |(session, position): (u32, u32)| source.is_some_and(|source| source.at(session) >= position);
            if reader.latest.is_some_and(is_known) {
                continue;
            }
            let is_own = reader.session as usize == session;
            let before =
                if is_own { u32::MAX } else { self.direct[session * width + reader.session as usize] };
            let slot = usize::from(!is_own);
            if before > 0 && found[slot].is_none() {
                let newer = self.frontier(reader.list, before).iter().find(is_newer);
                found[slot] = newer.map(|&version| (reader.session, version));
            }
        }
        if let Some((_, version)) = found[0] {
            let between = [self.operation(version.write), version.read as usize];
            let witness = Self::witness(MONOTONIC_READS, self.shown(access, &between));
            self.broken[MONOTONIC_READS].add(|| witness);
        }
        if let Some((other, version)) = found[1] {
            let mut between = vec![self.operation(version.write), version.read as usize];
            let later = self.seen_of(session, other);
            between
                .extend(later.into_iter().flat_map(|(later, read)| [self.operation(later), read as usize]));
            let witness = Self::witness(WRITES_FOLLOW_READS, self.shown(access, &between));
            self.broken[WRITES_FOLLOW_READS].add(|| witness);
        }
    }

    /// Takes up what the session has now read.
    fn note(&mut self, order: &CausalOrder, session: usize, access: Access) {
        let width = self.accesses.session_count();
        let write = self.accesses.writes[access.write as usize];
        let direct = &mut self.direct[session * width + write.session as usize];
        if write.position > *direct {
            *direct = write.position;
            let key = (u32::try_from(session).unwrap_or(u32::MAX), write.session);
            self.seen.insert(key, (access.write, access.operation));
        }
        let Self { accesses, readers, frontiers, .. } = self;
        let readers = &mut readers[access.key() as usize];
        let number = u32::try_from(session).unwrap_or(u32::MAX);
        let at = readers.iter().position(|reader| reader.session == number).unwrap_or_else(|| {
            let list = u32::try_from(frontiers.len()).unwrap_or(u32::MAX);
            frontiers.push(Vec::new());
            readers.push(Reader { session: number, list, latest: None });
            readers.len() - 1
        });
        let reader = &mut readers[at];
        let list = &mut frontiers[reader.list as usize];
        let last = last_frontier(list);
        if last.iter().any(|version| order.up_to(accesses, access.write, version.write)) {
            return;
        }
        let position = self.position[session];
        let start = list.len() - last.len();
        let mut kept: SmallVec<[Version; 8]> = SmallVec::from_slice(last);
        kept.retain(|version| !order.before(accesses, version.write, access.write));
        // Between two writes only what was so in the end counts.
        if last.first().is_some_and(|version| version.position == position) {
            list.truncate(start);
        }
        reader.latest = kept.is_empty().then_some((write.session, write.position));
        list.extend(kept.into_iter().map(|version| Version { position, ..version }));
        list.push(Version { position, write: access.write, read: access.operation });
    }
}

/// The last frontier of some.
fn last_frontier(list: &[Version]) -> &[Version] {
    let is_of_last = |version: &Version| list.last().is_some_and(|last| last.position == version.position);
    &list[list.iter().rposition(|version| !is_of_last(version)).map_or(0, |before| before + 1)..]
}

impl Visitor for Guarantees<'_> {
    fn read(&mut self, order: &CausalOrder, session: usize, access: Access, _: &[u32]) {
        self.reads += 1;
        if access.write == THIN_AIR {
            self.thin_air.add(|| thin_air_witness(self.history, self.accesses, access));
            return;
        }
        self.writes(order, session, access);
        self.reads(order, session, access);
    }

    fn done(&mut self, order: &CausalOrder, session: usize, access: Access) {
        if access.is_write() {
            let write = self.accesses.writes[access.write as usize];
            if !self.accesses.is_lone(&write) {
                self.position[session] = write.position;
            }
        } else if access.write != INITIAL && access.write != THIN_AIR {
            self.note(order, session, access);
        }
    }
}
