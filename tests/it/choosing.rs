//! Choices that a program lists: one depending on another, and programs that fail, hang, flood or print markup.

use crate::harness::{ANN, BEN, World, tools};
use crate::on_both;
use opsgram::sandbox::Message;

const BODY: &str = r#"printf '<%s>' "$@"; echo"#;

/// Writes a program that lists values; each run of it adds a line to `asked`.
fn lists(world: &World, body: &str) {
    let path = world.path().join("list.sh");
    let asked = world.path().join("asked");
    let text = format!("#!/bin/bash\necho \"$*\" >>{}\n{body}\n", asked.display());
    tools::executable(&path, &text);
}

fn runs(world: &World) -> usize {
    tools::lines(&world.path().join("asked")).len()
}

fn labels(message: &Message) -> Vec<&str> {
    message
        .all_buttons()
        .map(|button| button.text.as_str())
        .collect()
}

async fn press(world: &World, label: &str, then: &str) -> Message {
    let pressed = world.press(BEN, BEN, label);
    world.answer(&pressed).await;
    world.sees(BEN, then).await
}

on_both! {
    /// The second list knows the first answer; Back and another answer bring another list.
    async fn one_choice_depends_on_another(world) {
        lists(&world, r#"case $1 in alpha) echo api; echo web;; *) echo database; echo api;; esac"#);
        world.script("restart", BODY, &["args: [{name: host, choices: [alpha, beta]}, {name: service, choices_from: [./list.sh, '{host}']}, {name: sure, type: boolean}]"]);
        world.start().await;
        world.asks(BEN, BEN, "/run restart").await;
        let second = press(&world, "alpha", "service?").await;
        assert_eq!(labels(&second), ["api", "web", "‹ Back", "Cancel"]);
        press(&world, "web", "sure?").await;
        press(&world, "‹ Back", "service?").await;
        press(&world, "‹ Back", "host?").await;
        let other = press(&world, "beta", "host: beta\n\nservice?").await;
        assert_eq!(labels(&other), ["database", "api", "‹ Back", "Cancel"]);
        // A button of the other list, forged, brings nothing that is not on this one.
        let web = second.button("web").unwrap().data.clone().unwrap();
        let step = other.button("api").unwrap().data.clone().unwrap();
        let (stand, _) = step.rsplit_once(':').unwrap();
        let (_, value) = web.rsplit_once(':').unwrap();
        world.forges(BEN, BEN, &format!("{stand}:{value}")).await;
        world.sees(BEN, "That value is no longer among them. Choose again.").await;
        press(&world, "database", "sure?").await;
        let card = press(&world, "no", "✅ restart · #1").await;
        assert!(card.text.contains("<beta><database><false>"), "{}", card.text);
        assert_eq!(runs(&world), 2, "each list was asked for once");
        // A given value of a list that it is not on is asked for again, in words.
        let asked = world.asks(BEN, BEN, "/run restart service=web sure=no").await;
        assert_eq!(labels(&asked), ["alpha", "beta", "Cancel"]);
        let told = press(&world, "beta", "“web” is not a value for service.").await;
        assert!(told.text.contains("It can be database or api.") && told.text.ends_with("service?"), "{}", told.text);
    }
}

on_both! {
    /// A parameter of a workflow is asked for with the list of its program as an argument is.
    async fn a_workflow_asks_with_a_list(world) {
        lists(&world, "echo api; echo web");
        world.set(
            "workflows:
  put:
    params: [{name: service, choices_from: ./list.sh}]
    steps: [{name: a, run: [echo, '{{ params.service }}']}]\n",
        );
        world.start().await;
        let asked = world.asks(BEN, BEN, "/workflow run put").await;
        assert_eq!(labels(&asked), ["api", "web", "Cancel"]);
        press(&world, "web", "✅ put · #1").await;
        let wrong = world.asks(BEN, BEN, "/workflow run put mail").await;
        assert!(wrong.text.contains("“mail” is not a value for service."), "{}", wrong.text);
    }
}

on_both! {
    /// Typed directly, the value is checked against the list; a list that lacks it is looked up anew.
    async fn a_typed_value_is_checked_against_the_list(world) {
        lists(&world, "echo api; echo web");
        world.script("deploy", BODY, &["args: [{name: service, choices_from: ./list.sh, choices_ttl: 1h}]"]);
        world.start().await;
        let told = world.asks(BEN, BEN, "/run deploy wbe").await;
        assert_eq!(told.text, "“wbe” is not a value for service. Did you mean web? It can be api or web.");
        assert_eq!(runs(&world), 1);
        let card = world.asks(BEN, BEN, "/run deploy web").await;
        assert!(card.text.contains("deploy"), "{}", card.text);
        world.sees(BEN, "✅ deploy · #1").await;
        assert_eq!(runs(&world), 1, "the list was remembered");
        lists(&world, "echo new");
        world.asks(BEN, BEN, "/run deploy new").await;
        world.sees(BEN, "✅ deploy · #2").await;
        assert_eq!(runs(&world), 2);
        // In the dialog as well.
        world.asks(BEN, BEN, "/run deploy").await;
        let said = world.say(BEN, "api");
        assert!(world.after(BEN, said.message_id).await.text.contains("It can be new."));
        world.say(BEN, "new");
        world.sees(BEN, "✅ deploy · #3").await;
    }
}

on_both! {
    /// A program that fails: told to all, its last words to admins; looked at again on demand; typed where a pattern allows it.
    async fn a_list_that_fails_is_told(world) {
        world.variable("LIST_KEY", "hunter22");
        lists(&world, "echo api; echo 'no <b>route</b> for hunter22' >&2; exit 3");
        world.script("deploy", BODY, &["args: [{name: service, choices_from: ./list.sh}]", "secrets: [LIST_KEY]"]);
        world.script("free", BODY, &["args: [{name: service, choices_from: ./list.sh, pattern: '[a-z]+'}]", "secrets: [LIST_KEY]"]);
        world.start().await;
        let told = world.asks(BEN, BEN, "/run deploy").await;
        assert!(told.text.ends_with("The values for service cannot be looked up now. Its program ended with exit code 3. Try again in a moment."), "{}", told.text);
        assert_eq!(labels(&told), ["Look again", "Cancel"]);
        let admin = world.asks(ANN, ANN, "/run deploy").await;
        assert!(admin.text.contains("no <b>route</b> for •••"), "{}", admin.text);
        let said = world.say(BEN, "api");
        assert!(world.after(BEN, said.message_id).await.text.contains("cannot be looked up now"));
        let refused = world.asks(BEN, BEN, "/run deploy api").await;
        assert!(refused.text.contains("cannot be looked up now"), "{}", refused.text);
        // With a pattern, it may be typed.
        let free = world.asks(ANN, ANN, "/run free").await;
        assert!(free.text.contains("Its form: [a-z]+"), "{}", free.text);
        world.say(ANN, "api");
        world.sees(ANN, "✅ free · #1").await;
        lists(&world, "echo api");
        let pressed = world.press(BEN, BEN, "Look again");
        world.answer(&pressed).await;
        world.quiet().await;
        press(&world, "api", "✅ deploy · #2").await;
    }
}

on_both! {
    /// A program that hangs is given up in its time, with all that it started, and the wait is shown.
    async fn a_list_that_hangs_is_given_up(world) {
        lists(&world, "sleep 600 & sleep 600");
        world.script("deploy", BODY, &["args: [{name: service, choices_from: ./list.sh, choices_timeout: 1s}]"]);
        world.start().await;
        world.say(BEN, "/run deploy");
        world.sees(BEN, "Looking up service …").await;
        let told = world.sees(BEN, "Its program did not end within 1 s.").await;
        assert_eq!(told.history[0].text, "deploy\nLooking up service …");
        assert!(tools::children(&world).is_empty());
        // What hung a moment ago is not waited for once more.
        let again = world.asks(BEN, BEN, "/run deploy api").await;
        assert!(again.text.contains("did not end within 1 s"), "{}", again.text);
        assert_eq!(runs(&world), 1);
    }
}

on_both! {
    /// Of a flood of lines, 500 different ones are taken; blank, doubled and unfit ones are not; markup is text.
    async fn a_long_list_is_bounded_and_paged(world) {
        lists(&world, "echo; echo '<b>&amp;</b>'; echo '<b>&amp;</b>'; echo '  x  '; echo -n-; echo; printf 'a\\tb\\n'; printf '%0300d\\n' 1; seq 1 100000; sleep 600");
        world.script("deploy", BODY, &["args: [{name: service, choices_from: ./list.sh}]"]);
        world.start().await;
        let first = world.asks(BEN, BEN, "/run deploy").await;
        assert_eq!(labels(&first)[..4], ["<b>&amp;</b>", "x", "1", "2"]);
        assert!(first.text.contains("\nPage 1 of 63. You may also write it"), "{}", first.text);
        let second = press(&world, "More ›", "Page 2 of 63.").await;
        assert_eq!(labels(&second)[..2], ["7", "8"]);
        press(&world, "‹ Previous", "Page 1 of 63.").await;
        let card = press(&world, "<b>&amp;</b>", "✅ deploy · #1").await;
        assert!(card.text.contains("<<b>&amp;</b>>"), "{}", card.text);
        let told = world.asks(BEN, BEN, "/run deploy 99999").await;
        assert!(told.text.contains("is not a value for service") && told.text.len() < 300, "{}", told.text);
        assert_eq!(runs(&world), 2, "remembered for the dialog, looked up anew for the value that it lacks");
    }
}

on_both! {
    /// A program without anything to list says so, and can be looked at again.
    async fn an_empty_list_is_told(world) {
        lists(&world, "true");
        world.script("deploy", BODY, &["args: [{name: service, choices_from: ./list.sh}]"]);
        world.start().await;
        let told = world.asks(BEN, BEN, "/run deploy").await;
        assert!(told.text.ends_with("There are no values to choose from now."), "{}", told.text);
        assert_eq!(labels(&told), ["Look again", "Cancel"]);
        lists(&world, "echo api");
        let pressed = world.press(BEN, BEN, "Look again");
        world.answer(&pressed).await;
        world.quiet().await;
        press(&world, "api", "✅ deploy · #1").await;
    }
}

on_both! {
    /// The program gets what the script gets, and nothing else of the bot's environment.
    async fn a_listing_program_has_the_scripts_environment(world) {
        world.variable("PGHOST", "db1");
        world.variable("OTHER", "nothing");
        lists(&world, r#"echo "$MODE-$PGHOST-$OTHER-$PWD""#);
        world.script("deploy", BODY, &["args: [{name: service, choices_from: ./list.sh}]", "env: {MODE: prod}", "env_pass: [PGHOST]", "cwd: /"]);
        world.start().await;
        let asked = world.asks(BEN, BEN, "/run deploy").await;
        assert_eq!(labels(&asked), ["prod-db1--/", "Cancel"]);
    }
}
