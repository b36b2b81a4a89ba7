//! How fast a history is parsed and judged, and in how much memory.
//!
//! `cargo bench -p quarrel-workloads` judges a million operations; `-- 5000000 register` so many of that workload. Each run
//! is a process of its own, so that the peak of memory is its own.

use quarrel_models::{
    clock::Stamp,
    id::{ClientId, Dot, ReplicaId, WriteId},
    operation::Operation,
    random::Stream,
    value::{Key, Value},
    version::VersionVector,
};
use quarrel_workloads::{
    checker::ledger::JsonLines,
    history::{Event, FORMAT_VERSION, FinalVersion, Header, OperationResult, Quiescence, Reader, Writer},
    judge::judge,
};
use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, BufReader, BufWriter, Write as _},
    time::Instant,
};

const LEADERS: u8 = 3;
const CLIENTS: u32 = 90;
const KEYS: u64 = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    let operations: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let workload = arguments.next().unwrap_or_else(|| "register".to_owned());
    let path = env::temp_dir().join(format!("quarrel-bench-{}.jsonl", std::process::id()));
    generate(&path, operations, &workload)?;
    let bytes = fs::metadata(&path)?.len();
    let open = || Ok::<_, io::Error>(BufReader::with_capacity(1 << 20, fs::File::open(&path)?));

    let start = Instant::now();
    let mut events = 0_u64;
    for event in Reader::new(open()?)? {
        event?;
        events += 1;
    }
    let parsed = start.elapsed().as_secs_f64();

    let start = Instant::now();
    let ledger = BufWriter::new(io::sink());
    let judgement = judge(Reader::new(open()?)?, &mut JsonLines::new(ledger)?)?;
    let judged = start.elapsed().as_secs_f64();
    fs::remove_file(&path)?;

    #[expect(clippy::cast_precision_loss, reason = "rates need no more than 53 bits")]
    let rate = |count: u64, seconds: f64| count as f64 / seconds / 1e6;
    writeln!(
        io::stdout(),
        "{workload}: {operations} operations, {events} events, {} MB: parsed in {parsed:.2} s ({:.2} M events/s); parsed and \
         judged in {judged:.2} s ({:.2} M operations/s); peak {} MiB; {} {:?}",
        bytes / 1_000_000,
        rate(events, parsed),
        rate(operations, judged),
        peak_mib()?,
        judgement.verdict,
        judgement.fates
    )?;
    Ok(())
}

/// The peak of this process's resident memory, as Linux tells it.
fn peak_mib() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0)
        / 1024)
}

/// The last version of a record, and the elements of a set.
#[derive(Default, Clone)]
struct Record {
    last: Option<FinalVersion>,
    elements: BTreeSet<Value>,
}

/// A cluster in which every leader lags a little behind the others, and later stamps win.
struct Generator {
    random: Stream,
    records: Vec<Record>,
    positions: [u32; LEADERS as usize],
    sequences: Vec<u32>,
    is_set: bool,
}

fn generate(
    path: &std::path::Path,
    operations: u64,
    workload: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let scenario = format!("name = 'bench'\n[strategy.lww]\n[workload.{workload}]\n");
    let header = Header {
        quarrel: "history".to_owned(),
        v: FORMAT_VERSION,
        seed: 1,
        started: "2026-01-01T00:00:00Z".to_owned(),
        system: "reference".to_owned(),
        scenario: toml::from_str(&scenario)?,
    };
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, fs::File::create(path)?), &header)?;
    let mut generator = Generator {
        random: Stream::new(1, "bench", 0),
        records: vec![Record::default(); usize::try_from(KEYS)?],
        positions: [0; LEADERS as usize],
        sequences: vec![0; CLIENTS as usize],
        is_set: workload == "set",
    };
    for n in 0..operations {
        generator.operation(n, &mut writer)?;
    }
    generator.finals(&mut writer)?;
    writer.write(&Event::End { t: operations * 1000, quiescence: Quiescence::Positions { after_ns: 1 } })?;
    writer.finish()?;
    Ok(())
}

