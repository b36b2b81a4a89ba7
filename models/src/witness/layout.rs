//! JSON laid out for people: what fits on a line stands on one, and what does not has a line for each of its parts.

use alloc::{string::String, vec::Vec};

/// The longest line, characters.
const WIDTH: usize = 160;

/// Lays compact JSON out. What is no JSON comes out mangled, but comes out.
#[must_use]
pub fn lay_out(json: &str) -> String {
    let mut out = String::new();
    part(json.trim(), 0, 0, &mut out);
    out.push('\n');
    out
}

/// Writes one part, `column` characters into a line whose indentation is `indent`.
fn part(json: &str, indent: usize, column: usize, out: &mut String) {
    let (name, value) = named(json);
    let line = on_one_line(json);
    let open = value.chars().next().filter(|open| "[{".contains(*open));
    let Some(open) = open.filter(|_| column + line.chars().count() > WIDTH) else {
        return out.push_str(&line);
    };
    if let Some(name) = name {
        out.push_str(name);
        out.push_str(": ");
    }
    out.push(open);
    let inner = value.get(1..value.len() - 1).unwrap_or_default();
    for (n, item) in split(inner).into_iter().enumerate() {
        out.push_str(if n == 0 { "\n" } else { ",\n" });
        out.extend(core::iter::repeat_n(' ', indent + 2));
        part(item, indent + 2, indent + 2, out);
    }
    out.push('\n');
    out.extend(core::iter::repeat_n(' ', indent));
    out.push(if open == '[' { ']' } else { '}' });
}

/// Walks over the characters outside of texts, with the depth of brackets after each.
fn outside(json: &str) -> impl Iterator<Item = (usize, char, usize)> + '_ {
    let (mut in_text, mut escaped, mut depth) = (false, false, 0_usize);
    json.char_indices().filter_map(move |(at, c)| {
        if in_text {
            (escaped, in_text) = (!escaped && c == '\\', escaped || c != '"');
            return None;
        }
        match c {
            '"' => in_text = true,
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        Some((at, c, depth))
    })
}

/// The parts of a list or an object, at the commas that are its own.
fn split(inner: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, _, _) in outside(inner).filter(|&(_, c, depth)| c == ',' && depth == 0) {
        parts.push(inner[from..at].trim());
        from = at + 1;
    }
    let last = inner[from..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

/// The name of a field, if it is one, and the value.
fn named(json: &str) -> (Option<&str>, &str) {
    if !json.starts_with('"') {
        return (None, json);
    }
    let colon = outside(json).find(|&(_, c, depth)| c == ':' && depth == 0);
    match colon {
        Some((at, _, _)) => (Some(json[..at].trim_end()), json[at + 1..].trim_start()),
        None => (None, json),
    }
}

fn on_one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len() + 16);
    let mut from = 0;
    for (at, c, _) in outside(json) {
        line.push_str(&json[from..at]);
        from = at + c.len_utf8();
        match c {
            ',' | ':' => line.extend([c, ' ']),
            c if c.is_whitespace() => {}
            c => line.push(c),
        }
    }
    line.push_str(&json[from..]);
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    #[test]
    fn what_fits_stands_on_one_line_and_what_does_not_is_broken() {
        assert_eq!(
            lay_out(r#"{"a":[1,2],"b":"x, \"y\": {"}"#),
            "{\"a\": [1, 2], \"b\": \"x, \\\"y\\\": {\"}\n"
        );
        let long = "x".repeat(150);
        let json = format!(r#"{{"a":1,"b":["{long}",{{"c":[]}}]}}"#);
        let expected = format!("{{\n  \"a\": 1,\n  \"b\": [\n    \"{long}\",\n    {{\"c\": []}}\n  ]\n}}\n");
        assert_eq!(lay_out(&json), expected);
    }

    #[test]
    fn the_layout_changes_no_value() {
        let deep = vec![vec![format!("{:=<170}", "a \\\" b"); 2]; 2];
        let json = serde_json::to_string(&deep).unwrap();
        assert_eq!(serde_json::from_str::<vec::Vec<vec::Vec<String>>>(&lay_out(&json)).unwrap(), deep);
    }
}
