//! Whether a value contains the effect of a write: decided here, for every operation.

use super::writes::{Kind, NONE, Write, Writes, hash_of};
use quarrel_models::{operation::is_held, value::Value};
use smallvec::SmallVec;

/// What an accumulating write makes true of a record, such as "element 7 is in" or "m1 does not hold 9:00".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fact<'a> {
    /// The field of a map; [`NONE`] for the elements of a set or the items of a list.
    pub(crate) field: u32,
    /// The element, item or holder.
    pub(crate) value: &'a Value,
    /// Whether it is there or not.
    pub(crate) there: bool,
}

impl Fact<'_> {
    pub(crate) fn contradicts(&self, other: &Self) -> bool {
        self.field == other.field && self.there != other.there && self.value == other.value
    }
}

/// What the write makes true; nothing for numbers and for what replaces the record.
pub(crate) fn facts<'a>(writes: &'a Writes, write: &Write) -> SmallVec<[Fact<'a>; 2]> {
    let Some(value) = writes.value_of(write) else { return SmallVec::new() };
    #[expect(clippy::cast_possible_truncation, reason = "the payload holds two numbers of 32 bits")]
    let (to, from) = (write.payload as u32, (write.payload >> 32) as u32);
    let fact = |field, there| Fact { field, value, there };
    match write.kind {
        Kind::Insert | Kind::Append => SmallVec::from_iter([fact(NONE, true)]),
        Kind::Remove => SmallVec::from_iter([fact(NONE, false)]),
        Kind::Claim => SmallVec::from_iter([fact(to, true)]),
        Kind::Release => SmallVec::from_iter([fact(to, false)]),
        Kind::Move => SmallVec::from_iter([fact(to, true), fact(from, false)]),
        Kind::Put | Kind::Delete | Kind::Add | Kind::Unknown => SmallVec::new(),
    }
}

/// A value, made ready for many questions.
#[derive(Debug)]
pub(crate) struct Lens<'a> {
    value: Option<&'a Value>,
    hash: Option<u64>,
    /// The items of a list, in order.
    items: Vec<&'a Value>,
}

impl<'a> Lens<'a> {
    pub(crate) fn new(value: Option<&'a Value>) -> Self {
        let mut items: Vec<&Value> = Vec::new();
        if let Some(Value::List(list)) = value {
            items.extend(list);
            items.sort_unstable();
        }
        Self { value, hash: value.map(hash_of), items }
    }

    pub(crate) const fn value(&self) -> Option<&'a Value> {
        self.value
    }

    /// Whether the value contains the effect of the write. Of an added number nobody can tell.
    pub(crate) fn shows(&self, writes: &Writes, write: &Write) -> bool {
        match write.kind {
            Kind::Put => {
                self.hash == Some(write.payload)
                    || writes.value_of(write).is_some_and(|put| contains(self.value, put))
            }
            Kind::Delete => self.value.is_none(),
            Kind::Add | Kind::Unknown => false,
            _ => facts(writes, write).iter().all(|fact| self.has(writes, fact) == fact.there),
        }
    }

    fn has(&self, writes: &Writes, fact: &Fact<'_>) -> bool {
        match self.value {
            Some(Value::Set(elements)) if fact.field == NONE => elements.contains(fact.value),
            Some(Value::List(_)) if fact.field == NONE => self.items.binary_search(&fact.value).is_ok(),
            Some(Value::Map(fields)) if fact.field != NONE => {
                is_held(fields, writes.field_name(fact.field), fact.value)
            }
            _ => false,
        }
    }
}

/// Whether the field is held by this value; as `operation::holders`, without making a set of one.
pub(crate) fn holds(field: Option<&Value>, value: &Value) -> bool {
    match field {
        None => false,
        Some(Value::Set(holders)) => holders.contains(value),
        Some(holder) => holder == value,
    }
}

/// Whether a merged collection contains another one.
fn contains(whole: Option<&Value>, part: &Value) -> bool {
    match (whole, part) {
        (Some(Value::Set(whole)), Value::Set(part)) => part.is_subset(whole),
        (Some(Value::List(whole)), Value::List(part)) => part.iter().all(|item| whole.contains(item)),
        (Some(Value::Map(whole)), Value::Map(part)) => part.iter().all(|(name, field)| match field {
            Value::Set(holders) => holders.iter().all(|holder| holds(whole.get(name), holder)),
            holder => holds(whole.get(name), holder),
        }),
        _ => false,
    }
}
