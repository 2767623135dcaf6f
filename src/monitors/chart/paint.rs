//! The canvas: letters, strokes and colours, and the PNG that becomes of it.

use super::SIZE;
use crate::base::alert::Severity;
use plotters::backend::BitMapBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::PathElement;
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontStyle, IntoFont, IntoTextStyle, RGBAColor, RGBColor, TextStyle, register_font,
};
use std::io;
use std::sync::LazyLock;

/// Everything is drawn so many times as large and made smaller then, so that lines are smooth.
pub(super) const FINE: u32 = 2;

const FONT: &str = "chart";
pub(super) const BACKGROUND: RGBColor = RGBColor(0x16, 0x1b, 0x22);
pub(super) const GRID: RGBColor = RGBColor(0x30, 0x37, 0x41);
pub(super) const WORDS: RGBColor = RGBColor(0xf0, 0xf3, 0xf6);
pub(super) const QUIET: RGBColor = RGBColor(0xa4, 0xae, 0xba);
pub(super) const AMBER: RGBColor = RGBColor(0xe3, 0xb3, 0x41);
pub(super) const RED: RGBColor = RGBColor(0xff, 0x6b, 0x61);

/// What is painted on.
pub(super) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
/// What painting comes to.
pub(super) type Drawn<T = ()> =
    Result<T, DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>>;

/// The picture that `draw` paints, as a PNG of [`SIZE`].
pub(super) fn picture(draw: impl FnOnce(&Area<'_>) -> Drawn) -> io::Result<Vec<u8>> {
    static FONT_IS_THERE: LazyLock<bool> = LazyLock::new(|| {
        let font = include_bytes!("../../../assets/DejaVuSans.ttf");
        register_font(FONT, FontStyle::Normal, font).is_ok()
    });
    if !*FONT_IS_THERE {
        return Err(io::Error::other("the embedded font cannot be read"));
    }
    let (width, height) = (SIZE.0 * FINE, SIZE.1 * FINE);
    let mut pixels = vec![0; (width * height * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        let drawn = draw(&area).and_then(|()| area.present());
        drawn.map_err(|error| io::Error::other(error.to_string()))?;
    }
    encode(&smaller(&pixels))
}

/// A place of the picture as it is drawn.
pub(super) fn at(place: i32) -> i32 {
    place * FINE as i32
}

/// How letters look.
fn style(size: u32, color: RGBColor, side: HPos) -> TextStyle<'static> {
    (FONT, size * FINE)
        .into_font()
        .into_text_style(&SIZE)
        .with_color(color)
        .with_anchor::<RGBAColor>(Pos::new(side, VPos::Center))
        .into_text_style(&SIZE)
}

/// How wide letters of this size are in the picture.
pub(super) fn width(area: &Area<'_>, words: &str, size: u32) -> Drawn<i32> {
    let (width, _) = area.estimate_text_size(words, &style(size, WORDS, HPos::Left))?;
    Ok(i32::try_from(width / FINE).unwrap_or(i32::MAX / 2))
}

/// Letters of this size at a place of the picture, which is in the middle of their height.
pub(super) fn write(
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

/// A line along these places, so wide.
pub(super) fn stroke(
    area: &Area<'_>,
    path: Vec<(i32, i32)>,
    color: RGBAColor,
    width: u32,
) -> Drawn {
    area.draw(&PathElement::new(path, color.stroke_width(width * FINE)))
}

/// The colour of how bad something is.
pub(super) fn color(severity: Severity) -> RGBColor {
    match severity {
        Severity::Warning => AMBER,
        Severity::Critical => RED,
    }
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
