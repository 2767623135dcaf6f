//! Charts that are drawn and looked at again: what is where in the picture.

use super::paint::AMBER;
use super::*;
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;
/// A Tuesday, 14:07 in UTC.
const NOW: Millis = Millis(1_794_924_420_000);

fn utc(at: Millis) -> NaiveDateTime {
    at.utc().naive_utc()
}

/// A line that goes up and down, without the dots that `gap` holds.
fn wave(name: &str, hours: i64, width: i64, height: f64, gap: impl Fn(i64) -> bool) -> Line {
    let dots = (0..hours * HOUR / width)
        .filter(|dot| !gap(*dot))
        .map(|dot| {
            #[expect(clippy::cast_precision_loss, reason = "a place on a wave")]
            let turn = (dot * width) as f64 / (hours * HOUR) as f64 * 20.0;
            let avg = height * (0.45 + 0.3 * turn.sin() + 0.08 * (turn * 7.3).sin());
            Dot {
                at: Millis(NOW.0 - hours * HOUR + dot * width),
                width: Duration::from_millis(width.unsigned_abs()),
                value: Value {
                    avg,
                    min: avg - height * 0.06,
                    max: avg + height * (0.1 + 0.1 * (turn * 3.0).cos().abs()),
                },
            }
        });
    Line {
        name: name.to_owned(),
        dots: dots.collect(),
    }
}

fn chart(hours: i64, unit: Unit, lines: Vec<Line>) -> Chart {
    Chart {
        title: "CPU and memory · server-17".to_owned(),
        from: Millis(NOW.0 - hours * HOUR),
        until: NOW,
        unit,
        lines,
        limits: Vec::new(),
        marks: Vec::new(),
    }
}

fn limit(value: f64, severity: Severity) -> Limit {
    Limit { value, severity }
}

fn mark(begin: i64, end: Option<i64>, severity: Severity) -> Mark {
    let at = |minutes: i64| Millis(NOW.0 - minutes * 60_000);
    Mark {
        begin: at(begin),
        end: end.map(at),
        severity,
    }
}

/// The pictures that are looked at by eye when something about them changes, and a name for each.
fn examples() -> Vec<(&'static str, Chart)> {
    let never = |_| false;
    let mut week = chart(
        168,
        Unit::Percent,
        vec![
            wave("CPU", 168, 900_000, 90.0, |dot| {
                (200..330).contains(&dot) || dot == 500
            }),
            wave("Memory", 168, 900_000, 60.0, |dot| {
                (200..330).contains(&dot)
            }),
        ],
    );
    week.limits = vec![
        limit(80.0, Severity::Warning),
        limit(90.0, Severity::Critical),
    ];
    week.marks = vec![
        mark(9000, Some(8600), Severity::Warning),
        mark(3000, Some(2990), Severity::Critical),
        mark(200, None, Severity::Critical),
    ];
    let mut disks: Vec<_> = (1..=8)
        .map(|n| {
            wave(
                &format!("/srv/a-rather-long-name/{n}"),
                24,
                60_000,
                12.0 * f64::from(n),
                never,
            )
        })
        .collect();
    disks[0].name = "root".to_owned();
    let mut disks = chart(24, Unit::Percent, disks);
    disks.title = "Disks · a-server-with-a-very-long-name-indeed.example.org".to_owned();
    disks.limits = vec![limit(80.0, Severity::Critical)];
    let mut one = chart(
        1,
        Unit::Percent,
        vec![wave("CPU", 1, 10_000, 60.0, |dot| dot != 200)],
    );
    one.lines
        .push(wave("Memory", 1, 10_000, 40.0, |dot| dot != 355));
    let net = vec![
        wave("Received", 24, 60_000, 3.3e6, never),
        wave("Sent", 24, 60_000, 9e5, |dot| (600..700).contains(&dot)),
    ];
    let mut memory = chart(
        1,
        Unit::Percent,
        vec![wave("Memory", 1, 10_000, 95.0, never)],
    );
    memory.limits = vec![
        limit(92.0, Severity::Warning),
        limit(98.0, Severity::Critical),
    ];
    vec![
        ("memory", memory),
        ("none", chart(1, Unit::Percent, Vec::new())),
        ("one", one),
        (
            "hour",
            chart(
                1,
                Unit::Percent,
                vec![
                    wave("CPU", 1, 10_000, 70.0, never),
                    wave("Memory", 1, 10_000, 40.0, never),
                ],
            ),
        ),
        ("net", chart(24, Unit::BytesPerSecond, net)),
        ("disks", disks),
        ("week", week),
    ]
}

