//! The four roles and their order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a person may do, or the most that anyone may do in a group. Ordered: a higher role includes the lower ones.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks: status, jobs, and what they print unless only admins may run them.
    Viewer,
    /// Runs scripts and stops their own jobs.
    Operator,
    /// Runs the scripts kept for admins and stops anybody's job.
    Admin,
    /// Everything, people included.
    Owner,
}

impl Role {
    /// All roles, lowest first.
    pub const ALL: [Role; 4] = [Role::Viewer, Role::Operator, Role::Admin, Role::Owner];

    /// The word used in the configuration, the database and the chat.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
            Role::Owner => "owner",
        }
    }

    /// Reads the word of [`Role::as_str`]; `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
