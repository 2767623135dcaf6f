//! What the page is told, without a browser: pages of messages, menus, assets, the life of the bot.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::super::model::MenuEntry;
use super::super::{Options, Sandbox, Standing};
use super::keeper::{Keeper, Order, Program};
use super::{assets, shape};

async fn sandbox() -> Sandbox {
    Sandbox::start(Options::default())
        .await
        .expect("a free port")
}

fn ids(page: &Value) -> Vec<i64> {
    let messages = page["messages"].as_array().expect("messages");
    messages
        .iter()
        .filter_map(|message| message["id"].as_i64())
        .collect()
}

#[tokio::test]
async fn a_long_chat_comes_in_pages() {
    let sandbox = sandbox().await;
    for n in 0..250 {
        sandbox.say(7, 7, &format!("{n}"));
    }
    let page = |before| {
        sandbox
            .shared()
            .with(|state| shape::messages(state, 7, None, before))
    };
    let newest = page(i32::MAX);
    assert_eq!(ids(&newest), (151..=250).collect::<Vec<_>>());
    assert_eq!(newest["more"], true);
    let last = page(51);
    assert_eq!(ids(&last), (1..=50).collect::<Vec<_>>());
    assert_eq!(last["more"], false);
    assert_eq!(ids(&page(1)), [0_i64; 0]);
}

#[tokio::test]
async fn a_topic_shows_its_own_messages_alone() {
    let sandbox = sandbox().await;
    let group = -1_002_000_000_001;
    sandbox.add_group(group, "team", true);
    let topic = sandbox.add_topic(group, "deploys");
    let general = sandbox.say(7, group, "in General").message_id;
    let inside = sandbox.speak(7, group).topic(topic).text("in deploys");
    let of = |thread| {
        let page = sandbox
            .shared()
            .with(|state| shape::messages(state, group, thread, i32::MAX));
        ids(&page)
    };
    assert_eq!(of(None), [i64::from(general)]);
    assert_eq!(of(Some(topic)), [i64::from(inside.message_id)]);
}

#[tokio::test]
async fn the_narrowest_menu_counts() {
    let sandbox = sandbox().await;
    sandbox.add_group(-5, "ops", false);
    sandbox.add_member(-5, 7, Standing::Member);
    sandbox.add_member(-5, 8, Standing::Administrator);
    let set = |scope: &str, language: &str| {
        let entry = MenuEntry {
            command: format!("{}{language}", scope.replace([':', '-'], "_")),
            description: "does".to_owned(),
        };
        let key = (scope.to_owned(), language.to_owned());
        sandbox
            .shared()
            .with(|state| state.menus.insert(key, vec![entry]));
    };
    let menu = |person, chat| {
        let menu = sandbox
            .shared()
            .with(|state| shape::menu(state, person, chat));
        let first = menu.first().map(|entry| entry["command"].clone());
        first
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    assert_eq!(menu(7, 7), "");
    for (scope, person, chat) in [
        ("default", 7, 7),
        ("all_private_chats", 7, 7),
        ("chat:7", 7, 7),
        ("all_group_chats", 7, -5),
        ("all_chat_administrators", 8, -5),
        ("chat:-5", 7, -5),
        ("chat_administrators:-5", 8, -5),
        ("chat_member:-5:7", 7, -5),
    ] {
        set(scope, "");
        assert_eq!(menu(person, chat), scope.replace([':', '-'], "_"));
    }
    assert_eq!(menu(9, -5), "chat__5", "somebody else's menu is not theirs");
    set("chat:7", "en");
    assert_eq!(menu(7, 7), "chat_7en", "in their language, if there is one");
}

#[test]
fn every_asset_that_is_named_is_there_and_nothing_is_loaded_from_elsewhere() {
    let there: HashSet<&str> = assets::ASSETS.iter().map(|(path, _, _)| *path).collect();
    assert_eq!(there.len(), assets::ASSETS.len());
    for (path, _, text) in assets::ASSETS {
        let code = path.ends_with(".js");
        for part in text.split('"') {
            let named = match part.strip_prefix("./") {
                Some(name) if code => format!("/js/{name}"),
                _ if part.starts_with("/js/") || part.starts_with("/css/") => part.to_owned(),
                _ => continue,
            };
            assert!(there.contains(named.as_str()), "{path} names {named}");
        }
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!text.contains(way), "{path} uses {way}");
        }
        // The name of the language of pictures is no address to load from.
        let addresses = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!addresses.contains("://"), "{path} names an address");
    }
}

fn script(body: &str) -> (Keeper, watch::Receiver<u64>) {
    let (bell, changed) = watch::channel(0);
    let program = Program {
        path: "bash".into(),
        args: vec!["-c".into(), body.into()],
        env: vec![("SECRET".to_owned(), "hidden".to_owned())],
    };
    assert!(!format!("{program:?}").contains("hidden"));
    (Keeper::start(program, bell), changed)
}

async fn until(keeper: &Keeper, changed: &mut watch::Receiver<u64>, wanted: &Value) {
    let reached = async {
        loop {
            let now = keeper.json();
            let fields = wanted.as_object().expect("an object");
            if fields.iter().all(|(name, value)| now[name] == *value) {
                return;
            }
            changed.changed().await.expect("the keeper lives");
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(30), reached).await;
    assert!(told.is_ok(), "{wanted} never came: {}", keeper.json());
}

#[tokio::test]
async fn a_bot_that_is_killed_stays_dead_until_it_is_started() {
    let (keeper, mut changed) = script("echo up; sleep 600");
    until(
        &keeper,
        &mut changed,
        &json!({"state": "running", "starts": 1}),
    )
    .await;
    keeper.order(Order::Kill).await;
    let dead = json!({"state": "ended", "asked": true, "how": "killed with signal 9"});
    until(&keeper, &mut changed, &dead).await;
    assert!(keeper.was_killed());
    keeper.order(Order::Start).await;
    until(
        &keeper,
        &mut changed,
        &json!({"state": "running", "starts": 2}),
    )
    .await;
    keeper.order(Order::Restart).await;
    until(
        &keeper,
        &mut changed,
        &json!({"state": "running", "starts": 3}),
    )
    .await;
    keeper.stop().await;
    let stopped = json!({"state": "ended", "asked": true, "how": "ended by signal 15"});
    until(&keeper, &mut changed, &stopped).await;
    assert!(!keeper.was_killed());
}

#[tokio::test]
async fn a_bot_that_ends_by_itself_is_told_with_its_last_words() {
    let (keeper, mut changed) = script("echo last words >&2; exit 3");
    let ended = json!({"state": "ended", "asked": false, "how": "ended with exit code 3"});
    until(&keeper, &mut changed, &ended).await;
    let reached = async {
        while !keeper
            .log_since(0)
            .0
            .iter()
            .any(|line| line == "last words")
        {
            changed.changed().await.expect("the keeper lives");
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(30), reached).await;
    assert!(told.is_ok(), "{:?}", keeper.log_since(0));
}