fn decode(png: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), SIZE);
    assert_eq!(info.color_type, png::ColorType::Rgb);
    pixels
}

/// How many pixels of about this colour lie between these columns of the plot.
fn count(pixels: &[u8], color: RGBColor, columns: std::ops::Range<i32>) -> usize {
    let is = |pixel: &[u8]| {
        let near = |a: u8, b: u8| a.abs_diff(b) < 12;
        near(pixel[0], color.0) && near(pixel[1], color.1) && near(pixel[2], color.2)
    };
    let rows = usize::try_from(PLOT.1).unwrap()..usize::try_from(PLOT.3).unwrap();
    rows.flat_map(|row| {
        columns
            .clone()
            .map(move |column| (row, usize::try_from(column).unwrap()))
    })
    .filter(|(row, column)| {
        let at = (row * SIZE.0 as usize + column) * 3;
        is(&pixels[at..at + 3])
    })
    .count()
}

/// Draws all examples. With `OPSGRAM_CHARTS` they are written into that folder, to be looked at.
#[test]
fn every_example_is_a_picture_that_is_not_empty() {
    for (name, chart) in examples() {
        let png = draw(&chart, utc).unwrap();
        if let Ok(folder) = std::env::var("OPSGRAM_CHARTS") {
            std::fs::write(format!("{folder}/{name}.png"), &png).unwrap();
        }
        let pixels = decode(&png);
        assert!(png.len() < 250_000, "{name}: {} bytes", png.len());
        let words = count(&pixels, GRID, PLOT.0..PLOT.2);
        assert!(words > 500, "{name}: no axes");
        for (line, color) in chart.lines.iter().zip(LINES) {
            assert!(
                count(&pixels, color, PLOT.0..PLOT.2) > 5,
                "{name}: {}",
                line.name
            );
        }
    }
}

#[test]
fn a_gap_stays_empty_and_a_line_goes_on_behind_it() {
    let gap = |dot: i64| (300..600).contains(&dot);
    let line = wave("CPU", 24, 60_000, 80.0, gap);
    let pixels = decode(&draw(&chart(24, Unit::Percent, vec![line]), utc).unwrap());
    let width = PLOT.2 - PLOT.0;
    let column = |dot: i32| PLOT.0 + width * dot / 1440;
    assert_eq!(count(&pixels, LINES[0], column(310)..column(590)), 0);
    assert!(count(&pixels, LINES[0], column(0)..column(295)) > 300);
    assert!(count(&pixels, LINES[0], column(605)..column(1440)) > 300);
}

#[test]
fn limits_and_marks_are_where_they_belong() {
    let mut chart = chart(1, Unit::Percent, Vec::new());
    chart.limits = vec![limit(70.0, Severity::Warning)];
    chart.marks = vec![
        mark(30, Some(20), Severity::Critical),
        // Long over, and not begun yet.
        mark(600, Some(500), Severity::Critical),
        mark(-10, None, Severity::Critical),
    ];
    let pixels = decode(&draw(&chart, utc).unwrap());
    assert!(count(&pixels, AMBER, PLOT.0..PLOT.2) > 500, "the dashes");
    let tint = RGBColor(0x3b, 0x2c, 0x2c);
    let width = PLOT.2 - PLOT.0;
    let (half, later) = (PLOT.0 + width / 2, PLOT.0 + width * 2 / 3);
    assert!(count(&pixels, tint, half..later) > 10_000, "the stretch");
    assert!(
        count(&pixels, tint, PLOT.0..half - 3) < 50,
        "nothing but the edges of dashes"
    );
    assert!(
        count(&pixels, tint, later + 3..PLOT.2) < 50,
        "nothing but the edges of dashes"
    );
}

