//! The frame of a drawing over the time of the run: axes, ticks, the stretches of faults behind it; and dots.

use super::{
    markup::{Markup, px},
    scale::{Scale, duration, seconds, tick},
};
use crate::report::recorded::{Band, BandKind};
use std::{collections::BTreeSet, fmt::Write as _};

/// The width of every drawing, in its own units. On a narrow screen it is scrolled, not shrunk.
pub(super) const WIDTH: f64 = 1000.0;
/// Where the plot begins: left of it stand the labels of the vertical axis.
pub(super) const LEFT: f64 = 76.0;
/// Where it ends.
pub(super) const RIGHT: f64 = WIDTH - 14.0;
/// The height of the labels under it.
pub(super) const FOOT: f64 = 36.0;

/// A drawing over time.
#[derive(Debug)]
pub(super) struct Chart {
    /// What was drawn so far.
    pub(super) svg: Markup,
    /// Time in seconds, from left to right.
    pub(super) x: Scale,
    top: f64,
    bottom: f64,
    height: f64,
}

/// Begins a drawing: it says what it shows to those who cannot see it.
pub(super) fn begin(height: f64, says: &str) -> Markup {
    let mut svg = Markup::default();
    let view = format!("0 0 {} {}", px(WIDTH), px(height));
    svg.open("svg", &[("viewBox", &view), ("role", "img"), ("aria-label", says)]);
    svg
}

/// Begins a drawing without letters, which may be as narrow as the screen is.
pub(super) fn begin_bars(height: f64, says: &str) -> Markup {
    let mut svg = Markup::default();
    let view = format!("0 0 {} {}", px(WIDTH), px(height));
    svg.open("svg", &[("viewBox", &view), ("class", "fluid"), ("role", "img"), ("aria-label", says)]);
    svg
}

/// A line of text in a drawing. `class` may add `end` or `middle` for where `x` is in it.
pub(super) fn label(svg: &mut Markup, x: f64, y: f64, class: &str, text: &str) {
    svg.leaf("text", &[("x", &px(x)), ("y", &px(y)), ("class", class)], text);
}

