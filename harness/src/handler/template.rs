//! Handlers to begin with: each passes every check, which a test sees to.

/// A handler to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Template {
    /// A counter that both sides added to.
    Counter,
    /// A set to which elements are added.
    Set,
    /// A shopping cart: elements are also removed.
    Cart,
    /// The calendar of a room.
    Calendar,
    /// A text to which lines are added.
    Text,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Counter, Self::Set, Self::Cart, Self::Calendar, Self::Text];

    /// The name, as the command line spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Set => "set",
            Self::Cart => "cart",
            Self::Calendar => "calendar",
            Self::Text => "text",
        }
    }

    /// The file.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Counter => include_str!("templates/counter.rhai"),
            Self::Set => include_str!("templates/set.rhai"),
            Self::Cart => include_str!("templates/cart.rhai"),
            Self::Calendar => include_str!("templates/calendar.rhai"),
            Self::Text => include_str!("templates/text.rhai"),
        }
    }
}
