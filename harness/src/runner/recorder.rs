//! Records what happens: clients and nemesis put events into a buffer, a thread writes them to the run's folder.
//!
//! Times are taken inside the lock, so the order of the lines is the order of time. Latencies are measured here, off
//! the clients' path: one histogram a kind, not one a client.

use super::live::Live;
use hdrhistogram::{
    Histogram,
    serialization::{V2DeflateSerializer, interval_log::IntervalLogWriterBuilder},
};
use quarrel_workloads::{
    checker::OpenOperations,
    history::{Event, FORMAT_VERSION, Header, Writer},
    mark::{Mark, Marks},
};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

/// How long an event may wait before it is on its way to disk.
const LINGER: Duration = Duration::from_millis(5);
/// Events that may wait to be written. If the disk is slower than the clients, the clients wait.
const MAX_WAITING: usize = 1 << 20;
/// How often what is written is handed to the operating system, and the display learns new figures.
const FLUSH: Duration = Duration::from_millis(200);
/// Latencies are kept from a microsecond to a minute, to three digits.
const LATENCY_NS: (u64, u64) = (1_000, 60_000_000_000);

/// The latencies of a run, by kind of operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// The median of acknowledged writes.
    pub write_p50: Duration,
    /// The 99th percentile of acknowledged writes.
    pub write_p99: Duration,
    /// The median of reads.
    pub read_p50: Duration,
    /// The 99th percentile of reads.
    pub read_p99: Duration,
}

/// Where events go.
#[derive(Debug, Clone)]
pub(super) struct Recorder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start: Instant,
    buffer: Mutex<Buffer>,
    wake: Condvar,
    room: Condvar,
    /// Operations that have ended, for runs that are bounded by them.
    ended: AtomicU64,
}

#[derive(Debug, Default)]
struct Buffer {
    events: Vec<Event>,
    closed: bool,
    /// Set by the writer when the disk fails: then the run must stop.
    error: Option<String>,
}

/// The thread that writes. It ends when [`Recording::finish`] is called.
#[derive(Debug)]
pub(super) struct Recording {
    recorder: Recorder,
    thread: Option<JoinHandle<io::Result<Latency>>>,
}

