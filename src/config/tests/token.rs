//! The bot's token: where it is looked for, and that it is never shown.

use super::super::{Env, TokenSource, load};
use super::Home;
use crate::base::secret::ExposeSecret;

fn token(letter: char) -> String {
    format!("123456:{}", letter.to_string().repeat(30))
}

#[test]
fn the_token_comes_from_the_first_source_that_has_one() {
    let home = Home::new();
    let (a, b, c, d, e) = (token('a'), token('b'), token('c'), token('d'), token('e'));
    home.write("token", format!("{d}\n"));
    home.write("credentials/telegram-token", format!("{e}\r\n"));
    let credentials = home.path().join("credentials").display().to_string();
    let mut env = vec![
        ("OPSGRAM_TELEGRAM_TOKEN", a.as_str()),
        ("TELEGRAM_TOKEN", b.as_str()),
        ("TELEGRAM_BOT_TOKEN", c.as_str()),
        ("CREDENTIALS_DIRECTORY", credentials.as_str()),
    ];
    let find = |yaml: &str, env: &[(&str, &str)]| {
        let telegram = home
            .load_with(yaml, env)
            .unwrap_or_else(|faults| panic!("{faults}"))
            .config
            .telegram;
        (
            telegram.token.unwrap().expose_secret().to_owned(),
            telegram.token_source.unwrap(),
        )
    };
    let with_file = "telegram: {token_file: token}";
    for (expected, name) in [
        (&a, "OPSGRAM_TELEGRAM_TOKEN"),
        (&b, "TELEGRAM_TOKEN"),
        (&c, "TELEGRAM_BOT_TOKEN"),
    ] {
        assert_eq!(
            find(with_file, &env),
            (expected.clone(), TokenSource::Variable(name))
        );
        env.remove(0);
    }
    let file = TokenSource::File(home.path().join("token"));
    assert_eq!(
        find(with_file, &env).0,
        e,
        "the credential before the file's word"
    );
    assert_eq!(find("", &env).0, e);
    let named = home.path().join("token").display().to_string();
    env.push(("OPSGRAM_TELEGRAM_TOKEN_FILE", &named));
    assert_eq!(
        find("", &env),
        (d, file),
        "but after a variable that names a file"
    );
    env.pop();
    home.write("credentials/telegram-token", "\n");
    let loaded = home
        .load_with(with_file, &env)
        .unwrap_or_else(|faults| panic!("{faults}"));
    assert!(
        loaded.config.telegram.token.is_none(),
        "an empty credential: not given yet"
    );
}

#[test]
fn an_ill_formed_token_is_a_fault_that_does_not_show_it() {
    let home = Home::new();
    for bad in [
        "hunter22",
        "123456:short",
        "x:aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "123456:aaaaaaaaaaaaaaaaaaaaaaaa\nmore",
    ] {
        let Err(faults) = home.load_with("", &[("TELEGRAM_TOKEN", bad)]) else {
            panic!("{bad} was taken");
        };
        let shown = faults.to_string();
        assert!(
            shown.starts_with("TELEGRAM_TOKEN: what is found here is not a bot token"),
            "{shown}"
        );
        assert!(!shown.contains(bad), "{shown}");
        assert!(!format!("{faults:?}").contains(bad));
    }
}

#[test]
fn a_token_in_the_file_is_refused_and_not_shown() {
    let home = Home::new();
    let token = token('k');
    let Err(faults) = home.load(&format!("telegram:\n  token: {token}\n")) else {
        panic!("a token in the file was taken");
    };
    let shown = faults.to_string();
    assert!(
        shown.contains(":2:3: the token does not belong into this file"),
        "{shown}"
    );
    assert!(!shown.contains(&token), "{shown}");
}

#[test]
fn a_token_file_that_is_not_there_is_a_fault() {
    let faults = Home::new().bad("telegram:\n  token_file: gone\n");
    assert!(
        faults[0].starts_with("2:15 the token cannot be read from HOME/gone"),
        "{faults:?}"
    );
}

#[test]
fn a_token_file_that_everyone_can_read_is_told() {
    let home = Home::new();
    let path = home.write("token", token('a'));
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let loaded = home.good("telegram: {token_file: token}");
    assert!(loaded.warnings[0].message.contains("chmod 600"));
}

#[test]
fn no_token_is_no_fault_of_the_file() {
    let home = Home::new();
    let file = home.write("c.yaml", "");
    let env: Env = [("TELEGRAM_TOKEN", "")].into_iter().collect();
    assert!(load(&file, &env).unwrap().config.telegram.token.is_none());
}

#[test]
fn an_empty_token_file_is_a_warning_and_no_token() {
    let home = Home::new();
    home.write("token", "\n");
    let loaded = home
        .load("telegram: {token_file: token}")
        .unwrap_or_else(|faults| panic!("{faults}"));
    assert!(loaded.config.telegram.token.is_none());
    assert!(
        loaded
            .warnings
            .iter()
            .any(|w| w.message.contains("is empty")),
        "{:?}",
        loaded.warnings
    );
}
