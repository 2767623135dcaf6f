//! What a person types reaches the program verbatim as one element, or not at all.

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, prop_assume, proptest};

use super::super::{ArgError, Script};
use super::Home;
use crate::base::name::Name;

fn script(args: &str, run: &str) -> Script {
    let yaml = format!("scripts:\n  s:\n    run: {run}\n    args: {args}\n");
    let mut config = Home::new().good(&yaml).config;
    config.scripts.remove(&Name::new("s").unwrap()).unwrap()
}

fn deploy() -> Script {
    script(
        "[{name: service, choices: [api, web, -all]}, {name: tag, pattern: 'v[0-9]+|latest', default: v1}, {name: note, optional: true, max_len: 5}]",
        "[./run.sh, '{service}', '--tag={tag}', '{note}']",
    )
}

fn resolve(script: &Script, given: &[&str]) -> Result<Vec<String>, String> {
    let given: Vec<String> = given.iter().map(|word| (*word).to_owned()).collect();
    let resolved = script.resolve(&given).map_err(|wrong| wrong.to_string())?;
    Ok(resolved.argv[1..].to_vec())
}

#[test]
fn values_go_by_place_or_by_name() {
    let deploy = deploy();
    let argv = |words: &[&str]| Ok(words.iter().map(|word| (*word).to_owned()).collect());
    assert_eq!(resolve(&deploy, &["api"]), argv(&["api", "--tag=v1"]));
    assert_eq!(
        resolve(&deploy, &["api", "v2", "hi"]),
        argv(&["api", "--tag=v2", "hi"])
    );
    assert_eq!(
        resolve(&deploy, &["tag=latest", "web"]),
        argv(&["web", "--tag=latest"])
    );
    assert_eq!(
        resolve(&deploy, &["-all", "note=--"]).unwrap_err(),
        "“--” for note starts with a dash, which this script does not take. Write a value without it."
    );
    assert_eq!(
        resolve(&deploy, &["-all", "v3", "a=b"]),
        argv(&["-all", "--tag=v3", "a=b"])
    );
    assert_eq!(
        resolve(&deploy, &["api", "v3", ""]),
        argv(&["api", "--tag=v3", ""])
    );
}

#[test]
fn each_refusal_says_what_would_be_right() {
    let deploy = deploy();
    let usage = "s <service: api, web or -all> [tag, else v1] [note]";
    let cases: [(&[&str], String); 9] = [
        (&[], format!("“service” is missing. Write /run {usage}.")),
        (&["api", "v1", "a", "b"], format!("“b” is one argument too many. Write /run {usage}.")),
        (&["service=api", "service=web"], format!("“service” is given twice. Write /run {usage}.")),
        (&["apo"], "“apo” is not a value for service. Did you mean api? It can be api, web or -all.".to_owned()),
        (&["database"], "“database” is not a value for service. It can be api, web or -all.".to_owned()),
        (&["api", "v1; rm -rf /"], "“v1; rm -rf /” does not have the expected form for tag. The whole value must match v[0-9]+|latest".to_owned()),
        (&["-x"], "“-x” for service starts with a dash, which this script does not take. Write a value without it.".to_owned()),
        (&["api", "v1\n"], "The value of tag holds a line break or a control character. Write it in one plain line.".to_owned()),
        (&["api", "v1", "ñandúes"], "The value of note has 7 characters. At most 5 are taken.".to_owned()),
    ];
    for (given, expected) in cases {
        assert_eq!(resolve(&deploy, given), Err(expected), "{given:?}");
    }
}

#[test]
fn an_alternative_in_a_pattern_does_not_open_its_ends() {
    let open = script("[{name: a, pattern: 'x|y'}]", "./run.sh");
    for bad in ["xz", "zy", "xy", ""] {
        let wrong = open.resolve(&[bad.to_owned()]).unwrap_err();
        assert!(matches!(wrong, ArgError::NoMatch { .. }), "{bad}");
    }
}

#[test]
fn a_script_without_arguments_takes_none() {
    let plain = script("[]", "./run.sh");
    assert_eq!(
        resolve(&plain, &["x"]).unwrap_err(),
        "“x” is one argument too many. Write /run s."
    );
    assert_eq!(resolve(&plain, &[]), Ok(Vec::new()));
}

