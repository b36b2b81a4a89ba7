//! The query of an address: names and values, as forms send them.

/// All pairs, in order. A name may come several times.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// The first value of this name, or nothing.
pub(super) fn first(pairs: &[(String, String)], name: &str) -> String {
    pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, escaped) {
            (b'%', Some(value)) => {
                bytes.push(value);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(byte),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_reads_back_as_it_was_filled_in() {
        let pairs = pairs("run=a%2Fb&run=c+d&verdict=&x=%zz%4");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs, [pair("run", "a/b"), pair("run", "c d"), pair("verdict", ""), pair("x", "%zz%4")]);
        assert_eq!((first(&pairs, "run"), first(&pairs, "y")), ("a/b".to_owned(), String::new()));
    }
}
