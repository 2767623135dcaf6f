//! The section `http` and the tokens of pushes: what they may be, and that none is shown.

use super::super::PushToken;
use super::Home;

const TOKEN: &str = "0123456789abcdef";

#[test]
fn nothing_is_listened_at_unless_the_file_says_so() {
    let home = Home::new();
    for none in ["", "http: {}\n", "http: {listen: null}\n", "http: null\n"] {
        let config = home.good(none).config;
        assert_eq!(config.http.listen, None, "{none}");
        let mut names = config.checks.keys();
        assert!(names.all(|name| name.as_str() != "opsgram-port"), "{none}");
    }
    let config = home.good("http: {listen: '[::1]:8790'}").config;
    assert_eq!(config.http.listen, "[::1]:8790".parse().ok());
    let mut names = config.checks.keys();
    assert!(names.any(|name| name.as_str() == "opsgram-port"));
    let open = home.good("http: {listen: '0.0.0.0:8790'}");
    assert!(open.warnings[0].in_short().contains("without TLS"));
    for wrong in ["localhost:8790", "8790", "127.0.0.1:0", "127.0.0.1:99999"] {
        let faults = home.bad(&format!("http: {{listen: '{wrong}'}}"));
        assert!(faults[0].contains("such as 127.0.0.1:8790"), "{faults:?}");
    }
}

#[test]
fn a_token_stands_in_the_file_or_in_the_environment() {
    let home = Home::new();
    let yaml = |push: &str| {
        format!(
            "http: {{listen: 127.0.0.1:8790}}\nchecks: {{x: {{kind: heartbeat, push: '{push}', warn: 26h}}}}"
        )
    };
    let token = |push: &str| {
        let env = [("PATH", "/bin"), ("NIGHTLY", TOKEN), ("SHORT", "short")];
        let loaded = home
            .load_with(&yaml(push), &env)
            .map_err(|f| f.to_string())?;
        let mut checks = loaded.config.checks.into_values();
        let token = checks.find_map(|check| check.token().cloned());
        token.ok_or_else(|| loaded.warnings[0].in_short())
    };
    for push in [TOKEN, "${NIGHTLY}"] {
        let token = token(push).unwrap();
        assert!(token.is(&PushToken::digest(TOKEN)), "{push}");
        assert!(!format!("{token:?}").contains(TOKEN));
    }
    assert!(token("${GONE}").unwrap_err().contains("GONE is not in"));
    assert!(token("${SHORT}").unwrap_err().contains("is no token"));
}

#[test]
fn what_is_wrong_with_a_push_is_told_without_its_token() {
    let home = Home::new();
    let port = "http: {listen: 127.0.0.1:8790}\n";
    let scripts = "scripts: {clean: {run: ./run.sh}}\n";
    for (before, checks, said) in [
        (
            "",
            format!("x: {{kind: heartbeat, push: {TOKEN}, warn: 26h}}"),
            "write `http: {listen: 127.0.0.1:8790}`",
        ),
        (
            port,
            "x: {kind: heartbeat, push: hunter2, warn: 26h}".to_owned(),
            "openssl rand -hex 16",
        ),
        (
            port,
            "x: {kind: heartbeat, push: 'hunter2 hunter2 hunter2', warn: 26h}".to_owned(),
            "openssl rand -hex 16",
        ),
        (
            port,
            format!("x: {{kind: heartbeat, push: {TOKEN}}}"),
            "lacks `warn`",
        ),
        (
            port,
            format!("x: {{kind: heartbeat, push: {TOKEN}, script: clean, warn: 1h}}"),
            "stand together",
        ),
        (
            port,
            "x: {kind: heartbeat, warn: 1h}".to_owned(),
            "`checks.x.script` or `checks.x.push` is missing",
        ),
        (
            port,
            format!(
                "x: {{kind: heartbeat, push: {TOKEN}, warn: 1h}}\n  y: {{kind: heartbeat, push: {TOKEN}, warn: 2h}}"
            ),
            "`checks.y.push` is the token of `x`, too",
        ),
    ] {
        let yaml = format!("{before}{scripts}checks:\n  {checks}\n");
        let Err(faults) = home.load(&yaml) else {
            panic!("this loads:\n{yaml}");
        };
        let told = faults.to_string();
        assert!(told.contains(said), "{checks}: {told}");
        assert!(!told.contains(TOKEN) && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn another_token_and_another_port_are_changes_that_hold_at_once() {
    let home = Home::new();
    let load = |port: u16, token: &str| {
        let yaml = format!(
            "http: {{listen: '127.0.0.1:{port}'}}\nchecks: {{x: {{kind: heartbeat, push: {token}, warn: 26h}}}}"
        );
        home.good(&yaml).config
    };
    let old = load(8790, TOKEN);
    let (config, changes) = old.renewed(load(8791, "fedcba9876543210"));
    assert_eq!(changes.settings, ["http.listen"]);
    assert_eq!(changes.checks.changed, ["x"]);
    assert!(changes.restart.is_empty());
    assert_eq!(config.http.listen.unwrap().port(), 8791);
    let (_, none) = old.renewed(load(8790, TOKEN));
    assert!(none.is_empty());
}
