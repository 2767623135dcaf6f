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

/// Adds a member, or gives an existing one this name and role.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &mut Connection, member: &Member, by: UserId, at: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO members (user_id, name, role, added_by, added_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_id) DO UPDATE SET name = $2, role = $3, added_by = $4, added_at = $5",
    )
    .bind(member.id.0)
    .bind(&member.name)
    .bind(member.role.as_str())
    .bind(by.0)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Removes a member. `false` when there was none with this id.
///
/// # Errors
/// When the database refuses.
pub async fn remove(db: &mut Connection, id: UserId) -> Result<bool> {
    let gone = sqlx::query("DELETE FROM members WHERE user_id = $1")
        .bind(id.0)
        .execute(db)
        .await?;
    Ok(gone.rows_affected() == 1)
}
