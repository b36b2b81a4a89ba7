//! A scene drawn as SVG: one self-contained picture, the same bytes for the same scene.
//!
//! It is light or dark as the reader's surroundings are, unless the class `light` or `dark` is set on it; printed it is
//! light. What colour says, shape says too. All text is escaped.

use super::{
    Arrival, Arrow, Band, Cargo, Condition, Lane, Mark, Owner, Place, Scene, Sign, Tone,
    layout::{LABEL_GAP, Layout, ROW, width_of},
};
use alloc::{format, string::String};
use core::fmt::Write as _;

const STYLE: &str = "\
.quarrel-diagram{--paper:#fff;--ink:#1c2128;--faint:#6b737c;--line:#b9c0c8;--won:#0a66b7;--lost:#c8005f;--torn:#6f3fc4;--fault:#a35c00;\
--shade:#f3e3cd;background:var(--paper);font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}\
@media (prefers-color-scheme:dark){.quarrel-diagram:not(.light){--paper:#14171b;--ink:#e6e9ed;--faint:#9aa4af;\
--line:#4a525c;--won:#81bffc;--lost:#ff5cae;--torn:#c3a6ff;--fault:#ffa400;--shade:#3a2c17}}\
.quarrel-diagram.dark{--paper:#14171b;--ink:#e6e9ed;--faint:#9aa4af;--line:#4a525c;--won:#81bffc;--lost:#ff5cae;\
--torn:#c3a6ff;--fault:#ffa400;--shade:#3a2c17}\
@media print{.quarrel-diagram,.quarrel-diagram:not(.light){--paper:#fff;--ink:#000;--faint:#444;--line:#999;\
--won:#0a66b7;--lost:#c8005f;--torn:#6f3fc4;--fault:#a35c00;--shade:#eee}}\
.quarrel-diagram text{fill:var(--ink);stroke:var(--paper);stroke-width:3px;paint-order:stroke;stroke-linejoin:round}\
.quarrel-diagram .faint{fill:var(--faint)}.quarrel-diagram .name{font-weight:bold;text-anchor:middle}\
.quarrel-diagram .number{fill:var(--faint);text-anchor:end}.quarrel-diagram .title{font-weight:bold;font-size:14px}\
.quarrel-diagram .lane{stroke:var(--line);stroke-width:1.5}.quarrel-diagram .client{stroke-dasharray:2 4}\
.quarrel-diagram .rule{stroke:var(--line);stroke-width:.5}\
.quarrel-diagram .plain{--tone:var(--ink)}.quarrel-diagram .won{--tone:var(--won)}.quarrel-diagram .lost{--tone:var(--lost)}.quarrel-diagram .torn{--tone:var(--torn)}\
.quarrel-diagram .fault{--tone:var(--fault)}\
.quarrel-diagram .arrow{stroke:var(--tone);fill:none;stroke-width:1.5}.quarrel-diagram .torn .arrow{stroke-dasharray:9 2 2 2}.quarrel-diagram .lost .arrow{stroke-dasharray:7 3}\
.quarrel-diagram .won .arrow{stroke-width:2.2}.quarrel-diagram .thin{stroke-width:.9;stroke-dasharray:2 3}\
.quarrel-diagram .head{fill:var(--tone)}.quarrel-diagram .full{fill:var(--tone);stroke:var(--tone);stroke-width:1.5}\
.quarrel-diagram .hollow{fill:var(--paper);stroke:var(--tone);stroke-width:1.8}\
.quarrel-diagram .stroke{fill:none;stroke:var(--tone);stroke-width:1.8}\
.quarrel-diagram .ring{fill:none;stroke:var(--tone);stroke-width:1}\
.quarrel-diagram g.won text,.quarrel-diagram g.lost text,.quarrel-diagram g.torn text,.quarrel-diagram g.fault text{fill:var(--tone)}\
.quarrel-diagram .dead{fill:var(--line);fill-opacity:.45}.quarrel-diagram .parted{fill:var(--shade);fill-opacity:.6}\
.quarrel-diagram .skewed{stroke:var(--fault);stroke-width:3;stroke-dasharray:1 4;fill:none}";

