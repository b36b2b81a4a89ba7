//! HTML and SVG on their way to a page. Only text that was written in this program's source goes in as it is;
//! everything else is escaped on its way in, so that no key, value or error message can become markup.

use quarrel_models::diagram::{self, Scene};
use std::fmt::Write as _;

/// A piece of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Markup(String);

/// Names and values of attributes; values are escaped.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Markup {
    /// Adds markup from the source of this program.
    pub(super) fn raw(&mut self, literal: &'static str) -> &mut Self {
        self.0.push_str(literal);
        self
    }

    /// Adds text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        text.chars().for_each(|c| self.escape(c));
        self
    }

    fn escape(&mut self, c: char) {
        match c {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\'' => self.0.push_str("&#39;"),
            '\n' | '\t' => self.0.push(c),
            // Neither HTML nor a reader can make anything of other control characters.
            c if c.is_control() || turns(c) => self.0.push('\u{fffd}'),
            c => self.0.push(c),
        }
    }

    /// Begins an element.
    pub(super) fn open(&mut self, tag: &'static str, attributes: Attributes<'_>) -> &mut Self {
        self.tag(tag, attributes);
        self.0.push('>');
        self
    }

    /// Ends an element.
    pub(super) fn close(&mut self, tag: &'static str) -> &mut Self {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "</{tag}>");
        self
    }

    /// Adds an element of SVG that has nothing in it.
    pub(super) fn empty(&mut self, tag: &'static str, attributes: Attributes<'_>) -> &mut Self {
        self.tag(tag, attributes);
        self.0.push_str("/>");
        self
    }

    /// Adds an element that holds text.
    pub(super) fn leaf(&mut self, tag: &'static str, attributes: Attributes<'_>, text: &str) -> &mut Self {
        self.open(tag, attributes).text(text).close(tag)
    }

    fn tag(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        let _ = write!(self.0, "<{tag}");
        for (name, value) in attributes {
            let _ = write!(self.0, " {name}=\"");
            self.text(value);
            self.0.push('"');
        }
    }

    /// Adds another piece.
    pub(super) fn add(&mut self, other: &Self) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// Adds a space-time diagram: its drawing escapes its own text, but knows nothing of what turns it.
    pub(super) fn diagram(&mut self, scene: &Scene) -> &mut Self {
        self.0.push_str(&diagram::svg(scene).replace(turns, "\u{fffd}"));
        self
    }

    /// Adds data for the page's script, under an id.
    pub(super) fn data(&mut self, id: &'static str, data: &impl serde::Serialize) -> &mut Self {
        self.open("script", &[("type", "application/json"), ("id", id)]);
        // Data of ours can always be written; what ends a script must not stand in it.
        let json = serde_json::to_string(data).unwrap_or_default();
        for c in json.chars() {
            match c {
                c if turns(c) || "<>&\u{2028}\u{2029}".contains(c) => {
                    let _ = write!(self.0, "\\u{:04x}", u32::from(c));
                }
                c => self.0.push(c),
            }
        }
        self.close("script")
    }

    /// How long it is, bytes.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The whole.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Whether a character turns the direction of writing: it could make a page lie.
const fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A coordinate, to a tenth: more digits than a screen has dots only make a page longer.
pub(super) fn px(value: f64) -> String {
    let tenths = (value * 10.0).round();
    if tenths.rem_euclid(10.0) == 0.0 {
        format!("{}", tenths / 10.0)
    } else {
        format!("{:.1}", tenths / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_cannot_become_markup() {
        let mut page = Markup::default();
        page.leaf("p", &[("title", "a\" onload='x")], "<script>&\u{202e}\u{7}");
        let expected = "<p title=\"a&quot; onload=&#39;x\">&lt;script&gt;&amp;\u{fffd}\u{fffd}</p>";
        assert_eq!(page.0, expected);
    }

    #[test]
    fn data_cannot_end_its_script() {
        let mut page = Markup::default();
        page.data("d", &["</script><!--"]);
        assert_eq!(page.0.matches("</script>").count(), 1);
        assert!(!page.0.contains("<!--"));
    }

    #[test]
    fn coordinates_have_no_more_digits_than_they_need() {
        assert_eq!([1.0, 2.25, -0.04, 99.96].map(px), ["1", "2.3", "-0", "100"]);
    }
}
