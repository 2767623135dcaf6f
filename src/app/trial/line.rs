//! What is typed into the chat in the terminal: words for the bot, a press, or a word to the chat itself.

use anyhow::{Result, bail};

/// Everything that is no message to the bot.
pub(in crate::app) const FORMS: &str = "  [Run]                  press the newest button with these words, or the only one that begins so
  :as NAME               be another person, such as :as stranger
  :file PATH [CAPTION]   send a file; a path with spaces goes in quotes
  :quit                  end";

/// Buttons that are named when none fits; a chat may hold thousands.
const MOST_NAMED: usize = 12;

/// A line by what it wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Say(&'a str),
    Press(&'a str),
    As(&'a str),
    File { path: &'a str, caption: &'a str },
    Quit,
}

/// Reads a line.
///
/// # Errors
/// What is wrong with it, and what there is.
pub(super) fn read(line: &str) -> Result<Line<'_>> {
    let line = line.trim();
    let pressed = line.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
    if let Some(label) = pressed {
        return Ok(Line::Press(label));
    }
    if !line.starts_with(':') {
        return Ok(Line::Say(line));
    }
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match (word, rest.trim()) {
        (":quit" | ":q", "") => Ok(Line::Quit),
        (":as", "") => bail!(":as needs a name, such as :as stranger"),
        (":as", name) => Ok(Line::As(name)),
        (":file", "") => bail!(":file needs a path, such as :file notes.txt"),
        (":file", rest) => file(rest),
        (word, _) => bail!("I do not understand “{word}” here. There are:\n{FORMS}"),
    }
}

fn file(rest: &str) -> Result<Line<'_>> {
    let quoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| rest.strip_prefix(quote).map(|rest| (quote, rest)));
    let (path, caption) = match quoted {
        None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        Some((quote, inside)) => match inside.split_once(quote) {
            Some(parts) => parts,
            None => bail!("the {quote} after :file is never closed"),
        },
    };
    let caption = caption.trim();
    Ok(Line::File { path, caption })
}

/// Which button these words mean: the message's place in the list and the button's whole words. `messages` are the words
/// of the buttons of each message, oldest first.
///
/// # Errors
/// What buttons there are, when none fits or several do.
pub(super) fn pick<'a>(messages: &[Vec<&'a str>], label: &str) -> Result<(usize, &'a str)> {
    let newest = || messages.iter().enumerate().rev();
    let wanted = plain(label);
    let same = |words: &str| words == label || (!wanted.is_empty() && plain(words) == wanted);
    for (place, buttons) in newest() {
        let exact = buttons.iter().find(|words| **words == label);
        if let Some(words) = exact.or_else(|| buttons.iter().find(|words| same(words))) {
            return Ok((place, words));
        }
    }
    let begins = |words: &&&str| !wanted.is_empty() && plain(words).starts_with(&wanted);
    for (place, buttons) in newest() {
        let fitting: Vec<&str> = buttons.iter().filter(begins).copied().collect();
        match fitting[..] {
            [] => {}
            [words] => return Ok((place, words)),
            _ => bail!("[{label}] may be {}", named(&fitting)),
        }
    }
    let mut known: Vec<&str> = Vec::new();
    for words in newest().flat_map(|(_, buttons)| buttons) {
        if !known.contains(words) {
            known.push(words);
        }
    }
    match known.is_empty() {
        true => bail!("no message has a button [{label}], or any other"),
        false => bail!(
            "no message has a button [{label}]; there are {}",
            named(&known)
        ),
    }
}

fn named(labels: &[&str]) -> String {
    let shown = labels.iter().take(MOST_NAMED);
    let shown: Vec<String> = shown.map(|words| format!("[{words}]")).collect();
    let more = if labels.len() > MOST_NAMED {
        " …"
    } else {
        ""
    };
    format!("{}{more}", shown.join(" "))
}

/// The words of a button without arrows, marks and case: what a person reads out.
fn plain(label: &str) -> String {
    label
        .trim_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_line_is_read_by_its_first_sign() {
        let file = |path, caption| Line::File { path, caption };
        for (line, wanted) in [
            ("/run hello", Line::Say("/run hello")),
            (" [‹ Back] ", Line::Press("‹ Back")),
            ("[not a button", Line::Say("[not a button")),
            (":as  ben ", Line::As("ben")),
            (":q", Line::Quit),
            (":file a.txt see here", file("a.txt", "see here")),
            (":file \"a b.txt\" see", file("a b.txt", "see")),
            (":file 'a b.txt'", file("a b.txt", "")),
        ] {
            assert_eq!(read(line).unwrap(), wanted, "{line}");
        }
    }

    #[test]
    fn a_wrong_line_is_told_what_is_wrong() {
        let wrong = refused(read(":foo bar"));
        for words in [":foo", "[Run]", ":as NAME", ":file PATH", ":quit"] {
            assert!(wrong.contains(words), "{wrong}");
        }
        assert!(refused(read(":as")).contains("needs a name"));
        assert!(refused(read(":file ")).contains("needs a path"));
        assert!(refused(read(":file \"a b.txt")).contains("never closed"));
    }

    #[test]
    fn a_button_is_meant_by_its_words() {
        let messages = [
            vec!["Run", "✖ Cancel"],
            vec!["‹ Back", "Run again", "Full log", "›"],
        ];
        for (label, wanted) in [
            ("Back", (1, "‹ Back")),
            ("cancel", (0, "✖ Cancel")),
            ("Run", (0, "Run")),
            ("Run a", (1, "Run again")),
            ("full", (1, "Full log")),
            ("›", (1, "›")),
        ] {
            assert_eq!(pick(&messages, label).unwrap(), wanted, "{label}");
        }
        assert_eq!(
            refused(pick(&messages, "Stop")),
            "no message has a button [Stop]; there are [‹ Back] [Run again] [Full log] [›] [Run] [✖ Cancel]"
        );
        assert!(refused(pick(&messages, "‹")).starts_with("no message has"));
    }

    #[test]
    fn a_beginning_must_mean_one_button_and_the_list_of_them_ends() {
        let messages = [vec!["deploy api", "deploy web"]];
        assert_eq!(
            refused(pick(&messages, "deploy")),
            "[deploy] may be [deploy api] [deploy web]"
        );
        assert!(refused(pick(&[], "Run")).contains("or any other"));
        let many: Vec<String> = (0..100).map(|n| format!("b{n}")).collect();
        let many = [many.iter().map(String::as_str).collect()];
        let told = refused(pick(&many, "x"));
        assert!(told.contains("[b11]") && !told.contains("[b12]") && told.ends_with('…'));
    }
}
