//! A cycle as a picture: transactions from top to bottom, an arrow from each to the one that it must come before, and
//! the one that cannot be, from the last back to the first. The same bytes for the same cycle.

use std::fmt::Write as _;

const STYLE: &str = "\
.quarrel-cycle{--paper:#fff;--ink:#1c2128;--line:#6b737c;--lost:#c8005f;background:var(--paper);\
font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}\
@media (prefers-color-scheme:dark){.quarrel-cycle{--paper:#14171b;--ink:#e6e9ed;--line:#9aa4af;--lost:#ff5cae}}\
.quarrel-cycle text{fill:var(--ink)}.quarrel-cycle .box{fill:none;stroke:var(--line)}\
.quarrel-cycle .arrow{fill:none;stroke:var(--line);stroke-width:1.5}.quarrel-cycle .head{fill:var(--line)}\
.quarrel-cycle .back .arrow{stroke:var(--lost);stroke-dasharray:7 3}.quarrel-cycle .back .head{fill:var(--lost)}\
.quarrel-cycle .back text{fill:var(--lost)}";

/// Pixels. A character of the font is less than eight wide.
const CHARACTER: usize = 8;
const LEFT: usize = 90;
const BOX: usize = 30;
const GAP: usize = 44;
const TOP: usize = 20;

/// The picture, as an SVG document. `transactions` are in words, in the order of the cycle; `relations` say why each
/// comes before the next, and the last why it comes before the first.
///
/// # Panics
/// If there are not as many of the ones as of the others.
#[must_use]
pub fn cycle_svg(transactions: &[String], relations: &[&str]) -> String {
    assert_eq!(transactions.len(), relations.len(), "every transaction of a cycle comes before the next");
    let longest = transactions.iter().map(|text| text.chars().count() + 5).max().unwrap_or(0);
    let width = longest * CHARACTER + 20;
    let height = TOP * 2 + transactions.len() * (BOX + GAP) - GAP.min(transactions.len() * GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"quarrel-cycle\" viewBox=\"0 0 {w} {height}\" width=\"{w}\" \
         height=\"{height}\"><style>{STYLE}</style>\n",
        w = LEFT + width + TOP
    );
    let top = |at: usize| TOP + at * (BOX + GAP);
    for (at, (text, relation)) in transactions.iter().zip(relations).enumerate() {
        let y = top(at);
        // Writing to a text cannot fail.
        let _ = writeln!(
            svg,
            "<rect class=\"box\" x=\"{LEFT}\" y=\"{y}\" width=\"{width}\" height=\"{BOX}\" rx=\"5\"/><text x=\"{}\" y=\"{}\">T{}: {}</text>",
            LEFT + 10,
            y + 19,
            at + 1,
            escaped(text)
        );
        if at + 1 < transactions.len() {
            let (x, from, to) = (LEFT + 30, y + BOX, y + BOX + GAP);
            let _ = writeln!(
                svg,
                "<g><path class=\"arrow\" d=\"M{x} {from}V{}\"/><path class=\"head\" d=\"M{x} {to}l-4 -9h8z\"/><text x=\"{}\" y=\"{}\">{}</text></g>",
                to - 8,
                x + 10,
                from + 26,
                escaped(relation)
            );
        }
    }
    if let (Some(last), Some(relation)) = (transactions.len().checked_sub(1), relations.last()) {
        let (from, to) = (top(last) + BOX / 2, top(0) + BOX / 2);
        let _ = writeln!(
            svg,
            "<g class=\"back\"><path class=\"arrow\" d=\"M{LEFT} {from}H70V{to}H{}\"/><path class=\"head\" d=\"M{LEFT} {to}l-9 -4v8z\"/>\
             <text x=\"62\" y=\"{}\" text-anchor=\"end\">{}</text></g>",
            LEFT - 8,
            (from + to) / 2 + 4,
            escaped(relation)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_drawn_with_every_transaction_and_every_reason() {
        let texts = ["0: process 0 txn [[append x <1>]]", "2: process 1 txn [[r x [1]]]"].map(str::to_owned);
        let svg = cycle_svg(&texts, &["wr", "rw"]);
        for part in ["T1: 0: process 0", "T2: 2: process 1", "&lt;1&gt;", ">wr<", ">rw<", "class=\"back\""] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        assert_eq!(svg.matches("<rect").count(), 2);
        assert_eq!(svg.matches("class=\"head\"").count(), 2);
        assert_eq!(svg, cycle_svg(&texts, &["wr", "rw"]));
    }
}
