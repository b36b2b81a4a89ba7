//! A text that is put, appended to and got.
//!
//! Only texts that somebody got matter. The state is therefore a place in the sorted list of all texts that were got:
//! the range of those that begin with the text so far. A text that is the beginning of none of them is dead: all dead
//! texts behave alike, whatever is appended.

use super::specification::{Kind, Specification};
use crate::checker::table::Table;

/// What an operation on a text does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum TextClass<'a> {
    /// It returned this text.
    Get(&'a str),
    /// It replaced the text.
    Put(&'a str),
    /// It added this at the end.
    Append(&'a str),
}

/// The texts that were got and begin alike: a range of the sorted list, and the length of the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Prefix {
    from: u32,
    to: u32,
    length: u32,
}

/// One text.
#[derive(Debug)]
pub(super) struct Text<'a> {
    classes: Vec<TextClass<'a>>,
    /// All texts that were got, sorted, each once.
    got: Vec<&'a str>,
    states: Vec<Prefix>,
    numbers: Table<Prefix, u32>,
    initial: u32,
}

/// The state of all texts that nobody can get any more without a put.
const DEAD: u32 = 0;

impl<'a> Text<'a> {
    pub(super) fn new(classes: Vec<TextClass<'a>>) -> Self {
        let mut got: Vec<&str> = classes
            .iter()
            .filter_map(|class| if let TextClass::Get(text) = class { Some(*text) } else { None })
            .collect();
        got.sort_unstable();
        got.dedup();
        let nothing = Prefix { from: 0, to: 0, length: 0 };
        let mut text = Self { classes, got, states: vec![nothing], numbers: Table::default(), initial: DEAD };
        text.initial = text.followed_by(text.everything(), "");
        text
    }

    /// The state after `text` follows the beginning `before`.
    fn followed_by(&mut self, before: Prefix, text: &str) -> u32 {
        let length = before.length as usize;
        let range = &self.got[before.from as usize..before.to as usize];
        let skipped = range.partition_point(|got| &got.as_bytes()[length..] < text.as_bytes());
        let follows = |got: &&str| got.as_bytes()[length..].starts_with(text.as_bytes());
        let matching = range[skipped..].partition_point(follows);
        if matching == 0 {
            return DEAD;
        }
        let narrow = |size: usize| u32::try_from(size).expect("texts and their number are below 4 GiB");
        let from = before.from + narrow(skipped);
        let prefix = Prefix { from, to: from + narrow(matching), length: narrow(length + text.len()) };
        *self.numbers.entry(prefix).or_insert_with(|| {
            self.states.push(prefix);
            narrow(self.states.len() - 1)
        })
    }

    fn everything(&self) -> Prefix {
        let to = u32::try_from(self.got.len()).expect("there are no more texts than operations");
        Prefix { from: 0, to, length: 0 }
    }
}

impl Specification for Text<'_> {
    const CAN_DIE: bool = true;

    fn initial(&self) -> u32 {
        self.initial
    }

    fn kind(&self, class: u32) -> Kind {
        match self.classes[class as usize] {
            TextClass::Get(_) => Kind::Observer,
            TextClass::Put(_) => Kind::Overwrite,
            TextClass::Append(_) => Kind::Update,
        }
    }

    fn step(&mut self, state: u32, class: u32) -> Option<u32> {
        let before = self.states[state as usize];
        match self.classes[class as usize] {
            TextClass::Get(text) => {
                // A text stands before all that it is the beginning of.
                let is_here = state != DEAD
                    && before.length as usize == text.len()
                    && self.got[before.from as usize] == text;
                is_here.then_some(state)
            }
            TextClass::Put(text) => Some(self.followed_by(self.everything(), text)),
            TextClass::Append(_) if state == DEAD => Some(DEAD),
            TextClass::Append(text) => Some(self.followed_by(before, text)),
        }
    }

    fn is_dead(&self, state: u32) -> bool {
        state == DEAD
    }
}
