//! Persons with a role that the database, not the file, gave them.

use super::{Connection, Error, Result};
use crate::base::ids::UserId;
use crate::base::role::Role;
use crate::base::time::Millis;
use sqlx::Row;

/// A person with a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub id: UserId,
    /// The name shown in the chat.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// All members, by id.
///
/// # Errors
/// When the database refuses or holds an unknown role.
pub async fn all(db: &mut Connection) -> Result<Vec<Member>> {
    let rows = sqlx::query("SELECT user_id, name, role FROM members ORDER BY user_id")
        .fetch_all(db)
        .await?;
    rows.iter()
        .map(|row| {
            let word: String = row.get(2);
            Ok(Member {
                id: UserId(row.get(0)),
                name: row.get(1),
                role: Role::parse(&word)
                    .ok_or_else(|| Error::Corrupt(format!("the unknown role {word:?}")))?,
            })
        })
        .collect()
}

/// Makes the person owner if there is no member yet, as one step. `false` when there was one.
///
/// # Errors
/// When the database refuses.
pub async fn claim(db: &mut Connection, id: UserId, name: &str, at: Millis) -> Result<bool> {
    let made = sqlx::query(
        "INSERT INTO members (user_id, name, role, added_by, added_at)
         SELECT $1, $2, 'owner', $1, $3 WHERE NOT EXISTS (SELECT 1 FROM members)",
    )
    .bind(id.0)
    .bind(name)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(made.rows_affected() == 1)
}