/// A straight line.
pub(super) fn line(svg: &mut Markup, from: (f64, f64), to: (f64, f64), class: &str) {
    let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(px);
    svg.empty("line", &[("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2), ("class", class)]);
}

/// A rectangle.
pub(super) fn rectangle(svg: &mut Markup, corner: (f64, f64), size: (f64, f64), class: &str) {
    let [x, y, width, height] = [corner.0, corner.1, size.0, size.1].map(px);
    svg.empty("rect", &[("x", &x), ("y", &y), ("width", &width), ("height", &height), ("class", class)]);
}

impl Chart {
    /// A chart of a run that ended then, whose plot is this high.
    pub(super) fn new(plot: f64, end_ns: u64, says: &str) -> Self {
        let (top, height) = (8.0, plot + 8.0 + FOOT);
        let x = Scale::linear((0.0, seconds(end_ns).max(1e-3)), (LEFT, RIGHT));
        Self { svg: begin(height, says), x, top, bottom: top + plot, height }
    }

    /// The coordinates of the plot's top and bottom.
    pub(super) const fn plot(&self) -> (f64, f64) {
        (self.top, self.bottom)
    }

    /// The coordinate of a time.
    pub(super) fn at(&self, ns: u64) -> f64 {
        self.x.at(seconds(ns))
    }

    /// Shades the stretches of faults. What they are is told by the drawing of the faults themselves.
    pub(super) fn shade(&mut self, bands: &[Band]) {
        for band in bands {
            let (from, to) = (self.at(band.from), self.at(band.to));
            let class = match band.kind {
                BandKind::Partition => "band partition",
                BandKind::Link => "band link",
                BandKind::Clock => "band clock",
                BandKind::Process => "band process",
            };
            let size = ((to - from).max(1.0), self.bottom - self.top);
            rectangle(&mut self.svg, (from, self.top), size, class);
        }
    }

    /// Draws the axis of time under the plot.
    pub(super) fn time_axis(&mut self) {
        let (x, bottom, top) = (self.x, self.bottom, self.top);
        for at in x.ticks(8) {
            line(&mut self.svg, (x.at(at), top), (x.at(at), bottom), "grid");
            label(&mut self.svg, x.at(at), bottom + 15.0, "middle", &tick(at));
        }
        line(&mut self.svg, (LEFT, bottom), (RIGHT, bottom), "axis");
        label(&mut self.svg, RIGHT, bottom + 31.0, "dim end", "seconds of the run");
    }

    /// Draws the vertical axis, with a label at each tick.
    pub(super) fn value_axis(&mut self, y: &Scale, name: impl Fn(f64) -> String) {
        for at in y.ticks(4) {
            line(&mut self.svg, (LEFT, y.at(at)), (RIGHT, y.at(at)), "grid");
            label(&mut self.svg, LEFT - 6.0, y.at(at) + 4.0, "end", &name(at));
        }
        line(&mut self.svg, (LEFT, self.top), (LEFT, self.bottom), "axis");
    }

    /// The whole drawing.
    pub(super) fn end(mut self) -> Markup {
        debug_assert!(self.height > self.bottom, "there is room for the axis");
        self.svg.close("svg");
        self.svg
    }
}

/// The shape of a dot: outcomes differ by it as well as by colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A round dot.
    Dot,
    /// A cross.
    Cross,
    /// A triangle.
    Triangle,
}

/// From this many round dots on, four neighbours are drawn as one.
const CROWDED: usize = 15_000;

/// Many dots of one kind: one path, and no dot twice.
#[derive(Debug, Default)]
pub(super) struct Dots {
    seen: BTreeSet<(i32, i32)>,
}

impl Dots {
    /// Adds a dot; where one is already, nothing changes.
    #[expect(clippy::cast_possible_truncation, reason = "a coordinate of a drawing")]
    pub(super) fn add(&mut self, x: f64, y: f64) {
        self.seen.insert((x.round() as i32, y.round() as i32));
    }

    /// Draws them all.
    pub(super) fn draw(&self, svg: &mut Markup, shape: Shape, class: &str) {
        if self.seen.is_empty() {
            return;
        }
        let crowded = shape == Shape::Dot && self.seen.len() > CROWDED;
        let dots: BTreeSet<(i32, i32)> = if crowded {
            self.seen.iter().map(|(x, y)| (x & !1, y & !1)).collect()
        } else {
            self.seen.clone()
        };
        let mut path = String::with_capacity(dots.len() * 8);
        let mut last = (0, 0);
        for (x, y) in dots {
            // Steps from dot to dot are shorter than places. Writing to a string cannot fail.
            let (dx, dy) = (x - last.0, y - last.1);
            let _ = match shape {
                Shape::Dot => write!(path, "m{dx} {dy}h0"),
                Shape::Cross => write!(path, "M{} {}l6 6m0-6l-6 6", x - 3, y - 3),
                Shape::Triangle => write!(path, "M{} {}h8l-4-7z", x - 4, y + 3),
            };
            last = (x, y);
        }
        svg.empty("path", &[("class", class), ("d", &path)]);
    }
}

/// The axes of a plot of percentiles: nines from left to right, latencies from the bottom to the top.
pub(super) fn percentile_axes(svg: &mut Markup, x: &Scale, y: &Scale, nines: f64, (top, bottom): (f64, f64)) {
    for at in y.ticks(4) {
        line(svg, (LEFT, y.at(at)), (RIGHT, y.at(at)), "grid");
        label(svg, LEFT - 6.0, y.at(at) + 4.0, "end", &duration(at));
    }
    for (at, name) in
        [(0.0, "0"), (0.301, "50"), (1.0, "90"), (2.0, "99"), (3.0, "99.9"), (4.0, "99.99"), (5.0, "99.999")]
    {
        if at <= nines {
            line(svg, (x.at(at), top), (x.at(at), bottom), "grid");
            label(svg, x.at(at), bottom + 15.0, "middle", name);
        }
    }
    label(svg, RIGHT, bottom + 31.0, "dim end", "percentile");
}

/// A line through points, in their order.
pub(super) fn curve(svg: &mut Markup, points: impl Iterator<Item = (f64, f64)>, class: &str) {
    let mut path = String::new();
    for (n, (x, y)) in points.enumerate() {
        let _ = write!(path, "{}{} {}", if n == 0 { "M" } else { "L" }, px(x), px(y));
    }
    if !path.is_empty() {
        svg.empty("path", &[("class", class), ("d", &path)]);
    }
}
