//! The values of a recorded history: eight bytes each, equal if and only if what they stand for is equal.
//!
//! Small integers, booleans and nil are held in place. Texts and collections lie in the [`Values`] of their history,
//! each different one once: a checker compares, hashes and copies a [`Datum`] without ever looking into it.

use super::intern::{Index, finish, hash_bytes, mix};
use std::fmt;

/// A value, meaningful beside the [`Values`] that made it.
///
/// Equality is that of the values. The order is total and groups kinds (nil, booleans, integers by size, then texts,
/// lists, sets and maps by first appearance); it is the same for the same history, and means nothing beyond that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Datum(u64);

const TAG_SHIFT: u32 = 61;
const PAYLOAD: u64 = (1 << TAG_SHIFT) - 1;
/// Integers from -2^60 up to 2^60 - 1 are held in place, this much above zero.
const BIAS: i64 = 1 << 60;

const PLAIN: u64 = 0;
const INT: u64 = 1;
const BIG: u64 = 2;
const TEXT: u64 = 3;
const LIST: u64 = 4;
const SET: u64 = 5;
const MAP: u64 = 6;

/// What a [`Datum`] stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View<'a> {
    /// Nothing: `nil`, `null`, or no value at all.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A text. EDN's keywords and symbols are texts too (`:read` is `read`), and so are numbers that are no 64-bit
    /// integers, as they were written.
    Text(&'a str),
    /// A sequence.
    List(&'a [Datum]),
    /// Different elements, in the order of [`Datum`].
    Set(&'a [Datum]),
    /// Keys and values by turns, the keys different and in the order of [`Datum`].
    Map(&'a [Datum]),
}

impl Datum {
    /// Nothing.
    pub const NIL: Self = Self(0);
    /// True.
    pub const TRUE: Self = Self(2);

    const fn tagged(tag: u64, payload: u64) -> Self {
        Self(tag << TAG_SHIFT | payload)
    }

    /// A boolean.
    #[must_use]
    pub const fn bool(value: bool) -> Self {
        if value { Self::TRUE } else { Self(1) }
    }

    /// A small integer, such as a count: 32 bits always fit.
    #[must_use]
    pub const fn small(number: i32) -> Self {
        Self::tagged(INT, (number as i64 + BIAS) as u64)
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_nil(self) -> bool {
        self.0 == 0
    }

    const fn tag(self) -> u64 {
        self.0 >> TAG_SHIFT
    }

    const fn id(self) -> usize {
        (self.0 & PAYLOAD) as usize
    }

    /// The number of the text that it is, if it is one.
    pub(super) fn text_id(self) -> Option<u32> {
        if self.tag() == TEXT { u32::try_from(self.id()).ok() } else { None }
    }

    pub(super) const fn of_text_id(id: u32) -> Self {
        Self::tagged(TEXT, id as u64)
    }

    /// Its bits, as a word to hash.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tag() {
            PLAIN => f.write_str(["nil", "false", "true"].get(self.id()).unwrap_or(&"?")),
            INT => write!(f, "{}", self.id() as i64 - BIAS),
            tag => {
                write!(f, "{}#{}", ["big", "text", "list", "set", "map"][(tag - BIG) as usize % 5], self.id())
            }
        }
    }
}

/// Where a collection lies, and its hash.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    len: u32,
    hash: u32,
}

/// All texts and collections of a history, each different one once.
#[derive(Debug, Clone, Default)]
pub struct Values {
    texts: String,
    /// Where each text ends; it begins where the one before it ends.
    text_ends: Vec<usize>,
    text_index: Index,
    big: Vec<i64>,
    big_index: Index,
    items: Vec<Datum>,
    spans: Vec<Span>,
    span_index: Index,
}

impl Values {
    /// An integer.
    pub fn int(&mut self, number: i64) -> Datum {
        if (-BIAS..BIAS).contains(&number) {
            return Datum::tagged(INT, (number + BIAS) as u64);
        }
        let hash = finish(mix(0, number as u64));
        let Self { big, big_index, .. } = self;
        if let Some(id) = big_index.find(hash, |id| big[id as usize] == number) {
            return Datum::tagged(BIG, u64::from(id));
        }
        let id = u32::try_from(big.len()).expect("a history has fewer than 2^32 different numbers");
        big.push(number);
        big_index.insert(hash, id, |id| finish(mix(0, big[id as usize] as u64)));
        Datum::tagged(BIG, u64::from(id))
    }

    /// A text.
    pub fn text(&mut self, text: &str) -> Datum {
        let hash = hash_bytes(text.as_bytes());
        let Self { texts, text_ends, text_index, .. } = self;
        if let Some(id) = text_index.find(hash, |id| text_at(texts, text_ends, id as usize) == text) {
            return Datum::tagged(TEXT, u64::from(id));
        }
        let id = u32::try_from(text_ends.len()).expect("a history has fewer than 2^32 different texts");
        texts.push_str(text);
        text_ends.push(texts.len());
        text_index.insert(hash, id, |id| hash_bytes(text_at(texts, text_ends, id as usize).as_bytes()));
        Datum::tagged(TEXT, u64::from(id))
    }

    /// The text, if the history has it anywhere.
    #[must_use]
    pub fn find_text(&self, text: &str) -> Option<Datum> {
        let hash = hash_bytes(text.as_bytes());
        let id = self.text_index.find(hash, |id| self.text_at(id as usize) == text)?;
        Some(Datum::tagged(TEXT, u64::from(id)))
    }

    /// A sequence.
    pub fn list(&mut self, items: &[Datum]) -> Datum {
        self.collection(LIST, items)
    }

    /// A set of the given elements; equal ones count once. The slice is put in order.
    pub fn set(&mut self, elements: &mut [Datum]) -> Datum {
        elements.sort_unstable();
        let mut kept = 0;
        for n in 0..elements.len() {
            if kept == 0 || elements[n] != elements[kept - 1] {
                elements.swap(kept, n);
                kept += 1;
            }
        }
        self.collection(SET, &elements[..kept])
    }

    /// A map of the given keys and values; of equal keys, the last counts. The slice is put in order.
    pub fn map(&mut self, entries: &mut [[Datum; 2]]) -> Datum {
        // Stable, so that the last of equal keys stays the last.
        entries.sort_by_key(|entry| entry[0]);
        let mut kept = 0;
        for n in 0..entries.len() {
            if entries.get(n + 1).is_none_or(|next| next[0] != entries[n][0]) {
                entries.swap(kept, n);
                kept += 1;
            }
        }
        self.collection(MAP, entries[..kept].as_flattened())
    }

    fn collection(&mut self, tag: u64, items: &[Datum]) -> Datum {
        let hash = finish(items.iter().fold(mix(tag, items.len() as u64), |hash, item| mix(hash, item.0)));
        // The same items as a list and as a set are two collections: the tag is part of the hash, and of the identity.
        let short = (hash >> 32) as u32 & !7 | tag as u32;
        let hash = u64::from(short) << 32;
        let Self { items: arena, spans, span_index, .. } = self;
        let same = |id: u32| {
            let span = spans[id as usize];
            span.hash == short && &arena[span.start..span.start + span.len as usize] == items
        };
        if let Some(id) = span_index.find(hash, same) {
            return Datum::tagged(tag, u64::from(id));
        }
        let id = u32::try_from(spans.len()).expect("a history has fewer than 2^32 different collections");
        let len = u32::try_from(items.len()).expect("a collection has fewer than 2^32 items");
        spans.push(Span { start: arena.len(), len, hash: short });
        arena.extend_from_slice(items);
        span_index.insert(hash, id, |id| u64::from(spans[id as usize].hash) << 32);
        Datum::tagged(tag, u64::from(id))
    }

    fn text_at(&self, id: usize) -> &str {
        text_at(&self.texts, &self.text_ends, id)
    }

    fn items(&self, datum: Datum) -> &[Datum] {
        let span = self.spans[datum.id()];
        &self.items[span.start..span.start + span.len as usize]
    }

    /// What a value of this history stands for.
    #[must_use]
    pub fn view(&self, datum: Datum) -> View<'_> {
        match datum.tag() {
            PLAIN if datum.is_nil() => View::Nil,
            PLAIN => View::Bool(datum == Datum::TRUE),
            INT => View::Int(datum.id() as i64 - BIAS),
            BIG => View::Int(self.big[datum.id()]),
            TEXT => View::Text(self.text_at(datum.id())),
            LIST => View::List(self.items(datum)),
            SET => View::Set(self.items(datum)),
            _ => View::Map(self.items(datum)),
        }
    }

    /// The integer that it is, if it is one.
    #[must_use]
    pub fn as_int(&self, datum: Datum) -> Option<i64> {
        match self.view(datum) {
            View::Int(number) => Some(number),
            _ => None,
        }
    }

    /// The text that it is, if it is one.
    #[must_use]
    pub fn as_text(&self, datum: Datum) -> Option<&str> {
        match self.view(datum) {
            View::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list or the elements of a set.
    #[must_use]
    pub fn as_items(&self, datum: Datum) -> Option<&[Datum]> {
        match self.view(datum) {
            View::List(items) | View::Set(items) => Some(items),
            _ => None,
        }
    }

    /// The keys and values of a map, in order.
    pub fn entries(&self, datum: Datum) -> impl Iterator<Item = (Datum, Datum)> + '_ {
        let flat = match self.view(datum) {
            View::Map(flat) => flat,
            _ => &[],
        };
        flat.as_chunks::<2>().0.iter().map(|&[key, value]| (key, value))
    }

    /// The value of a map under a text.
    #[must_use]
    pub fn field(&self, datum: Datum, name: &str) -> Option<Datum> {
        let key = self.find_text(name)?;
        self.entries(datum).find(|entry| entry.0 == key).map(|entry| entry.1)
    }

    /// The value in words, written as EDN (texts without quotes).
    #[must_use]
    pub const fn show(&self, datum: Datum) -> Show<'_> {
        Show { values: self, datum }
    }
}

