//! A campaign: many seeds of one scenario on several threads, merged in the order of the seeds.
//!
//! Nothing that is reported depends on the number of threads, but for how long it took: what a thread finds beyond the
//! seed at which the campaign stops is thrown away.

use super::tally::{Seed, Tally};
use crate::runner::Interrupt;
use quarrel_workloads::{
    scenario::Scenario,
    simulation::{SimulationError, Trial},
};
use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// What a campaign is to do.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// What is tried under each seed.
    pub trial: Trial,
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds, of all shards together.
    pub seeds: u64,
    /// Which of how many shards, from 1: a shard has every n-th seed.
    pub shard: (u64, u64),
    /// How many threads.
    pub jobs: usize,
    /// Whether it goes on after an unexpected finding.
    pub keep_going: bool,
    /// The most time that it may take.
    pub budget: Option<Duration>,
}

/// Why a campaign ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// All seeds were tried.
    Complete,
    /// A seed showed what the contract does not permit.
    Finding,
    /// Its time was over.
    Budget,
    /// Somebody asked to stop.
    Interrupted,
}

impl Campaign {
    /// All faults mixed anew for each seed, from seed 1, on as many threads as the machine has cores, until something is
    /// found.
    #[must_use]
    pub fn of(scenario: &Scenario, seeds: u64) -> Self {
        Self {
            trial: Trial::new(scenario, true),
            first_seed: 1,
            seeds,
            shard: (1, 1),
            jobs: thread::available_parallelism().map_or(1, usize::from),
            keep_going: false,
            budget: None,
        }
    }

    /// How many seeds this shard has.
    #[must_use]
    pub const fn own_seeds(&self) -> u64 {
        let (shard, shards) = self.shard;
        if self.seeds < shard { 0 } else { (self.seeds - shard) / shards + 1 }
    }

    /// The n-th seed of this shard.
    const fn seed(&self, number: u64) -> u64 {
        let (shard, shards) = self.shard;
        self.first_seed.wrapping_add(shard - 1).wrapping_add(number.wrapping_mul(shards))
    }

    /// Tries the seeds. `told` hears of the tally as it grows.
    ///
    /// # Errors
    /// [`SimulationError`] if the scenario cannot be run.
    ///
    /// # Panics
    /// With whatever a seed panicked with: a defect of ours.
    pub fn run(&self, stop: &Interrupt, mut told: impl FnMut(&Tally)) -> Result<Tally, SimulationError> {
        let began = Instant::now();
        let (next, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let jobs = u64::try_from(self.jobs).unwrap_or(1).clamp(1, self.own_seeds().max(1));
            for _ in 0..jobs {
                let (sender, next, over) = (sender.clone(), &next, &over);
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= self.own_seeds() {
                            break;
                        }
                        let caught = self.tried(number);
                        if caught.is_err() {
                            over.store(true, Ordering::Relaxed);
                        }
                        if sender.send((number, caught)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let tally = self.merge(&receiver, began, stop, &mut told);
            over.store(true, Ordering::Relaxed);
            tally
        })
    }

    /// A panic is told where it can be seen, and not lost with its thread.
    fn tried(&self, number: u64) -> Caught {
        let seed = self.seed(number);
        catch_unwind(AssertUnwindSafe(|| Ok(Seed::of(seed, &self.trial.run(seed)?))))
    }

    fn merge(
        &self,
        receiver: &mpsc::Receiver<(u64, Caught)>,
        began: Instant,
        stop: &Interrupt,
        told: &mut impl FnMut(&Tally),
    ) -> Result<Tally, SimulationError> {
        let mut tally = Tally::new(&self.trial);
        let (mut early, mut next) = (BTreeMap::new(), 0);
        let mut ended = Ended::Complete;
        'seeds: for (number, caught) in receiver {
            early.insert(number, caught);
            while let Some(caught) = early.remove(&next) {
                next += 1;
                let seed = caught.unwrap_or_else(|panic| resume_unwind(panic))?;
                let unexpected = tally.add(seed);
                tally.seconds = began.elapsed().as_secs_f64();
                told(&tally);
                if unexpected && !self.keep_going {
                    ended = Ended::Finding;
                    break 'seeds;
                }
            }
            if stop.is_requested() {
                ended = Ended::Interrupted;
                break;
            }
            if self.budget.is_some_and(|budget| began.elapsed() >= budget) && next < self.own_seeds() {
                ended = Ended::Budget;
                break;
            }
        }
        tally.conclude(ended);
        Ok(tally)
    }
}

