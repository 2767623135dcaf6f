//! Draws a chart as a PNG: dark, with letters that a phone shows large enough, without any font on the server.

use crate::base::alert::{Severity, Unit};
use crate::base::text::{bytes, shorten};
use crate::base::time::Millis;
use crate::store::samples::Value;
use chrono::{NaiveDateTime, Timelike};
use plotters::backend::BitMapBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontStyle, IntoFont, IntoTextStyle, RGBAColor, RGBColor, TextStyle, register_font,
};
use std::io;
use std::sync::LazyLock;
use std::time::Duration;

/// The size of the picture, in pixels.
pub const SIZE: (u32, u32) = (1000, 600);
/// Everything is drawn so many times as large and made smaller then, so that lines are smooth.
const FINE: u32 = 2;
/// The most points of a line; more are put together, or the line would be a smear.
const MOST_POINTS: usize = 400;
/// The most lines.
const MOST_LINES: usize = 8;
/// So many lines have their bands and names up to the first length, in characters; more of them have no bands, which would
/// cover each other, and the ends of their names.
const FEW: (usize, usize, usize) = (3, 22, 10);
/// How high the two rows of names stand.
const ROWS: [i32; 2] = [86, 119];
/// Points further apart than so many times their width have nothing between them.
const GAP: f64 = 2.5;

const FONT: &str = "chart";
const BACKGROUND: RGBColor = RGBColor(0x16, 0x1b, 0x22);
const GRID: RGBColor = RGBColor(0x30, 0x37, 0x41);
const WORDS: RGBColor = RGBColor(0xf0, 0xf3, 0xf6);
const QUIET: RGBColor = RGBColor(0xa4, 0xae, 0xba);
const AMBER: RGBColor = RGBColor(0xe3, 0xb3, 0x41);
const RED: RGBColor = RGBColor(0xff, 0x6b, 0x61);
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
const PLOT: (i32, i32, i32, i32) = (126, 150, 972, 540);

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

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Draws the chart as a PNG of [`SIZE`]; `local` says what the clocks show at a moment. It takes 15 MB while it draws, and
/// a processor for some tens of milliseconds.
///
/// # Errors
/// Only if the embedded font or the encoder fail.
pub fn draw(chart: &Chart, local: impl Fn(Millis) -> NaiveDateTime) -> io::Result<Vec<u8>> {
    static FONT_IS_THERE: LazyLock<bool> = LazyLock::new(|| {
        let font = include_bytes!("../../assets/DejaVuSans.ttf");
        register_font(FONT, FontStyle::Normal, font).is_ok()
    });
    if !*FONT_IS_THERE {
        return Err(io::Error::other("the embedded font cannot be read"));
    }
    let (width, height) = (SIZE.0 * FINE, SIZE.1 * FINE);
    let mut pixels = vec![0; (width * height * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        let plot = Plot::of(chart);
        let drawn = plot
            .draw(&area, chart, &local)
            .and_then(|()| area.present());
        drawn.map_err(|error| io::Error::other(error.to_string()))?;
    }
    encode(&smaller(&pixels))
}

type Drawn = Result<
    (),
    plotters::drawing::DrawingAreaErrorKind<
        <BitMapBackend<'static> as plotters::prelude::DrawingBackend>::ErrorType,
    >,
>;

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
            let middle = ((PLOT.0 + PLOT.2) / 2, (PLOT.1 + PLOT.3) / 2);
            write(
                area,
                "Nothing was measured in this time.",
                middle,
                30,
                QUIET,
                HPos::Center,
            )?;
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
                27,
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
            let place = (x / FINE as i32, PLOT.3 + 28);
            write(area, &label, place, 27, QUIET, HPos::Center)?;
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

    /// Dashed lines at the levels, with their values at the right.
    fn limits(&self, area: &Area<'_>, chart: &Chart) -> Drawn {
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
            let place = (PLOT.2 - 4, y / FINE as i32 - 17);
            write(
                area,
                &amount(chart.unit, limit.value),
                place,
                24,
                color,
                HPos::Right,
            )?;
        }
        Ok(())
    }
}

