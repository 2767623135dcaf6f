//! The points of a line: as many as a picture can show, and where nothing was measured between them.

use super::Dot;
use crate::base::time::Millis;
use crate::store::samples::Value;

/// The most points of a line; more are put together, or the line would be a smear.
const MOST_POINTS: usize = 400;
/// Points further apart than so many times their width have nothing between them.
pub(super) const GAP: f64 = 2.5;

/// The dots within the time, so many of them put together that they are not too many.
pub(super) fn fewer(dots: &[Dot], from: Millis, until: Millis) -> Vec<Dot> {
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
pub(super) fn runs(dots: &[Dot]) -> Vec<Vec<Dot>> {
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

/// The moment in the middle of what a dot stands for.
pub(super) fn middle(dot: &Dot) -> i64 {
    dot.at.plus(dot.width / 2).0
}
