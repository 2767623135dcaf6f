//! "Did you mean": the known words nearest to a mistyped one.

/// The most words that one answer suggests.
pub const MAX_SUGGESTIONS: usize = 3;

/// Up to three of the candidates that `word` was probably meant to be, nearest first; none when nothing is near.
///
/// Near is: the same but for letter case, `-` and `_`; the beginning of a candidate (from two characters on); or, up
/// to one mistake (a letter wrong, missing, surplus, or two swapped) in every three characters, and one in two.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = folded(word);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| distance(&wanted, &folded(candidate)).map(|far| (far, candidate)))
        .collect();
    near.sort();
    near.dedup();
    near.truncate(MAX_SUGGESTIONS);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The candidate that `word` was most probably meant to be; `None` when nothing is near.
#[must_use]
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest(word, candidates).into_iter().next()
}

fn folded(word: &str) -> String {
    word.to_lowercase().replace('_', "-")
}

/// How far the candidate is from what was wanted; `None` when it is not worth suggesting.
fn distance(wanted: &str, candidate: &str) -> Option<usize> {
    let length = wanted.chars().count();
    let mistakes = strsim::osa_distance(wanted, candidate);
    let begins = length >= 2 && candidate.starts_with(wanted);
    let allowed = if length >= 2 { (length / 3).max(1) } else { 0 };
    if mistakes <= allowed {
        Some(mistakes)
    } else if begins {
        Some(allowed + 1)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typo_finds_its_word() {
        let names = ["deploy", "health-check", "disk-report", "backup", "hello"];
        let cases: [(&str, &[&str]); 9] = [
            ("deplyo", &["deploy"]),
            ("Deploy", &["deploy"]),
            ("health_chek", &["health-check"]),
            ("hea", &["health-check"]),
            ("he", &["health-check", "hello"]),
            ("bakup", &["backup"]),
            ("x", &[]),
            ("", &[]),
            ("provision", &[]),
        ];
        for (word, expected) in cases {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
    }

    #[test]
    fn at_most_three_are_named_nearest_first() {
        let names = ["job-b", "job-a", "job", "job-c", "job-d"];
        assert_eq!(nearest("job", names), ["job", "job-a", "job-b"]);
    }
}