/// The title, the time, and what the lines are called and were last.
fn heading(area: &Area<'_>, chart: &Chart, local: &dyn Fn(Millis) -> NaiveDateTime) -> Drawn {
    let edge = 28;
    write(
        area,
        &shorten(&chart.title, 44),
        (edge, 38),
        38,
        WORDS,
        HPos::Left,
    )?;
    let until = local(chart.until).format("%-d %b %H:%M").to_string();
    write(area, &until, (PLOT.2, 38), 27, QUIET, HPos::Right)?;
    let (mut x, mut rows) = (edge, ROWS.into_iter());
    let Some(mut y) = rows.next() else {
        return Ok(());
    };
    for (line, color) in chart.lines.iter().zip(LINES) {
        let label = label(chart, line);
        let (width, _) = area.estimate_text_size(&label, &style(25, WORDS, HPos::Left))?;
        let width = i32::try_from(width / FINE).unwrap_or(0);
        if x > edge && x + 24 + width > PLOT.2 {
            let Some(next) = rows.next() else { break };
            (x, y) = (edge, next);
        }
        let swatch = [(at(x), at(y - 8)), (at(x + 16), at(y + 8))];
        area.draw(&Rectangle::new(swatch, color.filled()))?;
        write(area, &label, (x + 24, y), 25, WORDS, HPos::Left)?;
        x += 24 + width + 26;
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

/// A place of the picture as it is drawn.
fn at(place: i32) -> i32 {
    place * FINE as i32
}

fn style(size: u32, color: RGBColor, side: HPos) -> TextStyle<'static> {
    (FONT, size * FINE)
        .into_font()
        .into_text_style(&SIZE)
        .with_color(color)
        .with_anchor::<RGBAColor>(Pos::new(side, VPos::Center))
        .into_text_style(&SIZE)
}

fn write(
    area: &Area<'_>,
    words: &str,
    place: (i32, i32),
    size: u32,
    color: RGBColor,
    side: HPos,
) -> Drawn {
    // The library sets the middle of a line of text where the middle of its small letters would look right.
    let lower = i32::try_from(size * FINE / 8).unwrap_or(0);
    let place = (at(place.0), at(place.1) + lower);
    area.draw_text(words, &style(size, color, side), place)
}

fn stroke(area: &Area<'_>, path: Vec<(i32, i32)>, color: RGBAColor, width: u32) -> Drawn {
    area.draw(&PathElement::new(path, color.stroke_width(width * FINE)))
}

fn color(severity: Severity) -> RGBColor {
    match severity {
        Severity::Warning => AMBER,
        Severity::Critical => RED,
    }
}

fn middle(dot: &Dot) -> i64 {
    dot.at.plus(dot.width / 2).0
}

/// Where the axis of values ends, and the step between two of its labels.
fn scale(unit: Unit, most: f64) -> (f64, f64) {
    if unit == Unit::Percent {
        return (100.0, 25.0);
    }
    let least = match unit {
        Unit::Bytes | Unit::BytesPerSecond => 1000.0,
        Unit::Number | Unit::Seconds | Unit::Celsius | Unit::Percent => 1.0,
    };
    let rough = most.max(least) / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let every = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|step| step * power)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    ((most.max(least) / every * 0.999).ceil() * every, every)
}

/// A value as people read it.
fn amount(unit: Unit, value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a negative amount of bytes is none"
    )]
    let whole = value.round() as u64;
    let short = match value.abs() {
        0.0..10.0 if value.fract().abs() > 0.004 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    match unit {
        Unit::Number => short,
        Unit::Percent => format!("{value:.0} %"),
        Unit::Bytes => bytes(whole),
        Unit::BytesPerSecond => format!("{}/s", bytes(whole)),
        Unit::Seconds => format!("{short} s"),
        Unit::Celsius => format!("{value:.0} °C"),
    }
}

