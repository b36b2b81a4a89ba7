//! Where a value stands in a TOML text: from paths such as `nemesis.partition[1].for` to bytes and lines.

use std::ops::Range;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A parsed TOML text that remembers its places.
#[derive(Debug)]
pub(super) struct Document<'text> {
    text: &'text str,
    root: Spanned<DeTable<'text>>,
}

impl<'text> Document<'text> {
    /// Reads the text.
    pub(super) fn parse(text: &'text str) -> Result<Self, toml::de::Error> {
        Ok(Self { text, root: DeTable::parse(text)? })
    }

    /// The place of the value, or, if the text does not state it, of the table in which it is missing.
    pub(super) fn place(&self, path: &str) -> Range<usize> {
        self.find(path).0
    }

    /// The line of the value, from 1, if the text states it.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        let (place, stated) = self.find(path);
        stated.then(|| line_of(self.text, place.start))
    }

    /// Every value that is no table and no array of tables: its path and its line, from 1.
    pub(super) fn leaves(&self) -> Vec<(String, usize)> {
        let mut leaves = Vec::new();
        self.collect_table("", self.root.get_ref(), &mut leaves);
        leaves
    }

    fn collect_table(&self, path: &str, table: &DeTable<'_>, leaves: &mut Vec<(String, usize)>) {
        for (key, value) in table {
            let name = key.get_ref();
            let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
            match value.get_ref() {
                DeValue::Table(table) => self.collect_table(&path, table, leaves),
                DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                    for (index, item) in items.iter().enumerate() {
                        if let DeValue::Table(table) = item.get_ref() {
                            self.collect_table(&format!("{path}[{index}]"), table, leaves);
                        }
                    }
                }
                _ => leaves.push((path, line_of(self.text, key.span().start))),
            }
        }
    }

    /// Walks down the path as far as the text goes.
    fn find(&self, path: &str) -> (Range<usize>, bool) {
        let mut table = self.root.get_ref();
        let mut place = 0..0;
        let mut segments = path.split('.').filter(|segment| !segment.is_empty()).peekable();
        while let Some(segment) = segments.next() {
            let (name, index) = split_index(segment);
            let Some((key, value)) = table.get_key_value(name) else { return (place, false) };
            let mut value = value;
            // The header of a table is named by its key: the table itself may be spread over the file.
            place = if value.get_ref().is_table() { key.span() } else { value.span() };
            if let (Some(index), DeValue::Array(items)) = (index, value.get_ref()) {
                let Some(item) = items.get(index) else { return (place, false) };
                value = item;
                place = item.span();
            }
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => return (place, segments.peek().is_none()),
            }
        }
        (place, true)
    }
}

/// `partition[1]` is `partition` and 1. What is written as one table counts as an array of one.
fn split_index(segment: &str) -> (&str, Option<usize>) {
    let split = || {
        let (name, rest) = segment.split_once('[')?;
        Some((name, rest.strip_suffix(']')?.parse().ok()?))
    };
    split().map_or((segment, None), |(name, index)| (name, Some(index)))
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"x\"\n[a.b]\nc = 3\n[[a.d]]\ne = 1\n[[a.d]]\ne = [2]\n";

    #[test]
    fn a_path_leads_to_its_value() {
        let document = Document::parse(TEXT).unwrap();
        let at = |path| &TEXT[document.place(path)];
        assert_eq!(at("a.b.c"), "3");
        assert_eq!(at("a.b[0].c"), "3");
        assert_eq!(at("a.d[1].e"), "[2]");
        assert_eq!(document.line("a.d[1].e"), Some(7));
        assert_eq!(at("a.d[1].e[0]"), "2");
    }

    #[test]
    fn what_is_not_stated_leads_to_the_table_where_it_is_missing() {
        let document = Document::parse(TEXT).unwrap();
        assert_eq!(&TEXT[document.place("a.b.zzz")], "b");
        assert_eq!(&TEXT[document.place("a.d[1].zzz")], "[[a.d]]");
        assert_eq!(document.line("a.b.zzz"), None);
        assert_eq!(document.place("zzz"), 0..0);
    }

    #[test]
    fn leaves_are_all_values_with_their_lines() {
        let leaves = Document::parse(TEXT).unwrap().leaves();
        let expected = [("a.b.c", 3), ("a.d[0].e", 5), ("a.d[1].e", 7), ("name", 1)];
        assert_eq!(leaves, expected.map(|(path, line)| (path.to_owned(), line)));
    }
}
