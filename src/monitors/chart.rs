//! Draws a chart as a PNG: dark, with letters that a phone shows large enough, without any font on the server.

mod axes;
mod dots;
mod paint;

use crate::base::alert::{Severity, Unit};
use crate::base::text::shorten;
use crate::base::time::Millis;
use crate::store::samples::Value;
use axes::{amount, scale, times};
use chrono::NaiveDateTime;
use dots::{GAP, fewer, middle, runs};
use paint::{Area, BACKGROUND, Drawn, FINE, GRID, QUIET, WORDS, at, color, stroke, width, write};
use plotters::element::{Circle, Polygon, Rectangle};
use plotters::style::text_anchor::HPos;
use plotters::style::{Color, RGBColor};
use std::io;
use std::time::Duration;

/// The size of the picture, in pixels. A phone shows it about 360 wide, so what is 34 high here is 12 there.
pub const SIZE: (u32, u32) = (1000, 660);
/// The most lines.
const MOST_LINES: usize = 8;
/// So many lines have their bands and names up to the first length, in characters; more of them have no bands, which would
/// cover each other, and the ends of their names.
const FEW: (usize, usize, usize) = (3, 22, 8);
/// How high the two rows of names stand, and the only one.
const ROWS: [i32; 2] = [98, 140];
const ROW: [i32; 1] = [122];
/// How large letters are: the title, what stands beside the axes, a level, a remark in place of lines, in pixels.
const TITLE: u32 = 42;
const AXIS: u32 = 34;
const LEVEL: u32 = 30;
const REMARK: u32 = 38;
/// Names of few lines, and of many.
const NAMES: (u32, u32) = (33, 26);
/// How far everything stays from the left edge.
const EDGE: i32 = 28;

const LINES: [RGBColor; MOST_LINES] = [
    RGBColor(0x58, 0xa6, 0xff),
    RGBColor(0x56, 0xd3, 0x64),
    RGBColor(0xd2, 0xa8, 0xff),
    RGBColor(0xff, 0xa6, 0x57),
    RGBColor(0x39, 0xc5, 0xcf),
    RGBColor(0xf7, 0x78, 0xba),
    RGBColor(0xd0, 0xd7, 0x5e),
    RGBColor(0x8c, 0x95, 0x9f),
];

/// Where the plot lies in the picture: left, top, right, bottom.
const PLOT: (i32, i32, i32, i32) = (166, 176, 972, 596);

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows, in a few words.
    pub title: String,
    /// Where its time begins.
    pub from: Millis,
    /// Where its time ends.
    pub until: Millis,
    /// What is measured. Percent begins at 0 and ends at 100; everything else ends above the greatest value.
    pub unit: Unit,
    /// The lines, eight at the most.
    pub lines: Vec<Line>,
    /// Levels from which a value is too high.
    pub limits: Vec<Limit>,
    /// When something was wrong.
    pub marks: Vec<Mark>,
}

/// A line of a chart, with the band between its least and its greatest.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// Its points, oldest first.
    pub dots: Vec<Dot>,
}

/// A point of a line.
#[derive(Clone, Copy, Debug)]
pub struct Dot {
    /// When its stretch of time begins.
    pub at: Millis,
    /// How long that stretch is.
    pub width: Duration,
    /// What was measured in it.
    pub value: Value,
}

/// A level from which a value is too high.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The level, in the chart's unit.
    pub value: f64,
    /// How bad that is.
    pub severity: Severity,
}

/// A time when something was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When it began.
    pub begin: Millis,
    /// When it was over; `None` when it is not.
    pub end: Option<Millis>,
    /// How bad it was at its worst.
    pub severity: Severity,
}

/// Draws the chart as a PNG of [`SIZE`]; `local` says what the clocks show at a moment. It takes 10 MB while it draws, and
/// a processor for some tens of milliseconds.
///
/// # Errors
/// Only if the embedded font or the encoder fail.
pub fn draw(chart: &Chart, local: impl Fn(Millis) -> NaiveDateTime) -> io::Result<Vec<u8>> {
    paint::picture(|area| Plot::of(chart).draw(area, chart, &local))
}

/// How times and values become places in the picture.
struct Plot {
    from: i64,
    until: i64,
    top: f64,
    ticks: Vec<f64>,
}

impl Plot {
    fn of(chart: &Chart) -> Self {
        let dots = chart.lines.iter().flat_map(|line| &line.dots);
        let limits = chart.limits.iter().map(|limit| limit.value);
        let most = dots
            .map(|dot| dot.value.max)
            .chain(limits)
            .fold(0.0, f64::max);
        let (top, every) = scale(chart.unit, most);
        let mut ticks = Vec::new();
        while ticks.len() <= 6 && every * ticks.len() as f64 <= top * 1.001 {
            ticks.push(every * ticks.len() as f64);
        }
        Self {
            from: chart.from.0,
            until: chart.until.0.max(chart.from.0 + 1),
            top,
            ticks,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a place in a picture"
    )]
    fn x(&self, at: i64) -> i32 {
        let share = (at - self.from) as f64 / (self.until - self.from) as f64;
        let (left, right) = (PLOT.0 * FINE as i32, PLOT.2 * FINE as i32);
        left + (share.clamp(0.0, 1.0) * f64::from(right - left)).round() as i32
    }