#[test]
fn a_level_is_written_beside_one_that_it_would_cover() {
    let beside = |levels: &[f64]| {
        let mut chart = chart(1, Unit::Percent, Vec::new());
        chart.limits = levels
            .iter()
            .map(|level| limit(*level, Severity::Warning))
            .collect();
        let pixels = decode(&draw(&chart, utc).unwrap());
        count(&pixels, AMBER, PLOT.2 - 150..PLOT.2 - 90)
    };
    // Three lines have three times the dashes of one; what is more is a value.
    let one = beside(&[70.0]);
    let apart = beside(&[20.0, 40.0, 70.0]);
    let near = beside(&[62.0, 66.0, 70.0]);
    assert_eq!(apart, 3 * one);
    assert!(near > apart + 100, "{near} and {apart}");
}

#[test]
fn times_are_round_on_the_clocks_of_the_place() {
    let labels = |hours: i64, ahead: i64| {
        let local = move |at: Millis| utc(Millis(at.0 + ahead * 60_000));
        let times = times(Millis(NOW.0 - hours * HOUR), NOW, &local);
        let labels: Vec<_> = times.into_iter().map(|(_, label)| label).collect();
        labels.join(" ")
    };
    assert_eq!(labels(1, 0), "13:10 13:20 13:30 13:40 13:50 14:00");
    // Half an hour ahead of full hours.
    assert_eq!(labels(24, 330), "00:00 04:00 08:00 12:00 16:00");
    assert_eq!(labels(168, 0), "Wed Thu Fri Sat Sun Mon Tue");
}

#[test]
fn axes_end_above_the_greatest_value_at_a_round_one() {
    for (unit, most, top, every) in [
        (Unit::Percent, 3.0, 100.0, 25.0),
        (Unit::BytesPerSecond, 0.0, 1000.0, 250.0),
        (Unit::BytesPerSecond, 3.4e6, 4e6, 1e6),
        (Unit::Number, 0.0, 1.0, 0.25),
        (Unit::Celsius, 71.0, 80.0, 20.0),
        (Unit::Number, 4.0, 4.0, 1.0),
    ] {
        assert_eq!(scale(unit, most), (top, every), "{unit:?} {most}");
    }
    assert_eq!(amount(Unit::BytesPerSecond, 1_500_000.0), "1.5 MB/s");
    assert_eq!(amount(Unit::Number, 0.25), "0.25");
    assert_eq!(amount(Unit::Number, 0.05), "0.05");
    assert_eq!(amount(Unit::Number, 2.5), "2.5");
    assert_eq!(amount(Unit::Percent, 80.0), "80 %");
    assert_eq!(amount(Unit::Percent, 99.9), "99.9 %");
    assert_eq!(amount(Unit::Celsius, 71.4), "71 °C");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    /// Whatever stands in the database: a picture, never a panic.
    #[test]
    fn anything_can_be_drawn(
        dots in prop::collection::vec((-2_000_000..6_000_000_i64, 1..900_000_u64, -1e18..1e18_f64, 0.0..1e18_f64), 0..40),
        marks in prop::collection::vec((any::<i32>(), prop::option::of(any::<i32>())), 0..4),
        span in 0..1_000_000_000_i64,
        title in ".{0,60}",
    ) {
        let mut dots: Vec<_> = dots.into_iter().map(|(at, width, avg, spread)| Dot {
            at: Millis(NOW.0 - at),
            width: Duration::from_millis(width),
            value: Value { avg, min: avg - spread, max: avg + spread },
        }).collect();
        dots.sort_by_key(|dot| dot.at);
        let chart = Chart {
            title,
            from: Millis(NOW.0 - span),
            until: NOW,
            unit: Unit::Number,
            lines: vec![Line { name: "a\u{0}b😀".to_owned(), dots }],
            limits: vec![limit(f64::MAX / 4.0, Severity::Warning)],
            marks: marks.into_iter().map(|(begin, end)| mark(begin.into(), end.map(i64::from), Severity::Warning)).collect(),
        };
        decode(&draw(&chart, utc).unwrap());
    }
}
