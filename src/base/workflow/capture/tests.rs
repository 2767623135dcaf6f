//! What is read of which output, and that no way of cutting it changes that.

use super::*;
use proptest::prelude::{
    Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

const URL: &str = r"^(https://\S+/s/\S+)$";

fn captures(rules: &[(&str, &str, bool)]) -> Captures {
    let wanted = rules.iter().map(|(name, pattern, secret)| {
        let capture = Capture {
            pattern: (*pattern).to_owned(),
            within: None,
            secret: *secret,
        };
        ((*name).to_owned(), capture)
    });
    Captures::new(&wanted.collect()).unwrap()
}

/// What is shown of these pieces, and the values by name.
fn read(captures: &mut Captures, pieces: &[&[u8]]) -> (Vec<u8>, Vec<(String, String)>) {
    let (mut shown, mut found) = (Vec::new(), Vec::new());
    let mut keep = |read: Read<'_>| {
        shown.extend_from_slice(&read.shown);
        found.extend(
            read.found
                .into_iter()
                .map(|found| (found.name, found.value)),
        );
    };
    for piece in pieces {
        keep(captures.push(piece));
    }
    keep(captures.finish());
    (shown, found)
}

fn one(pattern: &str, output: &[u8]) -> Option<String> {
    let (shown, found) = read(&mut captures(&[("value", pattern, false)]), &[output]);
    assert_eq!(shown, output, "what is no secret is shown as it is");
    found.into_iter().next().map(|(_, value)| value)
}

#[test]
fn a_value_is_taken_whole_from_the_first_line_that_has_it() {
    let url = "https://sshx.example/s/AbC123#k3y,writekey";
    let cases: [(&str, Vec<u8>, Option<&str>); 12] = [
        (URL, format!("starting\n{url}\n").into(), Some(url)),
        (URL, format!("{url}\nhttps://x/s/2\n").into(), Some(url)),
        (URL, format!("{url}\r\n").into(), Some(url)),
        (URL, url.into(), Some(url)),
        (URL, format!("\x1b[1;32m{url}\x1b[0m\n").into(), Some(url)),
        (
            URL,
            format!("\x1b]8;;http://x\x1b\\{url}\x1b]8;;\x07\n").into(),
            Some(url),
        ),
        (URL, format!("10%\r20%\r{url}\r").into(), Some(url)),
        (
            URL,
            format!("⠋ wait\x1b[1G\x1b[2K{url}\n").into(),
            Some(url),
        ),
        (URL, format!("see {url}\n").into(), None),
        (r"v\d+", b"\xff\xfe v12 \xff\n".to_vec(), Some("v12")),
        (r"id: (\w+)?", b"id: \n".to_vec(), Some("id: ")),
        (r"x*", b"abc\n\n".to_vec(), None),
    ];
    for (pattern, output, value) in cases {
        let shown = String::from_utf8_lossy(&output).into_owned();
        assert_eq!(one(pattern, &output).as_deref(), value, "{shown:?}");
    }
}

#[test]
fn lines_and_values_are_bounded() {
    let long = "x".repeat(LINE_BYTES + 1);
    let cases = [
        (format!("id=7 {long}\n"), Some("7")),
        // Whether the value goes on after what is read of the line is not known.
        (format!("{}id=1234\n", &long[..LINE_BYTES - 5]), None),
        (format!("{long}\nid=8\n"), Some("8")),
    ];
    for (output, value) in cases {
        assert_eq!(one(r"id=(\d+)", output.as_bytes()).as_deref(), value);
    }
    let big = "y".repeat(VALUE_BYTES + 1);
    assert_eq!(
        one("(y+)", format!("{big}\ny\n").as_bytes()).as_deref(),
        Some("y")
    );
    let mut captures = captures(&[("value", "never", false)]);
    for _ in 0..100 {
        let _ = captures.push(long.as_bytes());
    }
    assert!(captures.line.capacity() <= 4 * LINE_BYTES);
    assert_eq!(captures.missing().collect::<Vec<_>>(), ["value"]);
}

