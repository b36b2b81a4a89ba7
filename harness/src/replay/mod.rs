//! Witnesses played again: by the core alone, or by real processes beside it.
//!
//! The player of `quarrel_models::witness` carries the steps out, and what it does is what must happen. On `live` every
//! step is then done to a cluster of real nodes too, which run *stepped*: they take one input at a time, at the time
//! that they are told, and nothing passes between them but what a step delivers.
//!
//! The rooms: this one what a replay is and what comes of it, `judged` the fates, by the ledger that judges every run,
//! `live` the cluster of real processes, `fold` the apply logs of a run that was not stepped. Nothing is printed here, and nothing is decided about data.

pub mod fold;
mod judged;
pub mod live;

pub use judged::Judged;
pub use live::{Difference, LiveError};

use quarrel_models::witness::{Narration, Played, Player, Witness, WitnessError, tell};
use quarrel_workloads::verdict::Verdict;

/// A witness that was played again.
#[derive(Debug)]
pub struct Replayed {
    /// What was seen, step by step.
    pub played: Played,
    /// The same in words, with the fates that the ledger gives.
    pub told: Narration,
    /// What the ledger and the checkers say.
    pub judged: Judged,
    /// Whether real processes did the same beside it, and were compared after each step.
    pub compared: bool,
    /// The first thing that they did otherwise. What follows was not done there.
    pub difference: Option<Difference>,
}

impl Replayed {
    /// Plays a witness by the core alone: the arena `sim`.
    ///
    /// # Errors
    /// [`WitnessError`] if it cannot be played, or comes out otherwise than it says; the fates that it states included.
    pub fn of(witness: &Witness) -> Result<Self, WitnessError> {
        let mut player = Player::new(witness)?;
        let steps = witness.steps.iter().map(|step| player.step(step)).collect::<Result<_, _>>()?;
        let played = player.finish(witness, steps)?;
        let judged = Judged::of(witness, &played, &player);
        judged.compare(witness)?;
        let told = tell(&judged.stated(witness, &played), &played);
        Ok(Self { played, told, judged, compared: false, difference: None })
    }

    /// Whether it shows what the witness says, and why that is known.
    #[must_use]
    pub fn verdict(&self, witness: &Witness) -> (Verdict, String) {
        match &self.difference {
            Some(difference) => (Verdict::Fail, difference.to_string()),
            None => {
                let (verdict, why) = self.judged.verdict(witness);
                let compared =
                    if self.compared { "; the real processes were the same after each step" } else { "" };
                (verdict, format!("{why}{compared}"))
            }
        }
    }
}