#[test]
fn a_value_has_the_kind_that_is_declared() {
    let kinds = script(
        "[{name: count, type: integer, min: 1, max: 9}, {name: dry, type: boolean, default: no}, {name: plan, type: file, optional: true}, {name: rest, optional: true}]",
        "./run.sh",
    );
    assert_eq!(
        kinds.usage(),
        "s <count: 1 to 9> [dry: yes or no, else no] [plan: a file] [rest]"
    );
    let argv = |words: &[&str]| Ok(words.iter().map(|word| (*word).to_owned()).collect());
    assert_eq!(resolve(&kinds, &["7"]), argv(&["7", "false"]));
    assert_eq!(resolve(&kinds, &["+07", "On"]), argv(&["7", "true"]));
    // A file is never typed: what stands in its place goes to the next.
    assert_eq!(
        resolve(&kinds, &["1", "0", "x"]),
        argv(&["1", "false", "x"])
    );
    for (given, expected) in [
        (
            &["10"][..],
            "“10” does not fit count. Write a whole number from 1 to 9.",
        ),
        (
            &["1.5"],
            "“1.5” does not fit count. Write a whole number from 1 to 9.",
        ),
        (
            &["-3"],
            "“-3” does not fit count. Write a whole number from 1 to 9.",
        ),
        (
            &["1", "maybe"],
            "“maybe” does not fit dry. Write yes or no.",
        ),
        (
            &["1", "plan=/etc/passwd"],
            "plan is a file. Send the file itself, with the command as its caption.",
        ),
    ] {
        assert_eq!(
            resolve(&kinds, given),
            Err(expected.to_owned()),
            "{given:?}"
        );
    }
}

#[test]
fn a_mistyped_name_is_not_taken_for_a_value() {
    let deploy = deploy();
    for (given, expected) in [
        (
            &["api", "Tag=v2"][..],
            "There is no argument “Tag”. Did you mean tag=v2? If the whole is meant as a value, write tag=Tag=v2.",
        ),
        (
            &["api", "v2", "tga=v3"],
            "There is no argument “tga”. Did you mean tag=v3? If the whole is meant as a value, write note=tga=v3.",
        ),
        (
            &["servce=api"],
            "There is no argument “servce”. Did you mean service=api? If the whole is meant as a value, write service=servce=api.",
        ),
    ] {
        assert_eq!(
            resolve(&deploy, given),
            Err(expected.to_owned()),
            "{given:?}"
        );
    }
    // Values with `=` that resemble no name, that their argument asks for, or that are given by name.
    let plain = script(
        "[{name: setting, pattern: '[A-Z]+=[a-z]+'}, {name: more, optional: true}]",
        "./run.sh",
    );
    let taken = [
        &["SETTING=on"][..],
        &["A=b", "c=d"],
        &["A=b", "path=/x=y"],
        &["A=b", "=more=x"],
        &["A=b", "moore the=x"],
        &["A=b", "more=mor=x"],
    ];
    for given in taken {
        assert!(resolve(&plain, given).is_ok(), "{given:?}");
    }
}

#[test]
fn what_was_given_means_the_same_put_by_name() {
    let deploy = deploy();
    let given = ["tag=v7".to_owned(), "web".to_owned()];
    let values = deploy.given(&given).unwrap();
    assert_eq!(deploy.by_name(&values), ["service=web", "tag=v7"]);
    let missing = deploy.given(&["tag=v7".to_owned()]).unwrap();
    assert_eq!(missing, [None, Some("v7".to_owned()), None]);
}

#[test]
fn choices_come_from_a_program_that_knows_the_earlier_values() {
    let list = script(
        "[{name: host}, {name: service, choices_from: [./run.sh, --on, '{host}'], choices_ttl: 10s}]",
        "./run.sh",
    );
    let from = list.args[1].choices_from.as_ref().unwrap();
    let values = [Some("alpha".to_owned()), None];
    let argv = from.argv(&values);
    assert!(argv[0].ends_with("/run.sh"));
    assert_eq!(argv[1..], ["--on", "alpha"]);
    assert_eq!(from.depends_on().collect::<Vec<_>>(), [0]);
    assert_eq!((from.ttl.as_secs(), from.timeout.as_secs()), (10, 5));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_is_one_element_verbatim_or_refused(first in any::<String>(), second in any::<String>()) {
        let named = |word: &str| word.to_lowercase().starts_with("a=") || word.to_lowercase().starts_with("b=");
        prop_assume!(!named(&first) && !named(&second));
        let refused = |word: &str| {
            word.starts_with('-') || word.chars().any(char::is_control) || word.chars().count() > 256
        };
        match free().resolve(&[first.clone(), second.clone()]) {
            Ok(resolved) => {
                prop_assert_eq!(&resolved.argv[1..], &["--", first.as_str(), &format!("--b={second}x")]);
                prop_assert!(!refused(&first) && !refused(&second));
            }
            Err(_) => prop_assert!(refused(&first) || refused(&second)),
        }
    }

    #[test]
    fn whatever_is_typed_the_argv_keeps_its_shape(given in proptest::collection::vec("(a=|b=|-|\\{a\\}|\\$\\(x\\))?.{0,8}", 0..5)) {
        if let Ok(resolved) = free().resolve(&given) {
            prop_assert_eq!(resolved.argv.len(), 4);
            prop_assert_eq!(given.len(), 2);
            for (_, value) in resolved.values {
                prop_assert!(given.iter().any(|word| word.ends_with(&value)));
            }
        }
    }
}

fn free() -> Script {
    thread_local! {
        static FREE: Script = script("[{name: a}, {name: b}]", "[./run.sh, --, '{a}', '--b={b}x']");
    }
    FREE.with(Clone::clone)
}