    #[expect(clippy::cast_possible_truncation, reason = "a place in a picture")]
    fn y(&self, value: f64) -> i32 {
        let (top, bottom) = (PLOT.1 * FINE as i32, PLOT.3 * FINE as i32);
        bottom - ((value / self.top).clamp(0.0, 1.0) * f64::from(bottom - top)).round() as i32
    }

    fn draw(
        &self,
        area: &Area<'_>,
        chart: &Chart,
        local: &dyn Fn(Millis) -> NaiveDateTime,
    ) -> Drawn {
        area.fill(&BACKGROUND)?;
        self.marks(area, &chart.marks)?;
        self.axes(area, chart, local)?;
        let lines = chart.lines.iter().take(MOST_LINES);
        let runs: Vec<_> = lines
            .map(|line| runs(&fewer(&line.dots, chart.from, chart.until)))
            .collect();
        let few = chart.lines.len() <= FEW.0;
        for (runs, color) in runs.iter().zip(LINES).filter(|_| few) {
            self.bands(area, runs, color)?;
        }
        for (runs, color) in runs.iter().zip(LINES) {
            self.averages(area, runs, color)?;
        }
        self.limits(area, chart)?;
        heading(area, chart, local)?;
        if runs.iter().all(Vec::is_empty) {
            nothing(area)?;
        }
        Ok(())
    }

    fn axes(
        &self,
        area: &Area<'_>,
        chart: &Chart,
        local: &dyn Fn(Millis) -> NaiveDateTime,
    ) -> Drawn {
        for value in &self.ticks {
            let y = self.y(*value);
            stroke(
                area,
                vec![(at(PLOT.0), y), (at(PLOT.2), y)],
                GRID.to_rgba(),
                1,
            )?;
            let label = amount(chart.unit, *value);
            write(
                area,
                &label,
                (PLOT.0 - 12, y / FINE as i32),
                AXIS,
                QUIET,
                HPos::Right,
            )?;
        }
        for (moment, label) in times(chart.from, chart.until, local) {
            let x = self.x(moment.0);
            stroke(
                area,
                vec![(x, at(PLOT.1)), (x, at(PLOT.3))],
                GRID.to_rgba(),
                1,
            )?;
            let place = (x / FINE as i32, PLOT.3 + 34);
            write(area, &label, place, AXIS, QUIET, HPos::Center)?;
        }
        Ok(())
    }

    /// When something was wrong: a tinted stretch with a bar on top, wide enough to be seen.
    fn marks(&self, area: &Area<'_>, marks: &[Mark]) -> Drawn {
        for mark in marks {
            let end = mark.end.map_or(self.until, |end| end.0);
            if end < self.from || mark.begin.0 > self.until {
                continue;
            }
            let color = color(mark.severity);
            let left = self.x(mark.begin.0).min(at(PLOT.2 - 3));
            let right = self.x(end).max(left + at(3));
            let stretch = [(left, at(PLOT.1)), (right, at(PLOT.3))];
            area.draw(&Rectangle::new(stretch, color.mix(0.16).filled()))?;
            let bar = [(left, at(PLOT.1 - 7)), (right, at(PLOT.1))];
            area.draw(&Rectangle::new(bar, color.filled()))?;
        }
        Ok(())
    }

    fn bands(&self, area: &Area<'_>, runs: &[Vec<Dot>], color: RGBColor) -> Drawn {
        for run in runs {
            if run
                .iter()
                .all(|dot| self.y(dot.value.min) - self.y(dot.value.max) < 2)
            {
                continue;
            }
            let above = run
                .iter()
                .map(|dot| (self.x(middle(dot)), self.y(dot.value.max)));
            let below = run
                .iter()
                .rev()
                .map(|dot| (self.x(middle(dot)), self.y(dot.value.min)));
            let outline: Vec<_> = above.chain(below).collect();
            if run.len() > 1 {
                area.draw(&Polygon::new(outline, color.mix(0.22).filled()))?;
            } else {
                stroke(area, outline, color.mix(0.4), 3)?;
            }
        }
        Ok(())
    }

    fn averages(&self, area: &Area<'_>, runs: &[Vec<Dot>], color: RGBColor) -> Drawn {
        for run in runs {
            let line: Vec<_> = run
                .iter()
                .map(|dot| (self.x(middle(dot)), self.y(dot.value.avg)))
                .collect();
            match line.as_slice() {
                [only] => area.draw(&Circle::new(*only, 4 * FINE as i32, color.filled()))?,
                _ => stroke(area, line, color.to_rgba(), 3)?,
            }
        }
        Ok(())
    }