fn key(index: usize) -> Key {
    format!("page-{index}").into()
}

impl Generator {
    fn operation<W: io::Write>(&mut self, n: u64, writer: &mut Writer<W>) -> io::Result<()> {
        #[expect(clippy::cast_possible_truncation, reason = "all are drawn below small bounds")]
        let (client, at, index) = (
            self.random.below(u64::from(CLIENTS)) as u32,
            self.random.below(u64::from(LEADERS)) as u8,
            self.random.below(KEYS) as usize,
        );
        let (client, at) = (ClientId(client), ReplicaId(at));
        let t = n * 1000;
        // Sets are hardly read: a million reads of whole sets would be a test of the disk.
        let reads = if self.is_set { n.is_multiple_of(1000) } else { n.is_multiple_of(2) };
        let mut result = OperationResult::default();
        let versions = self.records[index].last.iter().map(|last| last.write).collect();
        let (op, write) = if reads {
            result.value = self.value(index);
            (Operation::Read, None)
        } else {
            let (op, write, told) = self.write(n, client, at, index);
            result = told;
            (op, Some(write))
        };
        result.versions = versions;
        writer.write(&Event::Invoke { t, client, at, key: key(index), op, write })?;
        writer.write(&Event::Ok { t: t + 900, client, result })
    }

    fn write(
        &mut self,
        n: u64,
        client: ClientId,
        at: ReplicaId,
        index: usize,
    ) -> (Operation, WriteId, OperationResult) {
        let sequence = &mut self.sequences[client.0 as usize];
        *sequence += 1;
        let write = WriteId { client, sequence: *sequence };
        self.positions[at.index()] += 1;
        let dot = Dot { origin: at, position: self.positions[at.index()] };
        let mut knew = VersionVector::new();
        for (leader, &position) in (0..).zip(&self.positions) {
            let lag = if leader == at.0 { 0 } else { u32::try_from(self.random.below(200)).unwrap_or(0) };
            knew.advance(ReplicaId(leader), position.saturating_sub(lag));
        }
        let stamp = Stamp { time_us: i64::try_from(n).unwrap_or(0), logical: 0 };
        let value = Value::from(format!("{write}").as_str());
        self.records[index].last = Some(FinalVersion { write, dot, stamp, value: Some(value.clone()) });
        let op = if self.is_set {
            let element = Value::Int(i64::try_from(n).unwrap_or(0));
            self.records[index].elements.insert(element.clone());
            Operation::Insert(element)
        } else {
            Operation::Put(value)
        };
        let told =
            OperationResult { dot: Some(dot), stamp: Some(stamp), knew: Some(knew), ..Default::default() };
        (op, write, told)
    }

    fn value(&self, index: usize) -> Option<Value> {
        let record = &self.records[index];
        if self.is_set {
            return Some(Value::Set(record.elements.clone()));
        }
        record.last.as_ref().and_then(|last| last.value.clone())
    }

    fn finals<W: io::Write>(&self, writer: &mut Writer<W>) -> io::Result<()> {
        for replica in (0..LEADERS).map(ReplicaId) {
            let mut records = 0;
            for (index, record) in self.records.iter().enumerate().filter(|(_, record)| record.last.is_some())
            {
                records += 1;
                let value = self.value(index);
                let versions = record
                    .last
                    .iter()
                    .map(|last| FinalVersion { value: value.clone(), ..last.clone() })
                    .collect();
                writer.write(&Event::Final { replica, key: key(index), value, versions })?;
            }
            let applied = (0..).map(ReplicaId).zip(self.positions);
            let applied = applied.map(|(origin, position)| Dot { origin, position }).collect();
            writer.write(&Event::FinalEnd { replica, records, applied })?;
        }
        Ok(())
    }
}
