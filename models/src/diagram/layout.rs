//! Where things stand: pixels, as integers. Labels stand to the right of their marks, and the lanes are so far apart
//! that no label reaches the next one.

use super::{Condition, Place, Scene};

/// The advance of a character of the 12-pixel monospaced face, in tenths of a pixel; generous, for other faces.
const CHARACTER_TENTHS: i64 = 73;
/// The height of a row.
pub(super) const ROW: i64 = 34;
/// The distance from a mark to its label.
pub(super) const LABEL_GAP: i64 = 12;
/// Room around everything.
const MARGIN: i64 = 16;
/// From the top to the first row.
const HEAD: i64 = 58;
/// The width of the step numbers.
const NUMBERS: i64 = 30;
/// The narrowest lane.
const NARROWEST: i64 = 84;
/// One band beside the numbers.
const BAND: i64 = 8;
/// The height of the legend.
pub(super) const LEGEND: i64 = 40;
/// The least width, for the legend. The title is in a 14-pixel face.
const LEAST_WIDTH: i64 = 860;

/// The width of a text, pixels.
pub(super) fn width_of(text: &str) -> i64 {
    let characters = i64::try_from(text.chars().count()).unwrap_or(i64::MAX / 100);
    (characters * CHARACTER_TENTHS + 9) / 10
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX / 1000)
}

/// Where things stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    first_lane: i64,
    /// From lane to lane.
    lane: i64,
    /// Where the captions begin.
    pub(super) captions: i64,
    /// The bottom of the last row.
    pub(super) bottom: i64,
    pub(super) width: i64,
    pub(super) height: i64,
}

impl Layout {
    pub(super) fn of(scene: &Scene) -> Self {
        let labels = scene.marks.iter().map(|mark| width_of(&mark.label));
        let names = scene.lanes.iter().map(|lane| width_of(&lane.name));
        let widest = labels.chain(names).max().unwrap_or(0);
        let lane = NARROWEST.max(widest + 2 * LABEL_GAP);
        let parted = scene.bands.iter().filter(|band| matches!(band.condition, Condition::Parted(..)));
        let first_lane = MARGIN + NUMBERS + BAND * count(parted.count()) + 24;
        let captions = first_lane + lane * count(scene.lanes.len());
        let widest_caption = scene.rows.iter().map(|row| width_of(&row.caption)).max().unwrap_or(0);
        let bottom = HEAD + ROW * count(scene.rows.len());
        Self {
            first_lane,
            lane,
            captions,
            bottom,
            width: LEAST_WIDTH
                .max(captions + widest_caption + MARGIN)
                .max(MARGIN * 2 + width_of(&scene.title) * 14 / 12 + 1),
            height: bottom + LEGEND + MARGIN,
        }
    }

    pub(super) fn x(&self, lane: usize) -> i64 {
        self.first_lane + self.lane * count(lane)
    }

    pub(super) fn y(row: usize) -> i64 {
        HEAD + ROW * count(row) + ROW / 2
    }

    pub(super) fn at(&self, place: Place) -> (i64, i64) {
        (self.x(place.lane), Self::y(place.row))
    }

    /// Where the step numbers end.
    pub(super) const fn numbers(&self) -> i64 {
        MARGIN + NUMBERS - 8
    }

    /// The left edge of the n-th band beside the numbers.
    pub(super) fn band(&self, n: usize) -> i64 {
        MARGIN + NUMBERS + BAND * count(n)
    }

    /// The left edge of everything.
    pub(super) const fn left(&self) -> i64 {
        MARGIN
    }

    /// The top of the lanes.
    pub(super) const fn top(&self) -> i64 {
        HEAD
    }
}