/// Draws a scene.
#[must_use]
pub fn svg(scene: &Scene) -> String {
    let layout = Layout::of(scene);
    let mut drawing = Drawing { scene, layout, out: String::new() };
    drawing.head();
    drawing.bands();
    drawing.lanes();
    drawing.rows();
    scene.arrows.iter().for_each(|arrow| drawing.arrow(arrow));
    scene.marks.iter().for_each(|mark| drawing.mark(mark));
    drawing.legend();
    drawing.out.push_str("</svg>\n");
    drawing.out
}

struct Drawing<'a> {
    scene: &'a Scene,
    layout: Layout,
    out: String,
}

impl Drawing<'_> {
    /// One element a line.
    fn line(&mut self, element: &str) {
        self.out.push_str(element);
        self.out.push('\n');
    }

    fn text(&mut self, class: &str, x: i64, y: i64, text: &str) {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        self.line(&format!("<text{class} x=\"{x}\" y=\"{y}\">{}</text>", escaped(text)));
    }

    fn head(&mut self) {
        let Layout { width, height, .. } = self.layout;
        self.line(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"quarrel-diagram\" role=\"img\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\">"
        ));
        self.line(&format!("<title>{}</title>", escaped(&self.scene.title)));
        self.line(&format!("<desc>{}</desc>", escaped(&self.scene.description)));
        self.line(&format!("<style>{STYLE}</style>"));
        self.text("title", self.layout.left(), 20, &self.scene.title);
    }

    fn bands(&mut self) {
        let mut columns = 0;
        for band in &self.scene.bands {
            let (top, bottom) = self.span(band);
            let height = bottom - top;
            let title = escaped(&band.label);
            match band.condition {
                Condition::Dead(lane) => {
                    let x = self.layout.x(lane) - 9;
                    self.line(&format!(
                        "<rect class=\"dead\" x=\"{x}\" y=\"{top}\" width=\"18\" height=\"{height}\"><title>{title}</title></rect>"
                    ));
                }
                Condition::Skewed(lane) => {
                    let x = self.layout.x(lane) - 5;
                    self.line(&format!(
                        "<path class=\"skewed\" d=\"M{x} {top}V{bottom}\"><title>{title}</title></path>"
                    ));
                }
                Condition::Parted(one, other) => {
                    let x = self.layout.band(columns);
                    columns += 1;
                    let (from, to) = (self.layout.x(one.min(other)), self.layout.x(one.max(other)));
                    self.line(&format!(
                        "<g class=\"parted\"><title>{title}</title><rect x=\"{x}\" y=\"{top}\" width=\"6\" height=\"{height}\"/>\
                         <rect x=\"{from}\" y=\"{top}\" width=\"{}\" height=\"{height}\"/></g>",
                        to - from
                    ));
                }
            }
        }
    }

    /// The top and the bottom of a band: it begins and ends at the middle of rows.
    fn span(&self, band: &Band) -> (i64, i64) {
        let until =
            if band.until >= self.scene.rows.len() { self.layout.bottom } else { Layout::y(band.until) };
        (Layout::y(band.from), until.max(Layout::y(band.from) + 6))
    }

    fn lanes(&mut self) {
        let (top, bottom) = (self.layout.top(), self.layout.bottom);
        for (lane, Lane { name, owner }) in self.scene.lanes.iter().enumerate() {
            let x = self.layout.x(lane);
            let class = if *owner == Owner::Client { "lane client" } else { "lane" };
            self.line(&format!("<path class=\"{class}\" d=\"M{x} {top}V{bottom}\"/>"));
            self.text("name", x, top - 8, name);
        }
    }

    fn rows(&mut self) {
        let (left, captions, right) =
            (self.layout.left(), self.layout.captions, self.layout.width - self.layout.left());
        for (row, step) in self.scene.rows.iter().enumerate() {
            let y = Layout::y(row);
            if !step.number.is_empty() {
                let top = y - ROW / 2;
                self.line(&format!("<path class=\"rule\" d=\"M{left} {top}H{right}\"/>"));
                self.text("number", self.layout.numbers(), y + 4, &step.number);
            }
            if !step.caption.is_empty() {
                self.text("faint", captions, y + 4, &step.caption);
            }
        }
    }

    fn arrow(&mut self, arrow: &Arrow) {
        let (x, y) = self.layout.at(arrow.from);
        let (mut x2, mut y2) = match arrow.to {
            Arrival::At(place) => self.layout.at(place),
            Arrival::UnderWay(lane) | Arrival::Lost(lane) => self.stub(arrow.from, lane),
        };
        // An answer goes below the request, since both may stand in one row.
        let below = if arrow.cargo == Cargo::Reply { 9 } else { 0 };
        let (x, y) = (x, y + below);
        y2 += below;
        let thin = if matches!(arrow.cargo, Cargo::Reply | Cargo::Talk) { " thin" } else { "" };
        let mut end = String::new();
        match arrow.to {
            Arrival::At(_) => {
                let tip = toward((x2, y2), (x, y), 80);
                end = head(tip, (x, y));
                (x2, y2) = (tip.0 / 10, tip.1 / 10);
            }
            Arrival::UnderWay(_) => {
                let _ = write!(end, "<circle class=\"ring\" cx=\"{x2}\" cy=\"{y2}\" r=\"3\"/>");
            }
            Arrival::Lost(_) => {
                let _ = write!(end, "<path class=\"stroke\" d=\"{}\"/>", cross(x2, y2, 4));
            }
        }
        self.line(&format!(
            "<g class=\"{}\"><title>{}</title><path class=\"arrow{thin}\" d=\"M{x} {y}L{x2} {y2}\"/>{end}</g>",
            class(arrow.tone),
            escaped(&arrow.label)
        ));
    }

    /// The end of what never arrives: a third of the way to its lane.
    fn stub(&self, from: Place, lane: usize) -> (i64, i64) {
        let (x, y) = self.layout.at(from);
        (x + (self.layout.x(lane) - x) / 3, y + ROW / 2 - 2)
    }

    fn mark(&mut self, mark: &Mark) {
        let (x, y) = self.layout.at(mark.place);
        let class = match mark.sign {
            Sign::Clock | Sign::Death => "fault",
            _ => class(mark.tone),
        };
        self.out.push_str(&format!("<g class=\"{class}\">"));
        self.out.push_str(&sign(mark.sign, x, y));
        self.out.push_str(&halo(mark.sign, mark.tone, x, y));
        if !mark.label.is_empty() {
            let _ = write!(
                self.out,
                "<text x=\"{}\" y=\"{}\">{}</text>",
                x + LABEL_GAP,
                self.label_y(mark.place, y),
                escaped(&mark.label)
            );
        }
        self.line("</g>");
    }

    /// Above the middle of the row, where no arrow goes; but below it where one comes from the right.
    fn label_y(&self, place: Place, y: i64) -> i64 {
        let from_right = |arrow: &Arrow| {
            arrow.to == Arrival::At(place) && arrow.from.lane > place.lane && arrow.cargo != Cargo::Reply
        };
        if self.scene.arrows.iter().any(from_right) { y + 15 } else { y - 5 }
    }

    /// What the shapes mean.
    fn legend(&mut self) {
        let y = self.layout.bottom + 26;
        let mut x = self.layout.left() + 8;
        let signs = [
            (Sign::Applied, Tone::Plain, "applied"),
            (Sign::Discarded, Tone::Plain, "discarded"),
            (Sign::Merged, Tone::Plain, "merged"),
            (Sign::Sibling, Tone::Plain, "kept beside"),
            (Sign::Applied, Tone::Won, "won"),
            (Sign::Applied, Tone::Lost, "acknowledged, lost"),
            (Sign::Applied, Tone::Torn, "acknowledged, not everywhere"),
        ];
        for (what, tone, meaning) in signs {
            self.out.push_str(&format!(
                "<g class=\"{}\">{}{}</g>",
                class(tone),
                sign(what, x, y),
                halo(what, tone, x, y)
            ));
            self.text("faint", x + LABEL_GAP, y + 4, meaning);
            x += LABEL_GAP + width_of(meaning) + 22;
        }
    }
}