    /// Dashed lines at the levels, each with its value in it at the right; one that would cover another value stands beside it.
    fn limits(&self, area: &Area<'_>, chart: &Chart) -> Drawn {
        let mut written: Vec<(i32, i32)> = Vec::new();
        let mut values = Vec::new();
        for limit in &chart.limits {
            let (y, color) = (self.y(limit.value), color(limit.severity));
            for left in (PLOT.0..PLOT.2).step_by(20) {
                let right = (left + 12).min(PLOT.2);
                stroke(
                    area,
                    vec![(at(left), y), (at(right), y)],
                    color.to_rgba(),
                    2,
                )?;
            }
            let value = amount(chart.unit, limit.value);
            let height = y / FINE as i32;
            let near = written
                .iter()
                .filter(|(_, other)| (other - height).unsigned_abs() < LEVEL);
            let right = near.map(|(left, _)| left - 14).min().unwrap_or(PLOT.2 - 8);
            let left = right - width(area, &value, LEVEL)?;
            written.push((left, height));
            values.push((value, (left, right), height, color));
        }
        // Last, and with room around them, so that no line runs through a value.
        for (value, (left, right), height, color) in values {
            let half = LEVEL as i32 / 2;
            let room = [
                (at(left - 6), at(height - half)),
                (at(right + 6), at(height + half)),
            ];
            area.draw(&Rectangle::new(room, BACKGROUND.filled()))?;
            write(area, &value, (right, height), LEVEL, color, HPos::Right)?;
        }
        Ok(())
    }
}

/// Says that there is nothing to show.
fn nothing(area: &Area<'_>) -> Drawn {
    let (x, y) = ((PLOT.0 + PLOT.2) / 2, (PLOT.1 + PLOT.3) / 2);
    let room = [(at(x - 340), at(y - 32)), (at(x + 340), at(y + 32))];
    area.draw(&Rectangle::new(room, BACKGROUND.filled()))?;
    let words = "Nothing was measured in this time.";
    write(area, words, (x, y), REMARK, QUIET, HPos::Center)
}

/// The title, the time, and what the lines are called and were last.
fn heading(area: &Area<'_>, chart: &Chart, local: &dyn Fn(Millis) -> NaiveDateTime) -> Drawn {
    let until = local(chart.until).format("%-d %b %H:%M").to_string();
    write(area, &until, (PLOT.2, 42), AXIS, QUIET, HPos::Right)?;
    let room = PLOT.2 - EDGE - 24 - width(area, &until, AXIS)?;
    let mut title = shorten(&chart.title, 44);
    for units in (8..44).rev() {
        if width(area, &title, TITLE)? <= room {
            break;
        }
        title = shorten(&chart.title, units);
    }
    write(area, &title, (EDGE, 42), TITLE, WORDS, HPos::Left)?;
    names(area, chart)
}

/// What the lines are called and were last, in one row, or in two if they are too long for that.
fn names(area: &Area<'_>, chart: &Chart) -> Drawn {
    let (size, space) = match chart.lines.len() <= FEW.0 {
        true => (NAMES.0, 26),
        false => (NAMES.1, 18),
    };
    let mut labels = Vec::new();
    for (line, color) in chart.lines.iter().zip(LINES) {
        let label = label(chart, line);
        let long = 26 + width(area, &label, size)?;
        labels.push((label, long, color));
    }
    let all: i32 = labels.iter().map(|(_, long, _)| long + space).sum();
    let rows: &[i32] = match EDGE + all - space <= PLOT.2 {
        true => &ROW,
        false => &ROWS,
    };
    let (mut x, mut rows) = (EDGE, rows.iter().copied());
    let Some(mut y) = rows.next() else {
        return Ok(());
    };
    for (label, long, color) in labels {
        if x > EDGE && x + long > PLOT.2 {
            let Some(next) = rows.next() else { break };
            (x, y) = (EDGE, next);
        }
        let swatch = [(at(x), at(y - 9)), (at(x + 18), at(y + 9))];
        area.draw(&Rectangle::new(swatch, color.filled()))?;
        write(area, &label, (x + 26, y), size, WORDS, HPos::Left)?;
        x += long + space;
    }
    Ok(())
}

/// What a line is called, and what it was last, unless that is long ago.
fn label(chart: &Chart, line: &Line) -> String {
    let (few, long, short) = FEW;
    let length = line.name.chars().count();
    let name = match chart.lines.len() <= few {
        true => shorten(&line.name, long).into_owned(),
        false if length <= short => line.name.clone(),
        // Paths differ at their ends.
        false => format!(
            "…{}",
            line.name
                .chars()
                .skip(length - short + 1)
                .collect::<String>()
        ),
    };
    let is_new = |dot: &&Dot| chart.until.since(dot.at) < dot.width.mul_f64(GAP);
    match line.dots.last().filter(is_new) {
        Some(dot) => format!("{name} {}", amount(chart.unit, dot.value.avg)),
        None => name,
    }
}

#[cfg(test)]
mod tests;
