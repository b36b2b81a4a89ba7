//! Witnesses played again. The player of `quarrel_models::witness` carries the steps out.
//!
//! The rooms: this one what a replay is and what comes of it, `judged` the fates, by the ledger that judges every run.
//! Nothing is printed here, and nothing is decided about data.

mod judged;

pub use judged::Judged;

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
        Ok(Self { played, told, judged })
    }

    /// Whether it shows what the witness says, and why that is known.
    #[must_use]
    pub fn verdict(&self, witness: &Witness) -> (Verdict, String) {
        self.judged.verdict(witness)
    }
}
