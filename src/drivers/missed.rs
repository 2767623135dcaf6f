//! Why something on the network did not answer, and whether that is its own fault.

use std::error::Error;
use std::io::{self, ErrorKind};

/// No answer from the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Why, as a sentence without the address's secrets.
    pub words: String,
    /// Whether it was never reached: no name was found, no way, or nothing came back in time. Then the fault may as well be
    /// on this side.
    pub unreached: bool,
}

impl Missed {
    /// It was reached, or it was never tried.
    #[must_use]
    pub fn there(words: String) -> Self {
        Self {
            words,
            unreached: false,
        }
    }

    /// It was not reached.
    #[must_use]
    pub fn on_the_way(words: String) -> Self {
        Self {
            words,
            unreached: true,
        }
    }

    /// What a failed connection says.
    #[must_use]
    pub fn of(error: &io::Error, words: String) -> Self {
        match is_answer(error.kind()) {
            true => Self::there(words),
            false => Self::on_the_way(words),
        }
    }
}

/// Whether the innermost cause of an error is that something was not reached.
#[must_use]
pub fn is_on_the_way(error: &(dyn Error + 'static)) -> bool {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let failed = cause.downcast_ref::<io::Error>();
    failed.is_some_and(|error| !is_answer(error.kind()))
}

/// Whether somebody said so: a machine that refuses was reached, and so was one that hangs up.
fn is_answer(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
            | ErrorKind::InvalidData
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_was_reached_and_a_way_that_is_not_there_was_not() {
        for (kind, unreached) in [
            (ErrorKind::ConnectionRefused, false),
            (ErrorKind::ConnectionReset, false),
            (ErrorKind::NetworkUnreachable, true),
            (ErrorKind::HostUnreachable, true),
            (ErrorKind::TimedOut, true),
            (ErrorKind::Other, true),
        ] {
            let error = io::Error::new(kind, "no");
            assert_eq!(
                Missed::of(&error, String::new()).unreached,
                unreached,
                "{kind}"
            );
            assert_eq!(is_on_the_way(&error), unreached, "{kind}");
        }
    }
}
