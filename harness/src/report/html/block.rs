//! The blocks of which a page is built: sections, tables, figures, notes.

use super::markup::Markup;
use quarrel_models::fate::Fate;
use quarrel_workloads::verdict::Verdict;

/// A cell of a table.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    /// Words.
    Text(String),
    /// A number, or what stands in a column of numbers.
    Number(String),
    /// A piece of a page.
    Piece(Markup),
}

/// Begins a section, with a sentence that says what is to be seen in it.
pub(super) fn section(page: &mut Markup, id: &'static str, title: &str, intro: &str) {
    let heading = format!("{id}-title");
    page.open("section", &[("id", id), ("aria-labelledby", &heading)]);
    page.leaf("h2", &[("id", &heading)], title);
    if !intro.is_empty() {
        page.leaf("p", &[("class", "intro")], intro);
    }
}

/// A table; the first cell of each row names the row. Wide ones are scrolled in their own box.
pub(super) fn table(page: &mut Markup, caption: &str, header: &[&str], rows: &[Vec<Cell>]) {
    page.open("div", &[("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", caption)]);
    page.open("table", &[]);
    page.leaf("caption", &[], caption);
    page.raw("<thead><tr>");
    let numbers = |column: usize| rows.first().and_then(|row| row.get(column)).is_some_and(Cell::is_number);
    for (column, name) in header.iter().enumerate() {
        let class = if numbers(column) { "number" } else { "" };
        page.leaf("th", &[("scope", "col"), ("class", class)], name);
    }
    page.raw("</tr></thead><tbody>");
    for row in rows {
        page.raw("<tr>");
        for (column, cell) in row.iter().enumerate() {
            cell.write(page, column == 0);
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div>");
}

impl Cell {
    const fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    fn write(&self, page: &mut Markup, names: bool) {
        let tag = if names { "th" } else { "td" };
        let class = if self.is_number() { "number" } else { "" };
        page.open(tag, if names { &[("scope", "row")] } else { &[] });
        if !class.is_empty() {
            page.raw("<span class=\"number\">");
        }
        match self {
            Self::Text(text) | Self::Number(text) => page.text(text),
            Self::Piece(piece) => page.add(piece),
        };
        if !class.is_empty() {
            page.raw("</span>");
        }
        page.close(tag);
    }
}

/// A text cell.
pub(super) fn words(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// A number cell.
pub(super) fn number(text: impl Into<String>) -> Cell {
    Cell::Number(text.into())
}

/// A drawing with its caption, in a box of its own that scrolls on a narrow screen.
pub(super) fn figure(page: &mut Markup, caption: &str, drawing: &Markup) {
    framed(page, caption, drawing, "scroll plot");
}

/// A space-time diagram: it has a size of its own.
pub(super) fn diagram(page: &mut Markup, caption: &str, drawing: &Markup) {
    framed(page, caption, drawing, "scroll diagram");
}

fn framed(page: &mut Markup, caption: &str, drawing: &Markup, class: &'static str) {
    page.raw("<figure>");
    page.leaf("figcaption", &[], caption);
    page.open("div", &[("class", class), ("tabindex", "0"), ("role", "region"), ("aria-label", caption)]);
    page.add(drawing);
    page.raw("</div></figure>");
}

/// What is folded away until somebody wants it.
pub(super) fn folded(page: &mut Markup, summary: &str, inner: &Markup) {
    page.raw("<details>").leaf("summary", &[], summary).add(inner).raw("</details>");
}

/// A remark: what was left out, or cannot be shown.
pub(super) fn note(page: &mut Markup, text: &str) {
    page.leaf("p", &[("class", "note")], text);
}

/// A verdict as a sign and a word: the sign differs in shape, not only in colour.
pub(super) fn verdict(page: &mut Markup, verdict: Verdict) {
    let (class, sign) = match verdict {
        Verdict::Pass => ("sign pass", "\u{2713}"),
        Verdict::Unknown => ("sign unknown", "?"),
        Verdict::Fail => ("sign fail", "\u{2717}"),
    };
    page.open("span", &[("class", class)]);
    page.leaf("span", &[("aria-hidden", "true")], sign).raw(" ");
    page.text(&verdict.to_string()).close("span");
}

/// A fate by its name, with a sign: losses differ from the others in shape, not only in colour.
pub(super) fn fate(page: &mut Markup, fate: Fate) {
    let (class, sign) = if fate.is_loss() { ("sign fail", "\u{2717}") } else { ("sign pass", "\u{2713}") };
    page.open("span", &[("class", class)]);
    page.leaf("span", &[("aria-hidden", "true")], sign).raw(" ");
    page.text(fate.name()).close("span");
}

/// The same with the colour that the fate has in bars.
pub(super) fn coloured_fate(page: &mut Markup, fate: Fate) {
    swatch(page, super::verdict::fate_class(fate));
    page.raw(" ");
    self::fate(page, fate);
}

/// A command to be copied. The button appears where there is a script to make it work.
pub(super) fn command(page: &mut Markup, command: &str) {
    page.raw("<div class=\"command\">").leaf("code", &[("tabindex", "0")], command);
    page.raw("<button type=\"button\" class=\"copy\" hidden>copy</button></div>");
}

/// One entry of a legend: a small drawing and what it means.
pub(super) fn legend(page: &mut Markup, entries: &[(&'static str, &str)]) {
    page.raw("<ul class=\"legend\">");
    for (class, text) in entries {
        page.raw("<li>");
        swatch(page, class);
        page.raw(" ").text(text).raw("</li>");
    }
    page.raw("</ul>");
}

fn swatch(page: &mut Markup, class: &'static str) {
    page.raw("<svg class=\"swatch\" viewBox=\"0 0 18 12\" aria-hidden=\"true\">");
    let shape = match class.rsplit(' ').next().unwrap_or_default() {
        "dots" => "M9 6h0",
        "crosses" => "M6 3l6 6m0-6l-6 6",
        "triangles" => "M5 9h8l-4-7z",
        "curve" => "M0 6h18",
        _ => "M0 0h18v12h-18z",
    };
    page.empty("path", &[("class", class), ("d", shape)]);
    page.raw("</svg>");
}
