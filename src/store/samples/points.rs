//! How values are written in a row: short, since there are many.

use super::Value;
use crate::store::{Error, Result};

/// Values as text, a blank between two: `12.3` for one look, `12.3,1.2,4.5` for an average with how far the least is below
/// and the greatest above it, `-` for none. Two decimals below 10, one below 1000, none from there on; of long numbers only
/// the first digits (`123457e6`): six, and four of how far.
pub(super) fn write_points(values: &[Option<Value>]) -> String {
    let mut text = String::new();
    for value in values {
        if !text.is_empty() {
            text.push(' ');
        }
        match value {
            None => text.push('-'),
            Some(Value { avg, min, max }) => {
                number(&mut text, *avg, 6);
                // Told from what is written, so that the least stays the least after rounding.
                if min != max {
                    text.push(',');
                    number(&mut text, avg - min, 4);
                    text.push(',');
                    number(&mut text, max - avg, 4);
                }
            }
        }
    }
    text
}

fn number(text: &mut String, value: f64, most: i32) {
    let size = value.abs();
    let digits = match size {
        0.0..10.0 => format!("{value:.2}"),
        10.0..1000.0 => format!("{value:.1}"),
        _ if size < 10_f64.powi(most) => format!("{value:.0}"),
        _ => {
            let power = size.log10().floor() + 1.0 - f64::from(most);
            format!("{:.0}e{power:.0}", value / 10_f64.powf(power))
        }
    };
    let short = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits.as_str(),
    };
    text.push_str(match short {
        "-0" => "0",
        short => short,
    });
}

/// Reads what [`write_points`] wrote.
pub(super) fn read_points(text: &str) -> Result<Vec<Option<Value>>> {
    words(text).map(read_point).collect()
}

/// Reads one value of what [`write_points`] wrote, by its place; `None` where there is none.
pub(super) fn read_one(text: &str, place: usize) -> Result<Option<Value>> {
    let found = words(text).nth(place).map(read_point);
    found.transpose().map(Option::flatten)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

fn read_point(word: &str) -> Result<Option<Value>> {
    let wrong = || Error::Corrupt(format!("a value that cannot be read: {word}"));
    if word == "-" {
        return Ok(None);
    }
    let number = |word: &str| {
        let number = word.parse::<f64>().ok().filter(|value| value.is_finite());
        number.ok_or_else(wrong)
    };
    let mut parts = word.split(',');
    let avg = number(parts.next().unwrap_or_default())?;
    let (below, above) = match (parts.next(), parts.next(), parts.next()) {
        (None, None, None) => (0.0, 0.0),
        (Some(below), Some(above), None) => (number(below)?, number(above)?),
        (_, _, _) => return Err(wrong()),
    };
    Ok(Some(Value {
        avg,
        min: avg - below,
        max: avg + above,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_short_and_come_back() {
        let values = [
            Some(Value::of(12.345)),
            None,
            Some(Value {
                avg: 50.0,
                min: 10.5,
                max: 99.99,
            }),
            Some(Value::of(-0.001)),
            Some(Value::of(123.456)),
            Some(Value::of(123_456_789.4)),
        ];
        let text = write_points(&values);
        assert_eq!(text, "12.3 - 50,39.5,50 0 123.5 123457e3");
        let read = read_points(&text).unwrap();
        assert_eq!(read[1], None);
        assert_eq!(read[5], Some(Value::of(123_457_000.0)));
        assert_eq!(write_points(&read), text);
        assert_eq!(read_points("").unwrap(), []);
        for place in 0..7 {
            let one = read_one(&text, place).unwrap();
            assert_eq!(one, read.get(place).copied().flatten(), "{place}");
        }
        for broken in ["x", "1,2", "1,2,3,4", "NaN", "1,,2"] {
            assert!(read_points(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_near_to_what_was_written(avg in -1e15..1e15_f64, below in 0.0..1e9_f64, above in 0.0..1e9_f64) {
            let value = Value { avg, min: avg - below, max: avg + above };
            let read = read_points(&write_points(&[Some(value)])).unwrap()[0].unwrap();
            for (a, b) in [(read.avg, value.avg), (read.min, value.min), (read.max, value.max)] {
                prop_assert!((a - b).abs() <= 1.01 + avg.abs() * 1e-5 + (b - avg).abs() * 1e-3, "{value:?} became {read:?}");
            }
            prop_assert!(read.min <= read.avg && read.avg <= read.max);
        }
    }
}
