//! What a syntax has to do: find the next event in the bytes at hand.

use super::{
    super::Builder,
    cursor::{Cursor, Step},
    fields::Fields,
};

/// What is to be known to read a history, and cannot be told from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// Values are tuples of an independent key and a value: `[key value]`.
    pub independent: bool,
}

/// What stands next.
#[derive(Debug)]
pub(super) enum Found {
    /// An event, which begins at this byte.
    Event { fields: Fields, begins: usize },
    /// Something that is read and done with.
    Punctuation,
    /// A read without effect and without result.
    Retracted(u32),
    /// The end, and whether all that was opened is closed.
    End { whole: bool },
}

pub(super) trait Syntax {
    /// Reads what stands at the cursor, and moves it behind. If the bytes end before, nothing has changed but values
    /// that were taken up: more bytes come, and it is asked again from the same place.
    fn next(&mut self, cursor: &mut Cursor<'_>, builder: &mut Builder, options: ReadOptions) -> Step<Found>;

    /// Forgets a form that was read half.
    fn restart(&mut self) {}
}