type Caught = Result<Result<Seed, SimulationError>, Box<dyn Any + Send>>;

#[cfg(test)]
mod tests {
    use super::*;
    use quarrel_workloads::{
        mark::Mark,
        scenario::{parse, shipped_text},
        verdict::Verdict,
    };

    fn campaign(name: &str, seeds: u64) -> Campaign {
        let scenario = parse(name, shipped_text(name).unwrap(), &Mark::ALL.map(Mark::name)).unwrap();
        Campaign::of(&scenario.quicken(), seeds)
    }

    fn run(campaign: &Campaign) -> Tally {
        campaign.run(&Interrupt::new(), |_| {}).unwrap()
    }

    fn without_times(mut tally: Tally) -> Tally {
        tally.seconds = 0.0;
        tally
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let one = Campaign { jobs: 1, ..campaign("smoke", 12) };
        let three = Campaign { jobs: 3, ..one.clone() };
        let (one, three) = (without_times(run(&one)), without_times(run(&three)));
        assert_eq!(one, three);
        assert_eq!((one.seeds, one.verdict), (12, Verdict::Pass));
    }

    #[test]
    fn shards_have_each_seed_once_and_count_the_same_together() {
        let whole = run(&campaign("smoke", 10));
        let shards: Vec<Tally> =
            (1..=3).map(|shard| run(&Campaign { shard: (shard, 3), ..campaign("smoke", 10) })).collect();
        assert_eq!(shards.iter().map(|tally| tally.seeds).collect::<Vec<_>>(), [4, 3, 3]);
        assert_eq!(shards.iter().map(|tally| tally.operations).sum::<u64>(), whole.operations);
    }

    #[test]
    fn a_campaign_stops_at_the_first_unexpected_finding_or_counts_all() {
        let mut strict = campaign("lww-skew", 12);
        let mut scenario = strict.trial.scenario().clone();
        scenario.contract.allow.clear();
        strict.trial = Trial::new(&scenario, true);
        let first = run(&strict);
        assert_eq!((first.verdict, first.ended), (Verdict::Fail, Ended::Finding));
        assert!(first.seeds < 12, "{}", first.seeds);
        let all = run(&Campaign { keep_going: true, ..strict });
        assert_eq!((all.verdict, all.ended, all.seeds), (Verdict::Fail, Ended::Complete, 12));
        let finding = |tally: &Tally| tally.failures().next().map(|found| (found.kind, found.first_seed));
        assert_eq!(finding(&all), finding(&first), "the first finding is the same");
    }

    #[test]
    fn what_is_demanded_must_be_found_by_one_seed_at_least() {
        let mut calm = campaign("lww-skew", 4);
        let mut scenario = calm.trial.scenario().clone();
        scenario.contract.find = calm.trial.find().to_vec();
        scenario.nemesis = Default::default();
        calm.trial = Trial::new(&scenario, true);
        let tally = run(&calm);
        assert_eq!(tally.verdict, Verdict::Fail);
        assert_eq!(tally.missing, ["causal-inversion"]);
    }

    #[test]
    fn a_mark_that_no_seed_hits_leaves_the_campaign_unknown() {
        let mut calm = campaign("smoke", 4);
        let mut scenario = calm.trial.scenario().clone();
        scenario.contract.marks = calm.trial.marks().to_vec();
        scenario.nemesis = Default::default();
        calm.trial = Trial::new(&scenario, true);
        let tally = run(&calm);
        assert_eq!(tally.verdict, Verdict::Unknown);
        assert!(tally.marks.iter().any(|mark| mark.required && mark.seeds == 0));
    }

    #[test]
    fn a_campaign_ends_with_its_budget_or_when_it_is_asked_to() {
        let long = campaign("smoke", u64::MAX);
        let short = Campaign { budget: Some(Duration::from_millis(1)), ..long.clone() };
        assert_eq!(run(&short).ended, Ended::Budget);
        let stop = Interrupt::new();
        stop.request();
        let tally = long.run(&stop, |_| {}).unwrap();
        assert_eq!(tally.ended, Ended::Interrupted);
    }
}
