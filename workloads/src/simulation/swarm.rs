//! Swarm: each seed draws its own mix of a scenario's faults, some of them none at all.
//!
//! Faults hide each other: a link that is always cut never delivers late, a clock that is always wrong never goes back. A
//! campaign in which every seed has a bit of everything sees less than one whose seeds differ (Groce and others, "Swarm
//! Testing", ISSTA 2012). Nothing is added that the scenario does not have, but for what every network does: links are
//! slow, jittery or lossy in some seeds; and where clocks go wrong at all, they are coarse in some.

use super::expand::{LOOPBACK, expand};
use crate::scenario::{OneOrMany, Scenario, Span, nemesis::Nemesis};
use quarrel_models::{
    fault::LinkQuality,
    random::Stream,
    sim::{Jitter, Schedule},
    topology::TopologyError,
};
use std::time::Duration;

/// Of so many tables of faults, one is left out.
const ABSENT_PPM: u32 = 350_000;
/// How often a link property is not perfect.
const IMPERFECT_PPM: u32 = 300_000;
/// The latencies and jitters that are drawn, microseconds.
const LATENCIES_US: [u64; 5] = [200, 1000, 5000, 20_000, 60_000];
/// The coarse ticks that are drawn, microseconds.
const TICKS_US: [u64; 3] = [1000, 10_000, 100_000];

/// The schedule of a scenario under a seed, with the mix of faults that the seed draws.
///
/// # Errors
/// [`TopologyError`] if the scenario's cluster cannot be laid out.
pub fn swarm(scenario: &Scenario, seed: u64) -> Result<Schedule, TopologyError> {
    let mut scenario = scenario.clone();
    let clocks = !scenario.nemesis.clock.is_empty();
    mix(&mut scenario.nemesis, seed);
    let mut schedule = expand(&scenario, seed)?;
    let mut draw = Stream::new(seed, "swarm links", 0);
    // What a scenario says of its links is a part of what it shows.
    if scenario.cluster.link == LinkQuality::default() {
        schedule.cluster.link = link(&mut draw);
    }
    schedule.cluster.jitter = if draw.chance_ppm(500_000) { Jitter::Uniform } else { Jitter::Exponential };
    let mut draw = Stream::new(seed, "swarm clocks", 0);
    if clocks && draw.chance_ppm(IMPERFECT_PPM) {
        schedule.cluster.clock_tick_us = one_of(&mut draw, &TICKS_US);
    }
    Ok(schedule)
}

fn one_of(draw: &mut Stream, choices: &[u64]) -> u64 {
    choices[usize::try_from(draw.below(choices.len() as u64)).unwrap_or(0)]
}

fn link(draw: &mut Stream) -> LinkQuality {
    let mut quality = LOOPBACK;
    if draw.chance_ppm(500_000) {
        (quality.latency_us, quality.jitter_us) = (one_of(draw, &LATENCIES_US), one_of(draw, &LATENCIES_US));
    }
    for ppm in [&mut quality.loss_ppm, &mut quality.duplicate_ppm, &mut quality.reorder_ppm] {
        if draw.chance_ppm(IMPERFECT_PPM) {
            *ppm = u32::try_from(draw.below(50_000)).unwrap_or(0);
        }
    }
    quality
}

/// Leaves tables out, and makes those that stay more or less frequent.
fn mix(nemesis: &mut Nemesis, seed: u64) {
    let Nemesis { partition, link, clock, relocate, kill, pause, offline, restore, maintenance } = nemesis;
    each(partition, seed, "swarm partition", |table| (&mut table.at, &mut table.every));
    each(link, seed, "swarm link", |table| (&mut table.at, &mut table.every));
    each(clock, seed, "swarm clock", |table| (&mut table.at, &mut table.every));
    each(relocate, seed, "swarm relocate", |table| (&mut table.at, &mut table.every));
    each(kill, seed, "swarm kill", |table| (&mut table.at, &mut table.every));
    each(pause, seed, "swarm pause", |table| (&mut table.at, &mut table.every));
    each(offline, seed, "swarm offline", |table| (&mut table.at, &mut table.every));
    each(restore, seed, "swarm restore", |table| (&mut table.at, &mut table.every));
    each(maintenance, seed, "swarm maintenance", |table| (&mut table.at, &mut table.every));
}

/// A table that is left out keeps its place, so that no other one draws anew.
fn each<T>(
    tables: &mut OneOrMany<T>,
    seed: u64,
    usage: &str,
    times: impl Fn(&mut T) -> (&mut Vec<Span>, &mut Option<Span>),
) {
    for (table, number) in tables.0.iter_mut().zip(0..) {
        let mut draw = Stream::new(seed, usage, number);
        let (at, every) = times(table);
        if draw.chance_ppm(ABSENT_PPM) {
            // A time after every storm: a table without any begins with the storm.
            (*at, *every) = (vec![Span::from(Duration::MAX)], None);
        } else if let Some(span) = every {
            let us = u64::try_from(span.duration().as_micros()).unwrap_or(u64::MAX);
            let us = us.saturating_mul(one_of(&mut draw, &[1, 2, 4])) / 2;
            *span = Span::from(Duration::from_micros(us.max(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{parse, shipped_text};
    use std::collections::BTreeSet;

    fn scenario(name: &str) -> Scenario {
        let marks = crate::mark::Mark::ALL.map(crate::mark::Mark::name);
        parse(name, shipped_text(name).unwrap(), &marks).unwrap()
    }

    #[test]
    fn every_mix_of_faults_is_drawn_by_some_seed_and_none_by_all() {
        let scenario = scenario("lww-skew");
        let kinds = |seed| -> BTreeSet<&'static str> {
            swarm(&scenario, seed).unwrap().faults.iter().map(|timed| timed.fault.kind()).collect()
        };
        let mixes: BTreeSet<BTreeSet<&str>> = (1..=200).map(kinds).collect();
        // Partition, clock, relocation: each absent or present.
        assert_eq!(mixes.len(), 8, "{mixes:?}");
    }

    #[test]
    fn networks_and_ticks_differ_from_seed_to_seed() {
        let scenario = scenario("lww-skew");
        let schedules: Vec<Schedule> = (1..=100).map(|seed| swarm(&scenario, seed).unwrap()).collect();
        let count = |is: fn(&Schedule) -> bool| schedules.iter().filter(|&schedule| is(schedule)).count();
        let perfect = count(|schedule| schedule.cluster.link == LOOPBACK);
        let coarse = count(|schedule| schedule.cluster.clock_tick_us > 0);
        let lossy = count(|schedule| schedule.cluster.link.loss_ppm > 0);
        for (what, count) in [("perfect", perfect), ("coarse", coarse), ("lossy", lossy)] {
            assert!((5..60).contains(&count), "{count} of 100 are {what}");
        }
    }

    #[test]
    fn what_a_scenario_says_of_its_links_and_clocks_stays() {
        let mut own = scenario("smoke");
        own.cluster.link.latency_us = 777;
        for seed in 1..=50 {
            let schedule = swarm(&own, seed).unwrap();
            assert_eq!(schedule.cluster.link, own.cluster.link);
            assert_eq!(schedule.cluster.clock_tick_us, 0, "no clock of it goes wrong");
        }
    }
}
