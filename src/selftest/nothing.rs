//! A job that does nothing: that it ends shows that jobs are taken, run and ended.

use crate::base::job::Ending;
use crate::delivery::render::Size;
use crate::jobs::action::{Action, ActionCx, Reading, Stopped};
use serde::Deserialize;

/// The kind of work.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

/// It needs to be told nothing.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct NoArgs {}

impl Action for Nothing {
    type Args = NoArgs;
    const KIND: &'static str = "self.test";

    fn reading(&self, _: &NoArgs) -> Reading {
        Reading {
            secrets: Vec::new(),
            size: Size::Pipe,
        }
    }

    async fn run(&self, _: NoArgs, _: ActionCx) -> Result<Ending, Stopped> {
        Ok(Ending::Exited(0))
    }
}