impl Recorder {
    /// Records an event that happens now. The time, in nanoseconds since the start of the run, goes into the event.
    pub(super) fn record(&self, event: impl FnOnce(u64) -> Event) {
        let mut buffer = self.lock();
        while buffer.events.len() >= MAX_WAITING {
            buffer = self.0.room.wait(buffer).unwrap_or_else(PoisonError::into_inner);
        }
        let event = event(self.now_ns());
        if matches!(event, Event::Ok { .. } | Event::Fail { .. } | Event::Info { .. }) {
            self.0.ended.fetch_add(1, Ordering::Relaxed);
        }
        let was_empty = buffer.events.is_empty();
        buffer.events.push(event);
        drop(buffer);
        if was_empty {
            self.0.wake.notify_one();
        }
    }

    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(self.0.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Operations that have ended.
    pub(super) fn ended(&self) -> u64 {
        self.0.ended.load(Ordering::Relaxed)
    }

    /// What went wrong with the disk, if something did.
    pub(super) fn error(&self) -> Option<String> {
        self.lock().error.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.0.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for events; `None` once the recording is over and everything was taken.
    fn take(&self, into: &mut Vec<Event>) -> Option<()> {
        let mut buffer = self.lock();
        if buffer.events.is_empty() && !buffer.closed {
            let waited = self.0.wake.wait_timeout(buffer, FLUSH);
            buffer = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::swap(&mut buffer.events, into);
        self.0.room.notify_all();
        if into.is_empty() && buffer.closed { None } else { Some(()) }
    }
}

impl Recording {
    /// Opens the files and starts the thread.
    pub(super) fn start(folder: &Path, header: &Header, live: Arc<Live>) -> io::Result<Self> {
        let history = Writer::new(
            BufWriter::with_capacity(256 << 10, File::create(folder.join("history.jsonl"))?),
            header,
        )?;
        let mut nemesis = BufWriter::new(File::create(folder.join("nemesis.jsonl"))?);
        writeln!(nemesis, r#"{{"quarrel":"nemesis","v":{FORMAT_VERSION}}}"#)?;
        let intervals = File::create(folder.join("latency.hlog"))?;
        let shared = Shared {
            start: Instant::now(),
            buffer: Mutex::default(),
            wake: Condvar::new(),
            room: Condvar::new(),
            ended: AtomicU64::new(0),
        };
        let recorder = Recorder(Arc::new(shared));
        let lookout = live.is_watched().then(|| Lookout::new(header));
        let scribe =
            Scribe { recorder: recorder.clone(), history, nemesis, meter: Meter::new()?, lookout, live };
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || scribe.run(BufWriter::new(intervals)))?;
        Ok(Self { recorder, thread: Some(thread) })
    }

    pub(super) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Writes what is left and closes the files.
    pub(super) fn finish(mut self) -> io::Result<Latency> {
        self.close();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err(io::Error::other("the recorder's thread panicked")),
        }
    }

    fn close(&self) {
        self.recorder.lock().closed = true;
        self.recorder.0.wake.notify_one();
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.close();
        if let Some(thread) = self.thread.take() {
            // The run failed elsewhere; what was recorded is written all the same.
            let _ = thread.join();
        }
    }
}

struct Scribe {
    recorder: Recorder,
    history: Writer<BufWriter<File>>,
    nemesis: BufWriter<File>,
    meter: Meter,
    lookout: Option<Lookout>,
    live: Arc<Live>,
}

/// Sees situations arise, for whoever watches the run. The verdict does not depend on it: the judge looks again.
struct Lookout {
    marks: Marks,
    open: OpenOperations,
}

impl Lookout {
    fn new(header: &Header) -> Self {
        let cluster = &header.scenario.cluster;
        Self { marks: Marks::new(cluster.leaders, cluster.graph().ok()), open: OpenOperations::default() }
    }

    fn observe(&mut self, event: &Event) {
        self.open.observe(event);
        self.marks.observe(event, self.open.concerned(event), &self.open);
    }

    fn seen(&self) -> Vec<(&'static str, u64)> {
        let hits = Mark::ALL.into_iter().map(|mark| (mark.name(), self.marks.hits(mark)));
        hits.filter(|(_, hits)| *hits > 0).collect()
    }
}

impl Scribe {
    fn run(mut self, intervals: impl Write) -> io::Result<Latency> {
        let result = self.write_all(intervals);
        if let Err(error) = &result {
            self.recorder.lock().error = Some(error.to_string());
            // Keep taking, so that the clients' events do not pile up until the run has stopped.
            let mut events = Vec::new();
            while self.recorder.take(&mut events).is_some() {
                events.clear();
            }
        }
        result
    }

    fn write_all(&mut self, mut intervals: impl Write) -> io::Result<Latency> {
        let mut serializer = V2DeflateSerializer::new();
        let mut log = IntervalLogWriterBuilder::new()
            .with_start_time(SystemTime::now())
            .begin_log_with(&mut intervals, &mut serializer)
            .map_err(io::Error::other)?;
        let mut events = Vec::new();
        let mut flushed = Instant::now();
        let mut second = Instant::now();
        while self.recorder.take(&mut events).is_some() {
            let few = events.len() < 64;
            for event in events.drain(..) {
                self.meter.observe(&event);
                if let Some(lookout) = &mut self.lookout {
                    lookout.observe(&event);
                }
                if matches!(event, Event::Nemesis { .. }) {
                    serde_json::to_writer(&mut self.nemesis, &event)?;
                    self.nemesis.write_all(b"\n")?;
                }
                self.history.write(&event)?;
            }
            if flushed.elapsed() >= FLUSH {
                flushed = Instant::now();
                self.history.flush()?;
                self.nemesis.flush()?;
                let seen = self.lookout.as_ref().map(Lookout::seen).unwrap_or_default();
                self.live.update(|snapshot| {
                    [snapshot.ok, snapshot.fail, snapshot.info] = self.meter.counts;
                    snapshot.seen = seen;
                });
            }
            if second.elapsed() >= Duration::from_secs(1) {
                let began = self.recorder.0.start;
                self.meter.end_interval(
                    &mut log,
                    second.duration_since(began),
                    second.elapsed(),
                    &self.live,
                )?;
                second = Instant::now();
            }
            if few {
                std::thread::sleep(LINGER);
            }
        }
        let began = self.recorder.0.start;
        self.meter.end_interval(&mut log, second.duration_since(began), second.elapsed(), &self.live)?;
        self.history.flush()?;
        self.nemesis.flush()?;
        drop(log);
        intervals.flush()?;
        Ok(self.meter.latency())
    }
}

/// Latencies and counts, from the events as they pass.
struct Meter {
    /// When each client's open operation began, and whether it writes.
    open: Vec<Option<(u64, bool)>>,
    writes: Track,
    reads: Track,
    counts: [u64; 3],
    told: u64,
}

struct Track {
    whole: Histogram<u64>,
    interval: Histogram<u64>,
}

impl Track {
    fn new() -> io::Result<Self> {
        let make = || Histogram::new_with_bounds(LATENCY_NS.0, LATENCY_NS.1, 3).map_err(io::Error::other);
        Ok(Self { whole: make()?, interval: make()? })
    }

    fn end_interval(&mut self) -> io::Result<()> {
        self.whole.add(&self.interval).map_err(io::Error::other)?;
        self.interval.reset();
        Ok(())
    }
}

type IntervalLog<'a, 'b, W> =
    hdrhistogram::serialization::interval_log::IntervalLogWriter<'a, 'b, W, V2DeflateSerializer>;

impl Meter {
    fn new() -> io::Result<Self> {
        Ok(Self { open: Vec::new(), writes: Track::new()?, reads: Track::new()?, counts: [0; 3], told: 0 })
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::Invoke { t, client, write, .. } => {
                let index = client.0 as usize;
                if self.open.len() <= index {
                    self.open.resize(index + 1, None);
                }
                self.open[index] = Some((*t, write.is_some()));
            }
            Event::Ok { t, client, .. } => {
                self.counts[0] += 1;
                if let Some((began, is_write)) = self.open.get(client.0 as usize).copied().flatten() {
                    let track = if is_write { &mut self.writes } else { &mut self.reads };
                    track.interval.saturating_record((t - began).max(LATENCY_NS.0));
                }
            }
            Event::Fail { .. } => self.counts[1] += 1,
            Event::Info { .. } => self.counts[2] += 1,
            _ => {}
        }
    }

    fn end_interval<W: Write>(
        &mut self,
        log: &mut IntervalLog<'_, '_, W>,
        since_start: Duration,
        length: Duration,
        live: &Live,
    ) -> io::Result<()> {
        for (name, track) in [("write", &self.writes), ("read", &self.reads)] {
            if !track.interval.is_empty() {
                let tag = hdrhistogram::serialization::interval_log::Tag::new(name);
                log.write_histogram(&track.interval, since_start, length, tag).map_err(io::Error::other)?;
            }
        }
        let mut both = self.writes.interval.clone();
        both.add(&self.reads.interval).map_err(io::Error::other)?;
        let ended: u64 = self.counts.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = (ended - self.told) as f64 / length.as_secs_f64().max(1e-3);
        self.told = ended;
        live.update(|snapshot| {
            [snapshot.ok, snapshot.fail, snapshot.info] = self.counts;
            snapshot.rate = rate;
            snapshot.p50 = Duration::from_nanos(both.value_at_quantile(0.5));
            snapshot.p99 = Duration::from_nanos(both.value_at_quantile(0.99));
        });
        self.writes.end_interval()?;
        self.reads.end_interval()
    }

    fn latency(&self) -> Latency {
        let at = |track: &Track, quantile| Duration::from_nanos(track.whole.value_at_quantile(quantile));
        Latency {
            write_p50: at(&self.writes, 0.5),
            write_p99: at(&self.writes, 0.99),
            read_p50: at(&self.reads, 0.5),
            read_p99: at(&self.reads, 0.99),
        }
    }
}
