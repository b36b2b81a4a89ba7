//! Space-time diagrams: a lane for each client and replica, time downwards, messages as arrows between the lanes.
//!
//! A [`Scene`] says what is to be seen and not how: it does not matter whether it came from a witness, a trace of the
//! model or a run of a live cluster. [`svg`] draws it. The rooms: this one the scene, `witness` the scene of a
//! witness, `layout` where things stand, `svg` the drawing. Nothing here plays, judges or measures, and no float
//! decides a coordinate.

mod layout;
mod svg;
mod witness;

pub use svg::svg;
pub use witness::scene;

use alloc::{string::String, vec::Vec};

/// What is to be seen. Lanes and rows are numbered from 0; rows go downwards in time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scene {
    /// What it shows, in a few words.
    pub title: String,
    /// All of it in sentences, for those who do not see it.
    pub description: String,
    /// The lanes, from left to right.
    pub lanes: Vec<Lane>,
    /// The rows, from the top.
    pub rows: Vec<Row>,
    /// What happens at a lane.
    pub marks: Vec<Mark>,
    /// What goes from lane to lane.
    pub arrows: Vec<Arrow>,
    /// What lasts.
    pub bands: Vec<Band>,
}

/// A lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// What stands above it.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose lane it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A client.
    Client,
    /// A leader.
    Leader,
    /// A follower.
    Follower,
}

/// A row: one step, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// The number of the step, or nothing where it goes on.
    pub number: String,
    /// What happens, in short.
    pub caption: String,
}

/// A place in the scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The lane.
    pub lane: usize,
    /// The row.
    pub row: usize,
}

/// Something that happens at a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Where.
    pub place: Place,
    /// What.
    pub sign: Sign,
    /// What stands beside it; short.
    pub label: String,
    /// Whether it is about a write that won or one that lost.
    pub tone: Tone,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A client begins or ends something.
    Client,
    /// A version is applied.
    Applied,
    /// A version is discarded.
    Discarded,
    /// A version is merged.
    Merged,
    /// A version is kept beside others.
    Sibling,
    /// A clock is changed.
    Clock,
    /// A process dies or stops.
    Death,
    /// A process starts or goes on.
    Start,
    /// Anything else.
    Note,
    /// What is held in the end.
    End,
}

/// Whether a write won or lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Tone {
    /// Neither.
    #[default]
    Plain,
    /// It won over another.
    Won,
    /// It was acknowledged, and some replicas show it and others do not.
    Torn,
    /// It was acknowledged, and lost.
    Lost,
}

/// Something that goes from lane to lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrow {
    /// Where and when it was sent.
    pub from: Place,
    /// Where and when it arrived, or what else became of it.
    pub to: Arrival,
    /// What sort of message it is.
    pub cargo: Cargo,
    /// What it carries, in words.
    pub label: String,
    /// Whether it carries a write that won or one that lost.
    pub tone: Tone,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It arrived.
    At(Place),
    /// It is still under way to this lane.
    UnderWay(usize),
    /// It was lost on the way to this lane.
    Lost(usize),
}

/// The sort of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cargo {
    /// A request of a client.
    Request,
    /// The answer to one.
    Reply,
    /// Entries of a log.
    Entries,
    /// What leaders say to each other besides, and acknowledgements.
    Talk,
}

/// Something that lasts for some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Band {
    /// What.
    pub condition: Condition,
    /// The first row.
    pub from: usize,
    /// The row before which it ends; the number of rows if it does not.
    pub until: usize,
    /// What it is, in words.
    pub label: String,
}

/// What lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The process of this lane does not run.
    Dead(usize),
    /// The clock of this lane is wrong.
    Skewed(usize),
    /// Nothing passes between these lanes.
    Parted(usize, usize),
}