/// Moments at which clocks show a round time, five to eight of them, and how they are called.
fn times(
    from: Millis,
    until: Millis,
    local: &dyn Fn(Millis) -> NaiveDateTime,
) -> Vec<(Millis, String)> {
    const QUARTER: i64 = 5 * 60 * 1000;
    let hours = until.since(from).as_secs() / 3600;
    let (minutes, form) = match hours {
        0..=2 => (10, "%H:%M"),
        3..=8 => (60, "%H:%M"),
        9..=36 => (240, "%H:%M"),
        _ => (24 * 60, "%a %-d"),
    };
    let is_round = |clock: &NaiveDateTime| (clock.hour() * 60 + clock.minute()) % minutes == 0;
    let mut moments = Vec::new();
    let mut moment = from.0 - from.0.rem_euclid(QUARTER) + QUARTER;
    while moment < until.0 {
        let clock = local(Millis(moment));
        if is_round(&clock) {
            moments.push((Millis(moment), clock.format(form).to_string()));
        }
        moment += QUARTER;
    }
    // A label at the very edge would be cut off.
    let room = (until.0 - from.0) / 30;
    moments.retain(|(moment, _)| moment.0 - from.0 > room && until.0 - moment.0 > room);
    moments
}

/// The dots within the time, so many of them put together that they are not too many.
fn fewer(dots: &[Dot], from: Millis, until: Millis) -> Vec<Dot> {
    let within = |dot: &&Dot| dot.at.plus(dot.width) > from && dot.at < until;
    let dots: Vec<Dot> = dots.iter().filter(within).copied().collect();
    let together = dots.len().div_ceil(MOST_POINTS).max(1);
    if together == 1 {
        return dots;
    }
    runs(&dots)
        .iter()
        .flat_map(|run| run.chunks(together))
        .filter_map(|chunk| {
            let (first, last) = (chunk.first()?, chunk.last()?);
            #[expect(clippy::cast_precision_loss, reason = "some tens")]
            let count = chunk.len() as f64;
            let values = || chunk.iter().map(|dot| dot.value);
            Some(Dot {
                at: first.at,
                width: last.at.plus(last.width).since(first.at),
                value: Value {
                    avg: values().map(|value| value.avg).sum::<f64>() / count,
                    min: values()
                        .map(|value| value.min)
                        .fold(f64::INFINITY, f64::min),
                    max: values()
                        .map(|value| value.max)
                        .fold(f64::NEG_INFINITY, f64::max),
                },
            })
        })
        .collect()
}

/// The dots in stretches without gaps.
fn runs(dots: &[Dot]) -> Vec<Vec<Dot>> {
    let mut runs: Vec<Vec<Dot>> = Vec::new();
    for dot in dots {
        let joined = runs
            .last()
            .and_then(|run| run.last())
            .is_some_and(|last| dot.at.since(last.at) <= last.width.max(dot.width).mul_f64(GAP));
        match runs.last_mut() {
            Some(run) if joined => run.push(*dot),
            _ => runs.push(vec![*dot]),
        }
    }
    runs
}

/// The picture at its own size: each pixel the mean of those it was drawn as.
fn smaller(pixels: &[u8]) -> Vec<u8> {
    let (width, height, fine) = (SIZE.0 as usize, SIZE.1 as usize, FINE as usize);
    let mut small = Vec::with_capacity(width * height * 3);
    let count = u32::try_from(fine * fine).unwrap_or(1);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0;
                for row in 0..fine {
                    let start = ((y * fine + row) * width * fine + x * fine) * 3 + channel;
                    sum += (0..fine)
                        .map(|i| u32::from(pixels[start + i * 3]))
                        .sum::<u32>();
                }
                small.push(u8::try_from(sum / count).unwrap_or(u8::MAX));
            }
        }
    }
    small
}

fn encode(pixels: &[u8]) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests;