const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Won => "won",
        Tone::Lost => "lost",
        Tone::Torn => "torn",
    }
}

fn cross(x: i64, y: i64, r: i64) -> String {
    let (left, right, top, bottom) = (x - r, x + r, y - r, y + r);
    format!("M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}")
}

fn sign(sign: Sign, x: i64, y: i64) -> String {
    let circle = |class: &str, r: i64| format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>");
    let square = |class: &str, r: i64| {
        format!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            x - r,
            y - r,
            2 * r,
            2 * r
        )
    };
    let path = |class: &str, d: String| format!("<path class=\"{class}\" d=\"{d}\"/>");
    match sign {
        Sign::Applied => circle("full", 5),
        Sign::Discarded => circle("hollow", 6) + path("stroke", cross(x, y, 3)).as_str(),
        Sign::Merged => path("full", format!("M{x} {}L{} {y}L{x} {}L{} {y}Z", y - 6, x + 6, y + 6, x - 6)),
        Sign::Sibling => circle("hollow", 5),
        Sign::Client => circle("full", 3),
        Sign::Clock => circle("hollow", 6) + path("stroke", format!("M{x} {}V{y}H{}", y - 4, x + 3)).as_str(),
        Sign::Death => path("stroke", cross(x, y, 6)),
        Sign::Start => path("full", format!("M{} {}L{} {y}L{} {}Z", x - 4, y - 6, x + 6, x - 4, y + 6)),
        Sign::Note => square("hollow", 3),
        Sign::End => path("stroke", format!("M{} {y}H{}", x - 7, x + 7)),
    }
}

