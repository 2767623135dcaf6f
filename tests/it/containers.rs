//! Containers of a real Docker engine: one that dies, one that is started again and again, and an engine that is stopped.

use crate::harness::docker::Engine;
use crate::harness::tools::until;
use crate::harness::{ANN, CLEO, UNWATCHED, World};
use crate::on_both;
use opsgram::sandbox::Message;

/// A container lives until somebody sends it away.
const LIVES: &str = "while :; do sleep 1; done";
/// One that ends badly whenever it is asked to, and is started again.
const DIES: &str = "while [ ! -e /die ]; do sleep 0.1; done; rm /die; exit 1";

/// Watches these containers once a second, and tells at once.
async fn watch(world: &mut World, names: &[&str]) -> Engine {
    let engine = Engine::start(world.path()).await;
    let each = names.iter().map(|name| {
        format!(
            "  {name}: {{kind: docker, container: {name}, socket: {}, every: 1s, for: 0s, timeout: 30s, warn: 3}}\n",
            engine.socket().display()
        )
    });
    let checks: String = each.collect();
    world.set(&format!(
        "alerts: {{group_wait: 0s}}\nchecks:\n{checks}{UNWATCHED}"
    ));
    world.sandbox.open_private(ANN);
    engine
}

/// The messages that tell of a container, as they stand.
fn told(world: &World, name: &str) -> Vec<Message> {
    let mut all = world.sandbox.from_bot(ANN);
    all.retain(|message| message.text.contains(name));
    all
}

on_both! {
    /// What dies is an incident, and over when it runs again; what is started again and again is one by the number of times.
    async fn a_container_that_dies_or_starts_again_and_again_is_told(world) {
        let engine = watch(&mut world, &["web", "restless"]).await;
        engine.container("web", "no", LIVES);
        engine.container("restless", "on-failure", DIES);
        world.start().await;
        // What happens before the first look is not counted.
        while !world.asks(CLEO, CLEO, "/alerts restless").await.text.contains("restless is running") {}
        engine.ask(&["kill", "web"]);
        let dead = world.sees(ANN, "web is exited").await;
        assert!(dead.text.starts_with("🔴 web") || dead.text.starts_with("🟠 web"), "{}", dead.text);
        engine.ask(&["start", "web"]);
        let over = world.sees(ANN, "✅ web recovered").await;
        assert_eq!(over.id, dead.id);
        for times in 1..=3 {
            engine.marks("restless", "/die");
            until("it to run again", || engine.says("restless") == format!("running {times}")).await;
        }
        world.sees(ANN, "restless is running, started again 3 times within the hour").await;
        engine.ask(&["rm", "--force", "restless"]);
        engine.container("restless", "no", LIVES);
        world.sees(ANN, "✅ restless recovered").await;
        world.quiet().await;
        world.polite();
        world.stop().await;
    }
}

on_both! {
    /// An engine that ends is told once for each container, with what to do, and that is over when it answers again.
    async fn an_engine_that_ends_is_told_once(world) {
        let mut engine = watch(&mut world, &["web"]).await;
        engine.container("web", "always", LIVES);
        world.start().await;
        let calm = world.asks(CLEO, CLEO, "/alerts").await;
        assert!(calm.text.contains("Nothing is "), "{}", calm.text);
        engine.kill();
        let gone = world.sees(ANN, "cannot be read").await;
        assert!(gone.text.contains("the Docker engine does not run") && gone.text.contains("start it"), "{}", gone.text);
        let status = world.asks(CLEO, CLEO, "/status").await;
        assert!(status.text.contains("web") && status.text.contains("CPU"), "{}", status.text);
        engine.resume().await;
        let over = world.sees(ANN, "✅ web recovered").await;
        assert_eq!(over.id, gone.id);
        world.quiet().await;
        let tellings = told(&world, "web");
        assert_eq!(tellings.len(), 1, "{tellings:?}");
        assert!(!tellings[0].text.contains("exited"), "{}", tellings[0].text);
        world.stop().await;
    }
}
