//! What is shown while a run runs: a few lines on a terminal, one plain line per phase if asked, otherwise nothing.
//! Always on standard error.

use crate::{
    report::grouped,
    runner::{Interrupt, Live, Snapshot},
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use quarrel_workloads::history::Phase;
use std::{
    io::Write as _,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// The lines below the bar.
const LINES: usize = 5;

/// The most characters of such a line.
const COLUMNS: usize = 74;
/// What is said after Ctrl-C.
pub(crate) const INTERRUPTED: &str =
    "interrupted: healing, and judging what was recorded; once more to stop at once";

/// What to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Progress {
    /// A display on a terminal, nothing elsewhere.
    #[default]
    Auto,
    /// One line per phase.
    Plain,
    /// Nothing.
    Off,
}

impl Progress {
    /// Whether this is a display that is drawn again and again.
    #[must_use]
    pub fn is_display(self, terminal: bool) -> bool {
        self == Self::Auto && terminal
    }
}

/// A display that follows a run until it is dropped.
#[derive(Debug)]
pub struct Display(Option<(Sender<()>, JoinHandle<()>)>);

impl Display {
    /// Begins to follow the run.
    #[must_use]
    pub fn start(live: Arc<Live>, interrupt: Interrupt, progress: Progress, terminal: bool) -> Self {
        let show: fn(&Live, &Interrupt, &mpsc::Receiver<()>) = match progress {
            progress if progress.is_display(terminal) => on_terminal,
            Progress::Plain => plainly,
            Progress::Auto | Progress::Off => return Self(None),
        };
        live.watch();
        let (stop, stopped) = mpsc::channel();
        // Without a thread there is no display, and the run goes on.
        let shown = thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || show(&live, &interrupt, &stopped));
        Self(shown.ok().map(|thread| (stop, thread)))
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            // A display that panicked has said so; the run's outcome counts.
            drop(thread.join());
        }
    }
}

/// Waits for the next look. False at the end.
fn next_look(stopped: &mpsc::Receiver<()>) -> bool {
    matches!(stopped.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout))
}

fn plainly(live: &Live, _: &Interrupt, stopped: &mpsc::Receiver<()>) {
    let mut told = None;
    loop {
        let goes_on = next_look(stopped);
        let look = live.look();
        if look.phase != told {
            told = look.phase;
            // A display that cannot be written stops nobody.
            let _ = writeln!(std::io::stderr(), "{}", plain_line(&look));
        }
        if !goes_on {
            return;
        }
    }
}

fn on_terminal(live: &Live, interrupt: &Interrupt, stopped: &mpsc::Receiver<()>) {
    let screen = MultiProgress::new();
    let bar = screen.add(ProgressBar::new(1));
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {msg}") {
        bar.set_style(style);
    }
    let lines: Vec<ProgressBar> = (0..LINES)
        .map(|_| {
            let line = screen.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("  {msg}") {
                line.set_style(style);
            }
            line
        })
        .collect();
    let mut told = false;
    loop {
        let goes_on = next_look(stopped);
        if interrupt.is_requested() && !told {
            told = true;
            // A display that cannot be written stops nobody.
            let _ = screen.println(INTERRUPTED);
        }
        if !goes_on {
            break;
        }
        let look = live.look();
        bar.set_prefix(format!("{} {:<10}", look.scenario, phase_name(look.phase)));
        bar.set_length(millis(look.planned).max(1));
        bar.set_position(millis(look.in_phase.min(look.planned)));
        let planned = if look.planned.is_zero() {
            String::new()
        } else {
            format!(" of {:.1}s", look.planned.as_secs_f64())
        };
        bar.set_message(format!("{:.1}s{planned}", look.in_phase.as_secs_f64()));
        for (line, text) in lines.iter().zip(figures(&look)) {
            line.set_message(cut(text));
        }
    }
    lines.iter().for_each(ProgressBar::finish_and_clear);
    bar.finish_and_clear();
}

/// A text that leaves room at the end of its line: there a terminal shows `^C`.
fn cut(text: String) -> String {
    if text.chars().count() <= COLUMNS {
        return text;
    }
    text.chars().take(COLUMNS - 3).chain("...".chars()).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

const fn phase_name(phase: Option<Phase>) -> &'static str {
    match phase {
        None => "starting",
        Some(Phase::WarmUp) => "warm-up",
        Some(Phase::Storm) => "storm",
        Some(Phase::Heal) => "healing",
        Some(Phase::Quiesce) => "quiescing",
        Some(Phase::ReadAll) => "reading",
    }
}

/// The lines below the bar.
fn figures(look: &Snapshot) -> [String; LINES] {
    let latency = if look.p99.is_zero() {
        "latency after the first second".to_owned()
    } else {
        format!("latency p50 {:.1?}  p99 {:.1?}", look.p50, look.p99)
    };
    let faults = if look.faults.is_empty() { "none".to_owned() } else { look.faults.join(", ") };
    let seen: Vec<String> =
        look.seen.iter().map(|(mark, hits)| format!("{mark} {}", grouped(*hits))).collect();
    let seen = if seen.is_empty() { "nothing yet".to_owned() } else { seen.join(", ") };
    [
        format!(
            "ops     ok {}  fail {}  info {}  {}/s",
            grouped(look.ok),
            grouped(look.fail),
            grouped(look.info),
            // A rate is never negative nor beyond what fits.
            grouped(look.rate.round().max(0.0) as u64)
        ),
        latency,
        format!("faults  {faults}"),
        format!("last    {}", look.last),
        format!("seen    {seen}"),
    ]
}

fn plain_line(look: &Snapshot) -> String {
    let done = look.ok + look.fail + look.info;
    let planned = look.planned.as_secs_f64();
    let planned = if planned > 0.0 { format!(", {planned:.1}s planned") } else { String::new() };
    format!("{}: {}{planned}; {} operations so far", look.scenario, phase_name(look.phase), grouped(done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_say_rate_faults_and_the_last_event() {
        let look = Snapshot {
            scenario: "smoke".to_owned(),
            phase: Some(Phase::Storm),
            planned: Duration::from_secs(8),
            ok: 5990,
            fail: 88,
            info: 3,
            rate: 613.4,
            p50: Duration::from_micros(2100),
            p99: Duration::from_millis(41),
            faults: vec!["B cut off".to_owned(), "A +800ms".to_owned()],
            last: "C killed".to_owned(),
            ..Snapshot::default()
        };
        let expected = [
            "ops     ok 5,990  fail 88  info 3  613/s",
            "latency p50 2.1ms  p99 41.0ms",
            "faults  B cut off, A +800ms",
            "last    C killed",
            "seen    nothing yet",
        ];
        assert_eq!(figures(&look), expected);
        assert_eq!(figures(&Snapshot::default())[1], "latency after the first second");
        assert_eq!(plain_line(&look), "smoke: storm, 8.0s planned; 6,081 operations so far");
    }

    #[test]
    fn a_display_ends_with_its_run() {
        let live = Arc::new(Live::new("smoke"));
        let start =
            |progress, terminal| Display::start(Arc::clone(&live), Interrupt::new(), progress, terminal);
        drop(start(Progress::Plain, false));
        drop(start(Progress::Auto, true));
        assert!(start(Progress::Auto, false).0.is_none());
    }

    #[test]
    fn a_long_list_of_faults_stays_on_its_line() {
        let long = "cut A>B ".repeat(20);
        assert_eq!(cut(long.clone()).chars().count(), COLUMNS);
        assert!(cut(long).ends_with("..."));
        assert_eq!(cut("none".to_owned()), "none");
    }
}
