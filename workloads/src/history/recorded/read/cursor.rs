//! A place in the bytes at hand, and what all syntaxes do there.

/// Why a form could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes at hand end within it.
    Incomplete,
    /// It is wrong at this place.
    Wrong {
        /// Counted from the start of the bytes at hand.
        at: usize,
        /// What was expected there.
        expected: String,
    },
}

pub(super) type Step<T> = Result<T, Stop>;

/// The deepest nesting that is read: values of histories are flat.
pub(super) const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Nothing comes after these bytes.
    pub(super) is_last: bool,
    /// The bytes are a text of their own: a word may end where they end. In a file, a word at its very end is one
    /// that was broken off.
    pub(super) is_lone: bool,
}

impl<'a> Cursor<'a> {
    /// The byte here.
    #[inline]
    pub(super) fn peek(&self) -> Step<u8> {
        self.bytes.get(self.at).copied().ok_or(Stop::Incomplete)
    }

    #[inline]
    pub(super) const fn advance(&mut self, count: usize) {
        self.at += count;
    }

    /// An error at this place.
    pub(super) fn wrong<T>(&self, expected: impl Into<String>) -> Step<T> {
        Err(Stop::Wrong { at: self.at, expected: expected.into() })
    }

    /// The bytes from here as long as `belongs` holds. Incomplete where they might go on after the bytes at hand.
    #[inline]
    pub(super) fn run(&mut self, belongs: impl Fn(u8) -> bool) -> Step<&'a [u8]> {
        let start = self.at;
        let rest = self.bytes.get(start..).ok_or(Stop::Incomplete)?;
        let len = match rest.iter().position(|&byte| !belongs(byte)) {
            Some(len) => len,
            None if self.is_lone => rest.len(),
            None => return Err(Stop::Incomplete),
        };
        self.at += len;
        Ok(&rest[..len])
    }

    /// The bytes up to the end of the line.
    pub(super) fn line(&mut self) -> Step<&'a [u8]> {
        let rest = self.bytes.get(self.at..).ok_or(Stop::Incomplete)?;
        let len = match rest.iter().position(|&byte| byte == b'\n') {
            Some(len) => len,
            None if self.is_last => rest.len(),
            None => return Err(Stop::Incomplete),
        };
        self.at += len;
        Ok(&rest[..len])
    }

    /// A string of JSON or EDN, whose opening quote is here: what stands between the quotes, still escaped.
    #[inline]
    pub(super) fn quoted(&mut self) -> Step<&'a [u8]> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            match self.bytes.get(at) {
                None => return Err(Stop::Incomplete),
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        Ok(&self.bytes[start..at])
    }

    /// The text that escaped bytes stand for; `unescaped` is where it is put together.
    pub(super) fn text<'b>(&self, raw: &'b [u8], unescaped: &'b mut String) -> Step<&'b str>
    where
        'a: 'b,
    {
        let Ok(text) = std::str::from_utf8(raw) else {
            return self.wrong("text in UTF-8 is expected before this");
        };
        if !raw.contains(&b'\\') {
            return Ok(text);
        }
        unescaped.clear();
        if unescape(text, unescaped).is_none() {
            return self.wrong("the string before this has an escape that does not exist: \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX are expected");
        }
        Ok(unescaped)
    }

    /// The lexeme as an integer of 64 bits, if it is one.
    #[inline]
    pub(super) fn integer(lexeme: &[u8]) -> Option<i64> {
        let (negative, digits) = match lexeme {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] | digits => (false, digits),
        };
        if digits.is_empty() || digits.len() > 19 {
            return None;
        }
        let mut number = 0_i64;
        for &digit in digits {
            let digit = i64::from(digit.wrapping_sub(b'0'));
            if !(0..10).contains(&digit) {
                return None;
            }
            // Downwards, since there is one more negative number than there are positive ones.
            number = number.checked_mul(10)?.checked_sub(digit)?;
        }
        if negative { Some(number) } else { number.checked_neg() }
    }
}

fn unescape(text: &str, out: &mut String) -> Option<()> {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let mut after = rest[at + 1..].chars();
        let escape = after.next()?;
        rest = after.as_str();
        out.push(match escape {
            '"' | '\\' | '/' => escape,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (unit, after) = hexadecimal(rest)?;
                rest = after;
                match unit {
                    // A pair of surrogates is one character.
                    0xd800..=0xdbff => {
                        let (low, after) = hexadecimal(rest.strip_prefix("\\u")?)?;
                        rest = after;
                        let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                        char::from_u32(0x10000 + ((unit - 0xd800) << 10) + low)?
                    }
                    unit => char::from_u32(unit)?,
                }
            }
            _ => return None,
        });
    }
    out.push_str(rest);
    Some(())
}

fn hexadecimal(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    Some((u32::from_str_radix(digits, 16).ok().filter(|_| all)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_their_characters_and_unknown_ones_are_refused() {
        let read = |text: &str| {
            let mut out = String::new();
            unescape(text, &mut out).map(|()| out)
        };
        assert_eq!(read(r#"a\n\"\u00e9\ud83d\ude00z"#).as_deref(), Some("a\n\"\u{e9}\u{1f600}z"));
        for wrong in [r"\x", r"\u12", r"\ud83d", r"\ud83d\u0041", r"\u+123", "\\"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn integers_of_64_bits_are_read_and_nothing_else() {
        let read = |text: &str| Cursor::integer(text.as_bytes());
        assert_eq!(read("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(read("9223372036854775807"), Some(i64::MAX));
        assert_eq!(read("+7"), Some(7));
        for wrong in ["", "-", "9223372036854775808", "1.5", "1e3", "12N", "0x1", "99999999999999999999"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
