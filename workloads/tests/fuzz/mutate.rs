//! Mutations of seeds, the same for the same number: what a fuzzer without a compiler's help can do that knows how
//! texts are built.

use quarrel_models::random::Stream;

/// Words that mean something to one of the parsers.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "#{",
    "#_",
    "#tag ",
    "^",
    "\\",
    "\"",
    ":",
    ",",
    "\n",
    ";",
    " ",
    "\t",
    "nil",
    "null",
    "true",
    ":type",
    "\"type\"",
    ":invoke",
    ":ok",
    ":fail",
    ":info",
    "\"ok\"",
    ":process",
    ":value",
    ":index",
    ":time",
    ":f",
    ":read",
    ":write",
    ":add",
    ":txn",
    ":cas",
    ":append",
    ":node",
    ":key",
    ":nemesis",
    ":final? true",
    "jepsen.util",
    "\\u00",
    "\\ud800",
    "\u{feff}",
    "##NaN",
    "\"$set\":[",
    "[:r 1 nil]",
    "[:w 1 2]",
    "[cluster]",
    "= ",
    "0x",
    "1e999",
    "-",
];

/// Numbers at which something ends.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "127",
    "255",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967294",
    "4294967295",
    "4294967296",
    "1152921504606846975",
    "1152921504606846976",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "99999999999999999999",
    "0.1",
    "1e9",
    "007",
];

/// The longest input that is made: what a change costs must not grow with every change.
const LONGEST: usize = 1 << 14;

/// One input: a seed that was changed a few times.
pub(crate) fn input(number: u64, usage: &str, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Stream::new(1, usage, number);
    let mut bytes = pick(&mut random, seeds).clone();
    for _ in 0..=random.below(4) {
        change(&mut random, &mut bytes, seeds);
        bytes.truncate(LONGEST);
    }
    bytes
}

fn pick<'a, T>(random: &mut Stream, from: &'a [T]) -> &'a T {
    &from[below(random, from.len())]
}

fn below(random: &mut Stream, bound: usize) -> usize {
    usize::try_from(random.below(bound.max(1) as u64)).expect("it is below a length")
}

/// A stretch of the bytes.
fn stretch(random: &mut Stream, bytes: &[u8]) -> std::ops::Range<usize> {
    let [one, other] = [(); 2].map(|()| below(random, bytes.len() + 1));
    // Short stretches, mostly: what stays is then still a history, mostly.
    let most = if random.below(4) == 0 { bytes.len() } else { 40 };
    let start = one.min(other);
    start..one.max(other).min(start + most)
}

/// Lines, or the items of lists: what can be moved about whole.
fn line(random: &mut Stream, bytes: &[u8]) -> std::ops::Range<usize> {
    let at = below(random, bytes.len());
    let start = bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let end =
        bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |newline| at + newline + 1);
    start..end
}

fn change(random: &mut Stream, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    if bytes.is_empty() {
        bytes.extend_from_slice(pick::<Vec<u8>>(random, seeds));
    }
    if bytes.is_empty() {
        bytes.push(b'{');
    }
    match random.below(10) {
        0 => {
            let at = below(random, bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        1 => {
            let at = below(random, bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        2 => bytes.truncate(below(random, bytes.len() + 1)),
        3 => drop(bytes.drain(stretch(random, bytes))),
        4 => {
            let (seed, at) = (pick(random, seeds), below(random, bytes.len() + 1));
            let part = seed[stretch(random, seed)].to_vec();
            bytes.splice(at..at, part);
        }
        5 => {
            let part = stretch(random, bytes);
            let times = 1 << random.below(9);
            let repeated = bytes[part.clone()].repeat(times.min(1 + LONGEST / part.len().max(1)));
            bytes.splice(part, repeated);
        }
        6 | 7 => number(random, bytes),
        8 => {
            let at = below(random, bytes.len() + 1);
            bytes.splice(at..at, pick(random, WORDS).bytes());
        }
        _ => {
            let (from, to) = (line(random, bytes), line(random, bytes).start);
            let moved = bytes[from].to_vec();
            bytes.splice(to..to, moved);
        }
    }
}

/// Another number where one stands: an extreme one, or one that stands somewhere else.
fn number(random: &mut Stream, bytes: &mut Vec<u8>) {
    let runs: Vec<std::ops::Range<usize>> = digits(bytes).collect();
    if runs.is_empty() {
        return;
    }
    let run = pick(random, &runs).clone();
    let other = if random.below(2) == 0 {
        bytes[pick(random, &runs).clone()].to_vec()
    } else {
        pick(random, NUMBERS).as_bytes().to_vec()
    };
    bytes.splice(run, other);
}

fn digits(bytes: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    let mut at = 0;
    bytes.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).filter_map(move |chunk| {
        let start = at;
        at += chunk.len();
        chunk[0].is_ascii_digit().then_some(start..at)
    })
}
