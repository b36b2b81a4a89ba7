//! Names of records as small numbers, in the order in which they were first met.

use quarrel_models::value::Key;
use std::collections::BTreeMap;

/// Names of records, and their numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    numbers: BTreeMap<Key, u32>,
    names: Vec<Key>,
}

impl Names {
    /// The number of this name; a new one if it was not met before.
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.into(), number);
        self.names.push(name.into());
        number
    }

    /// The number of this name, if it was met.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The name with this number.
    pub(crate) fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("?", Key::as_str)
    }

    /// All names, by number.
    pub(crate) fn all(&self) -> &[Key] {
        &self.names
    }
}
