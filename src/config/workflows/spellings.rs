//! What stands in braces in a text of a workflow, however it is spelt.

/// How something in braces is spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// `{{ … }}`: a place for a value.
    Place,
    /// `${{ … }}`, as at GitHub: a place behind a sign of its own.
    Dollar,
    /// `{…}`: plain text.
    Text,
}

/// Something in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spelling<'t> {
    pub(super) how: How,
    /// What stands between the braces.
    pub(super) inside: &'t str,
    /// It with its braces.
    pub(super) written: &'t str,
}

/// All that stands in braces, in its order. `${name}` is for a shell, and `${params.name}` is nothing to it.
pub(super) fn of(text: &str) -> Vec<Spelling<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find('{').map(|at| from + at) {
        let dollar = usize::from(text[..at].ends_with('$'));
        let (braces, how) = match (text[at..].starts_with("{{"), dollar) {
            (true, 0) => (2, How::Place),
            (true, _) => (2, How::Dollar),
            (false, _) => (1, How::Text),
        };
        let close = if braces == 2 { "}}" } else { "}" };
        let Some(end) = text[at..].find(close).map(|end| at + end) else {
            from = at + braces;
            continue;
        };
        let inside = text[at + braces..end].trim();
        // Braces around braces are not what is looked for.
        if how == How::Text && inside.contains('{') {
            from = at + braces;
            continue;
        }
        from = end + close.len();
        if how != How::Text || dollar == 0 || inside.starts_with("params.") {
            let written = &text[at - dollar..from];
            found.push(Spelling {
                how,
                inside,
                written,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{How, of};
    use proptest::prelude::*;

    #[test]
    fn what_is_in_braces_is_found_however_it_is_spelt() {
        let text =
            "a {v} {params.v} ${{ params.v }} {{ v }}{{params.x}} ${v} ${params.v} {a {b} {c";
        let found: Vec<_> = of(text)
            .into_iter()
            .map(|one| (one.how, one.inside, one.written))
            .collect();
        use How::{Dollar, Place, Text};
        assert_eq!(
            found,
            [
                (Text, "v", "{v}"),
                (Text, "params.v", "{params.v}"),
                (Dollar, "params.v", "${{ params.v }}"),
                (Place, "v", "{{ v }}"),
                (Place, "params.x", "{{params.x}}"),
                (Text, "params.v", "${params.v}"),
                (Text, "b", "{b}"),
            ]
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_it_stumble(text in "[a{}$é ]{0,20}") {
            for one in of(&text) {
                prop_assert!(text.contains(one.written));
            }
        }
    }
}
