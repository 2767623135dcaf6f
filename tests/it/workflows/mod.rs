//! Workflows through the whole bot: started, looked at, answered, gone on with and taken back; stopped and killed; against
//! servers that err; many at once, and on two instances.

mod after;
mod answers;
mod away;
mod clocks;
mod cut;
mod hub;
pub mod keeping;
mod killed;
mod lanes;
mod locks;
mod looking;
mod many;
mod monitor;
mod pages;
mod parts;
mod races;
mod room;
mod samples;
mod secrets;
mod stops;
mod trigger;
mod two;
pub mod web;

use crate::harness::World;
use std::fs;

/// Adds a file of shell to the world's folder; its path.
fn program(world: &World, name: &str, body: &str) -> String {
    let path = world.path().join(name);
    fs::write(&path, body).unwrap();
    path.display().to_string()
}

/// A workflow that builds, puts and cleans: each step writes its name to `done`, and `put` fails as long as there is a file
/// `broken`.
fn deploy(world: &mut World) {
    let here = world.path().display().to_string();
    let build = program(
        world,
        "build",
        &format!("echo build >> {here}/done; echo built $1"),
    );
    let put = program(
        world,
        "put",
        &format!("echo put >> {here}/done; echo putting; [ ! -e {here}/broken ]"),
    );
    let back = program(world, "back", &format!("echo back $1 $2 >> {here}/done"));
    world.set(&format!(
        "workflows:
  deploy:
    description: Build and put
    params: [{{name: tag, pattern: 'v[0-9]+'}}]
    steps:
      - {{name: build, run: [sh, {build}, '{{{{ params.tag }}}}']}}
      - {{name: put, run: [sh, {put}], undo: [sh, {back}, '{{{{ params.tag }}}}', '{{{{ run.id }}}}']}}
    always: [{{name: clean, run: [echo, cleaned]}}]"
    ));
}
