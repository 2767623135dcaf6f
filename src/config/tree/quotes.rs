//! Values with `{{ }}` that were written without quotes, for which YAML has another meaning or none.

use super::super::fault::At;
use super::{Node, Value};

/// What to write instead, said of the value as it stands.
pub(super) fn lacks(value: &str) -> String {
    let quote = if value.contains('\'') { '"' } else { '\'' };
    format!("`{value}` needs quotes, since YAML has braces of its own; write {quote}{value}{quote}")
}

/// What stands between the braces, of a mapping whose first key and value these are: a mapping of one word without a value.
pub(super) fn inside<'n>(key: &'n Node, value: &Node) -> Option<&'n str> {
    match (&key.value, &value.value) {
        (Value::Map(entries), Value::Null) => match entries.as_slice() {
            [only] if matches!(only.node.value, Value::Null) => Some(&only.key),
            _ => None,
        },
        _ => None,
    }
}

/// The value without quotes that made the reading end in this line, or did so in the line before.
pub(super) fn unquoted(text: &str, line: usize) -> Option<(At, String)> {
    let lines = text.lines().enumerate();
    let near = lines
        .skip(line.saturating_sub(2))
        .take_while(|(index, _)| *index < line);
    near.filter_map(|(index, line)| {
        let (column, value) = in_line(line)?;
        Some((At::Line(index + 1, column), value))
    })
    .last()
}

/// Where it begins in the line, in characters from 1 on, and the value up to where it seems to end.
fn in_line(line: &str) -> Option<(usize, String)> {
    let open = line.find("{{")?;
    let before = &line[..open];
    let is_quoted = |quote: char| before.matches(quote).count() % 2 == 1;
    if is_quoted('\'') || is_quoted('"') || before.trim_start().starts_with('#') {
        return None;
    }
    let in_flow = before.contains(['[', '{']);
    let begins = match in_flow {
        true => before.rfind(['[', '{', ',']).map(|at| at + 1),
        false => None,
    };
    let named = before.rfind(": ").map(|at| at + 2);
    let listed = before
        .trim_start()
        .starts_with("- ")
        .then(|| before.find("- ").unwrap_or(0) + 2);
    let start = begins.max(named).max(listed).unwrap_or(0);
    let start = start + line[start..].len() - line[start..].trim_start().len();
    // Elsewhere in a line, braces are text.
    if !in_flow && start != open {
        return None;
    }
    let close = open + line[open..].find("}}")? + 2;
    let rest = &line[close..];
    let end = match in_flow {
        true => rest.find([',', ']', '}']),
        false => rest.find(" #"),
    };
    let value = line[start..close + end.unwrap_or(rest.len())].trim_end();
    Some((line[..start].chars().count() + 1, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::in_line;

    #[test]
    fn a_value_without_quotes_is_found_where_it_begins() {
        for (line, found) in [
            (
                "  when: {{ params.x }} == prod # so",
                Some((9, "{{ params.x }} == prod")),
            ),
            ("  - {{ params.x }}", Some((5, "{{ params.x }}"))),
            (
                "run: [./é, --v={{ params.v }}, b]",
                Some((12, "--v={{ params.v }}")),
            ),
            (
                "- {name: a, notify: {{ params.v }} is live}",
                Some((21, "{{ params.v }} is live")),
            ),
            ("when: '{{ params.x }} == prod'", None),
            ("run: ./x {{ params.x }}", None),
            ("# when: {{ params.x }}", None),
            ("when: {{ params.x", None),
            ("x: y", None),
        ] {
            let expected = found.map(|(at, value)| (at, value.to_owned()));
            assert_eq!(in_line(line), expected, "{line}");
        }
    }
}
