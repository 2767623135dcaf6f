//! `/stream`: `/run`, with what the script prints following as messages.

use super::{About, run};
use crate::base::error::Result;
use crate::base::job::OutputMode;
use crate::base::role::Role;
use crate::chat::reply::Reply;
use crate::chat::request::Request;

/// What the help says.
pub const ABOUT: About = About {
    name: "stream",
    form: "<script> [arguments]",
    does: "Run a script and follow what it prints",
    example: (
        "/stream deploy api v1.2",
        "runs deploy and sends what it prints as it comes",
    ),
    role: Some(Role::Viewer),
    acts: true,
};

/// Starts a script, or offers those that there are.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    run::start(request, rest, Some(OutputMode::Stream)).await
}
