//! The sequential objects: register with compare-and-set, several registers in one operation, mutex.

use super::specification::{Kind, Specification};
use std::collections::BTreeMap;

/// What an operation on a register does. Values are numbers; zero is the initial value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum RegisterClass<V = u64> {
    /// It returned this value.
    Read(V),
    /// It replaced the value.
    Write(V),
    /// It found the first value, and replaced it by the second.
    CompareAndSet(V, V),
    /// It found another value than this.
    Mismatch(V),
}

impl<V> RegisterClass<V> {
    /// The same with other values.
    pub(super) fn map<W>(self, mut to: impl FnMut(V) -> W) -> RegisterClass<W> {
        match self {
            Self::Read(value) => RegisterClass::Read(to(value)),
            Self::Write(value) => RegisterClass::Write(to(value)),
            Self::CompareAndSet(old, new) => RegisterClass::CompareAndSet(to(old), to(new)),
            Self::Mismatch(value) => RegisterClass::Mismatch(to(value)),
        }
    }
}

/// One register.
#[derive(Debug)]
pub(super) struct Register(pub(super) Vec<RegisterClass<u32>>);

impl Specification for Register {
    fn initial(&self) -> u32 {
        0
    }

    fn kind(&self, class: u32) -> Kind {
        match self.0[class as usize] {
            RegisterClass::Read(_) | RegisterClass::Mismatch(_) => Kind::Observer,
            RegisterClass::Write(_) => Kind::Overwrite,
            RegisterClass::CompareAndSet(from, to) if from == to => Kind::Observer,
            RegisterClass::CompareAndSet(..) => Kind::Update,
        }
    }

    fn step(&mut self, state: u32, class: u32) -> Option<u32> {
        match self.0[class as usize] {
            RegisterClass::Read(value) => (state == value).then_some(state),
            RegisterClass::Write(value) => Some(value),
            RegisterClass::CompareAndSet(from, to) => (state == from).then_some(to),
            RegisterClass::Mismatch(value) => (state != value).then_some(state),
        }
    }
}

/// One step of an operation on several registers: (register, value).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum RegisterStep {
    /// This register held this value.
    Read(u32, u32),
    /// This register takes this value.
    Write(u32, u32),
}

/// Several registers, read and written together.
#[derive(Debug)]
pub(super) struct Registers {
    classes: Vec<Vec<RegisterStep>>,
    states: Vec<Vec<u32>>,
    numbers: BTreeMap<Vec<u32>, u32>,
}

impl Registers {
    pub(super) fn new(classes: Vec<Vec<RegisterStep>>, initial: Vec<u32>) -> Self {
        Self { classes, numbers: BTreeMap::from([(initial.clone(), 0)]), states: vec![initial] }
    }
}

impl Specification for Registers {
    fn initial(&self) -> u32 {
        0
    }

    fn kind(&self, class: u32) -> Kind {
        let steps = &self.classes[class as usize];
        let writes = steps.iter().any(|step| matches!(step, RegisterStep::Write(..)));
        if writes { Kind::Update } else { Kind::Observer }
    }

    fn step(&mut self, state: u32, class: u32) -> Option<u32> {
        let mut registers = self.states[state as usize].clone();
        for step in &self.classes[class as usize] {
            match *step {
                RegisterStep::Read(register, value) if registers[register as usize] != value => return None,
                RegisterStep::Read(..) => {}
                RegisterStep::Write(register, value) => registers[register as usize] = value,
            }
        }
        if let Some(&number) = self.numbers.get(&registers) {
            return Some(number);
        }
        let number = u32::try_from(self.states.len()).expect("the budget of steps is far smaller");
        self.states.push(registers.clone());
        self.numbers.insert(registers, number);
        Some(number)
    }
}

/// A lock that one holds at a time.
#[derive(Debug)]
pub(super) struct Mutex;

impl Mutex {
    pub(super) const ACQUIRE: u32 = 0;
    pub(super) const RELEASE: u32 = 1;
}

impl Specification for Mutex {
    fn initial(&self) -> u32 {
        0
    }

    fn kind(&self, _: u32) -> Kind {
        Kind::Update
    }

    fn step(&mut self, held: u32, class: u32) -> Option<u32> {
        (held == class).then_some(1 - held)
    }
}