#[test]
fn a_secret_is_masked_wherever_it_is() {
    let url = "https://sshx.example/s/AbC#k,writekey";
    let rules = [("url", URL, true), ("id", r"^id (\d+)$", false)];
    let cases = [
        (format!("{url}\n"), "•••\n"),
        (format!("go\n{url}"), "go\n•••"),
        (
            format!("{url}\nopen {url} or {url}!\n"),
            "•••\nopen ••• or •••!\n",
        ),
        // Colours inside of it do not save it, and outside of it they go with it.
        (
            format!("\x1b[1m{}\x1b[0m{}\n", &url[..9], &url[9..]),
            "•••\n",
        ),
        (
            format!("{url}\n\x1b[2mbye\x1b[0m\n"),
            "•••\n\x1b[2mbye\x1b[0m\n",
        ),
        (format!("\x1b]8;;{url}\x07link\x1b]8;;\x07\n"), "link\n"),
        (format!("\x1b]0;{url}"), ""),
        (
            "https://a/s/1\rhttps://a/s/2\r\nid 5\n".to_owned(),
            "•••\r•••\r\nid 5\n",
        ),
    ];
    for (output, expected) in cases {
        let (shown, _) = read(&mut captures(&rules), &[output.as_bytes()]);
        assert_eq!(String::from_utf8(shown).unwrap(), expected, "{output:?}");
    }
    let long = format!("{} {url}\n", "x".repeat(LINE_BYTES - 20));
    let (shown, found) = read(&mut captures(&rules), &[long.as_bytes(), b"id 5\n"]);
    assert_eq!(
        String::from_utf8(shown).unwrap(),
        format!("{LEFT_OUT}\nid 5\n")
    );
    assert_eq!(found, [("id".to_owned(), "5".to_owned())]);
}

#[test]
fn a_line_that_may_become_a_secret_is_kept_back() {
    let mut captures = captures(&[("url", URL, true)]);
    let first = captures.push(b"ready\nhttps://x/s/ab");
    assert_eq!(first.shown.as_ref(), b"ready\n");
    assert!(first.found.is_empty());
    let second = captures.push(b"cd,key\n");
    assert_eq!(second.shown.as_ref(), "•••\n".as_bytes());
    let found = Found {
        name: "url".to_owned(),
        value: "https://x/s/abcd,key".to_owned(),
        secret: true,
    };
    assert_eq!(second.found, [found]);
    assert_eq!(captures.missing().count(), 0);
}

#[test]
fn an_expression_that_is_none_is_named() {
    let capture = Capture {
        pattern: "(".to_owned(),
        within: None,
        secret: false,
    };
    let error = Captures::new(&BTreeMap::from([("url".to_owned(), capture)])).err();
    assert!(error.unwrap().contains("the expression of `url`"));
}

/// Output as programs make it: lines, colours, links, progress, nonsense, and the secret here and there.
fn output() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"https://a.b/s/Zq9#kk,wkey".to_vec()),
        2 => Just(b"\n".to_vec()),
        2 => Just(b"\r".to_vec()),
        1 => Just(b"\x1b[31m".to_vec()),
        1 => Just(b"\x1b]8;;https://a.b/s/Zq9#kk,wkey\x1b\\".to_vec()),
        1 => Just(b"\x1b[2K\x1b[G".to_vec()),
        1 => Just(b"n=12".to_vec()),
        1 => Just(vec![b'z'; LINE_BYTES]),
        2 => prop::collection::vec(any::<u8>(), 0..6),
        2 => "[a-z =:\u{1b}\\[\\]]{0,6}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_way_of_cutting_changes_anything(
        output in output(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
    ) {
        let rules = [("url", r"https://\S+/s/\S+", true), ("n", r"n=(\d+)", false)];
        let whole = read(&mut captures(&rules), &[&output]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(output.len() + 1)).collect();
        cuts.extend([0, output.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &output[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&read(&mut captures(&rules), &pieces), &whole);
        let open = [("n", r"n=(\d+)", false)];
        prop_assert_eq!(read(&mut captures(&open), &pieces).0, output);
        let shown = String::from_utf8_lossy(&whole.0).into_owned();
        prop_assert!(!shown.contains("/s/Zq9"), "{shown:?}");
        prop_assert!(!plain(&whole.0).contains("/s/Zq9"), "{shown:?}");
        for (name, value) in whole.1 {
            prop_assert!(name != "url" || !shown.contains(&value), "{value:?} in {shown:?}");
        }
    }
}
