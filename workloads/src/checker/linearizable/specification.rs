//! What a sequential object does, as the search sees it: states and classes of operations are small numbers.

/// How an operation treats the state, whatever the state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Never changes the state: it can only be legal or not.
    Observer,
    /// Legal in every state, and the state after it does not depend on the one before.
    Overwrite,
    /// Anything else.
    Update,
}

/// A sequential object.
///
/// Operations of one class are interchangeable: they do the same, with the same result, in every state.
pub(super) trait Specification {
    /// Whether there are dead states at all.
    const CAN_DIE: bool = false;

    /// The state before the first operation.
    fn initial(&self) -> u32;

    /// How operations of this class treat the state.
    fn kind(&self, class: u32) -> Kind;

    /// The state after an operation of this class, or none if its result is impossible here.
    fn step(&mut self, state: u32, class: u32) -> Option<u32>;

    /// Whether no observer can ever be legal again unless an overwrite happens first.
    fn is_dead(&self, _state: u32) -> bool {
        false
    }
}

/// One operation on one object, with its place among the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Which operations it is interchangeable with.
    pub(super) class: u32,
    /// The event of its call.
    pub(super) call: u32,
    /// The event of its return. Without one it may take effect at any time after its call, or never.
    pub(super) ret: Option<u32>,
}