fn text_at<'a>(texts: &'a str, ends: &[usize], id: usize) -> &'a str {
    let start = id.checked_sub(1).map_or(0, |before| ends[before]);
    &texts[start..ends[id]]
}

/// A value that can be written; see [`Values::show`].
#[derive(Debug, Clone, Copy)]
pub struct Show<'a> {
    values: &'a Values,
    datum: Datum,
}

impl Show<'_> {
    fn sequence(&self, f: &mut fmt::Formatter<'_>, items: &[Datum], ends: [&str; 2]) -> fmt::Result {
        f.write_str(ends[0])?;
        for (n, &item) in items.iter().enumerate() {
            write!(f, "{}{}", if n == 0 { "" } else { " " }, self.values.show(item))?;
        }
        f.write_str(ends[1])
    }
}

impl Show<'_> {
    /// What has no order is shown by numbers and then by texts, so that equal values of two histories look alike.
    fn unordered<const N: usize>(
        &self,
        f: &mut fmt::Formatter<'_>,
        items: &[[Datum; N]],
        ends: [&str; 2],
    ) -> fmt::Result {
        let mut shown: Vec<(Option<i64>, String)> = items
            .iter()
            .map(|item| {
                let words: Vec<String> =
                    item.iter().map(|&part| self.values.show(part).to_string()).collect();
                (self.values.as_int(item[0]), words.join(" "))
            })
            .collect();
        shown.sort_by(|a, b| (a.0.is_none(), a).cmp(&(b.0.is_none(), b)));
        let words: Vec<String> = shown.into_iter().map(|(_, words)| words).collect();
        write!(f, "{}{}{}", ends[0], words.join(" "), ends[1])
    }
}

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.values.view(self.datum) {
            View::Nil => f.write_str("nil"),
            View::Bool(value) => write!(f, "{value}"),
            View::Int(number) => write!(f, "{number}"),
            View::Text("") => f.write_str("\"\""),
            View::Text(text) => f.write_str(text),
            View::List(items) => self.sequence(f, items, ["[", "]"]),
            View::Set(items) => self.unordered(f, items.as_chunks::<1>().0, ["#{", "}"]),
            View::Map(flat) => self.unordered(f, flat.as_chunks::<2>().0, ["{", "}"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_datum_and_different_ones_are_not() {
        let mut values = Values::default();
        let (one, two) = (values.int(1), values.int(2));
        let list = values.list(&[one, two]);
        assert_eq!(list, values.list(&[one, two]));
        let set = values.set(&mut [two, one, two]);
        assert_eq!(set, values.set(&mut [one, two]));
        let map = values.map(&mut [[one, two]]);
        let all = [Datum::NIL, Datum::TRUE, Datum::bool(false), one, two, list, set, map, values.text("1")];
        for (n, left) in all.iter().enumerate() {
            for (m, right) in all.iter().enumerate() {
                assert_eq!(left == right, n == m, "{left:?} {right:?}");
            }
        }
    }

    #[test]
    fn integers_of_64_bits_keep_their_value_and_their_order_when_small() {
        let mut values = Values::default();
        for number in [0, 1, -1, BIAS - 1, -BIAS, BIAS, -BIAS - 1, i64::MAX, i64::MIN] {
            let datum = values.int(number);
            assert_eq!(values.view(datum), View::Int(number));
            assert_eq!(values.int(number), datum);
        }
        assert!(values.int(-5) < values.int(3) && values.int(3) < values.int(70));
        assert_eq!(Datum::small(-7), values.int(-7));
    }

    #[test]
    fn of_equal_keys_of_a_map_the_last_counts() {
        let mut values = Values::default();
        let (a, b) = (values.text("a"), values.text("b"));
        let map = values.map(&mut [[b, Datum::small(1)], [a, Datum::small(2)], [b, Datum::small(3)]]);
        assert_eq!(values.show(map).to_string(), "{a 2 b 3}");
        assert_eq!(values.field(map, "b"), Some(Datum::small(3)));
        assert_eq!(values.field(map, "c"), None);
    }

    #[test]
    fn thousands_of_texts_and_lists_are_told_apart() {
        let mut values = Values::default();
        let texts: Vec<Datum> = (0..5000).map(|n| values.text(&format!("value {n}"))).collect();
        let lists: Vec<Datum> = texts.iter().map(|&text| values.list(&[text, Datum::NIL])).collect();
        for (n, (&text, &list)) in texts.iter().zip(&lists).enumerate() {
            assert_eq!(values.as_text(text), Some(format!("value {n}").as_str()));
            assert_eq!(values.as_items(list), Some([text, Datum::NIL].as_slice()));
            assert_eq!(values.text(&format!("value {n}")), text);
        }
    }
}