/// What tells winner from loser without colour: a ring, or a square.
fn halo(sign: Sign, tone: Tone, x: i64, y: i64) -> String {
    match (sign, tone) {
        (Sign::End | Sign::Client, _) | (_, Tone::Plain) => String::new(),
        (_, Tone::Won) => format!("<circle class=\"ring\" cx=\"{x}\" cy=\"{y}\" r=\"9\"/>"),
        (_, Tone::Lost) => {
            format!("<rect class=\"ring\" x=\"{}\" y=\"{}\" width=\"18\" height=\"18\"/>", x - 9, y - 9)
        }
        (_, Tone::Torn) => {
            format!(
                "<path class=\"ring\" d=\"M{x} {}L{} {y}L{x} {}L{} {y}Z\"/>",
                y - 11,
                x + 11,
                y + 11,
                x - 11
            )
        }
    }
}

/// The point so many tenths of a pixel before `to` on the way from `from`, in tenths of a pixel.
fn toward(to: (i64, i64), from: (i64, i64), tenths: i64) -> (i64, i64) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = (dx * dx + dy * dy).unsigned_abs().isqrt().cast_signed().max(1);
    (to.0 * 10 - dx * tenths / length, to.1 * 10 - dy * tenths / length)
}

/// An arrow head with its tip at a point in tenths of a pixel.
fn head(tip: (i64, i64), from: (i64, i64)) -> String {
    let (dx, dy) = (tip.0 - from.0 * 10, tip.1 - from.1 * 10);
    let length = (dx * dx + dy * dy).unsigned_abs().isqrt().cast_signed().max(1);
    let back = (tip.0 - dx * 90 / length, tip.1 - dy * 90 / length);
    let side = (-dy * 40 / length, dx * 40 / length);
    let point = |x: i64, y: i64| format!("{} {}", tenths(x), tenths(y));
    format!(
        "<path class=\"head\" d=\"M{}L{}L{}Z\"/>",
        point(tip.0, tip.1),
        point(back.0 + side.0, back.1 + side.1),
        point(back.0 - side.0, back.1 - side.1)
    )
}

/// A number of tenths, such as `12.3`.
fn tenths(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let number = number.unsigned_abs();
    if number.is_multiple_of(10) {
        format!("{sign}{}", number / 10)
    } else {
        format!("{sign}{}.{}", number / 10, number % 10)
    }
}

/// Text as it may stand between tags and in quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML 1.0 has no way to write these.
            c if c.is_control() && c != '\n' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(escaped("<a b=\"c\">&'\u{1}"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;\u{fffd}");
    }

    #[test]
    fn an_arrow_ends_before_its_lane_and_its_head_is_there() {
        assert_eq!(toward((100, 0), (0, 0), 80), (920, 0));
        assert_eq!(head((920, 0), (0, 0)), "<path class=\"head\" d=\"M92 0L83 4L83 -4Z\"/>");
    }
}
