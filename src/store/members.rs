//! Persons with a role that the database, not the file, gave them, and the rights to single scripts.

use super::{Connection, Error, Result};
use crate::base::ids::UserId;
use crate::base::role::Role;
use crate::base::time::Millis;
use sqlx::Row;
use sqlx::any::AnyRow;

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

/// How a person came to a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// By the claim code.
    Claimed,
    /// Somebody gave it.
    Granted,
    /// By an invitation.
    Invited,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Source::Claimed => "claimed",
            Source::Granted => "granted",
            Source::Invited => "invited",
        }
    }

    fn parse(word: &str) -> Result<Self> {
        [Source::Claimed, Source::Granted, Source::Invited]
            .into_iter()
            .find(|source| source.as_str() == word)
            .ok_or_else(|| Error::Corrupt(format!("the unknown source {word:?}")))
    }
}

/// Who gave something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Who; 0 for the command line.
    pub by: UserId,
    /// Their name at that time.
    pub by_name: String,
    /// When.
    pub at: Millis,
}

impl Given {
    pub(super) fn of(row: &AnyRow, by: usize, name: usize, at: usize) -> Self {
        Self {
            by: UserId(row.get(by)),
            by_name: row.get(name),
            at: Millis(row.get(at)),
        }
    }
}

/// A row: a person's role, where it comes from, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Who, and the role until it ends.
    pub member: Member,
    /// How it came.
    pub source: Source,
    /// Who gave it.
    pub given: Given,
    /// When it ends; `None` for never.
    pub until: Option<Millis>,
    /// The role after that; `None` for none.
    pub fallback: Option<Role>,
}

impl Membership {
    /// The role at a moment; it ends exactly when it says.
    #[must_use]
    pub fn role_at(&self, now: Millis) -> Option<Role> {
        match self.is_over(now) {
            true => self.fallback,
            false => Some(self.member.role),
        }
    }

    /// Whether the role's end has come.
    #[must_use]
    pub fn is_over(&self, now: Millis) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// The right to run one script whatever the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// Who.
    pub user: UserId,
    /// The script's name.
    pub script: String,
    /// When it ends; `None` for never.
    pub until: Option<Millis>,
    /// Who gave it.
    pub given: Given,
}

/// A stored role.
pub(super) fn role(word: &str) -> Result<Role> {
    Role::parse(word).ok_or_else(|| Error::Corrupt(format!("the unknown role {word:?}")))
}

/// How often rights were changed.
///
/// # Errors
/// When the database refuses.
pub async fn version(db: &mut Connection) -> Result<i64> {
    let row = sqlx::query("SELECT version FROM access_version")
        .fetch_one(db)
        .await?;
    Ok(row.get(0))
}

/// Counts a change of rights. Until the transaction ends, others that change rights wait here.
///
/// # Errors
/// When the database refuses.
pub async fn hold(db: &mut Connection) -> Result<()> {
    sqlx::query("UPDATE access_version SET version = version + 1")
        .execute(db)
        .await?;
    Ok(())
}

/// All members, by id.
///
/// # Errors
/// When the database refuses or holds an unknown role.
pub async fn all(db: &mut Connection) -> Result<Vec<Membership>> {
    let rows = sqlx::query(
        "SELECT user_id, name, role, source, added_by, added_by_name, added_at, until, fallback
         FROM members ORDER BY user_id",
    )
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let member = Member {
                id: UserId(row.get(0)),
                name: row.get(1),
                role: role(row.get(2))?,
            };
            let fallback: Option<String> = row.get(8);
            Ok(Membership {
                member,
                source: Source::parse(row.get(3))?,
                given: Given::of(row, 4, 5, 6),
                until: row.get::<Option<i64>, _>(7).map(Millis),
                fallback: fallback.as_deref().map(role).transpose()?,
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
        "INSERT INTO members (user_id, name, role, added_by, added_by_name, added_at)
         SELECT $1, $2, 'owner', $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM members)",
    )
    .bind(id.0)
    .bind(name)
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(made.rows_affected() == 1)
}

/// Adds a member, or replaces one.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &mut Connection, new: &Membership) -> Result<()> {
    sqlx::query(
        "INSERT INTO members (user_id, name, role, source, added_by, added_by_name, added_at, until, fallback)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (user_id) DO UPDATE SET name = $2, role = $3, source = $4, added_by = $5,
             added_by_name = $6, added_at = $7, until = $8, fallback = $9",
    )
    .bind(new.member.id.0)
    .bind(&new.member.name)
    .bind(new.member.role.as_str())
    .bind(new.source.as_str())
    .bind(new.given.by.0)
    .bind(&new.given.by_name)
    .bind(new.given.at.0)
    .bind(new.until.map(|until| until.0))
    .bind(new.fallback.map(Role::as_str))
    .execute(db)
    .await?;
    Ok(())
}

/// Removes a member.
///
/// # Errors
/// When the database refuses.
pub async fn remove(db: &mut Connection, id: UserId) -> Result<()> {
    sqlx::query("DELETE FROM members WHERE user_id = $1")
        .bind(id.0)
        .execute(db)
        .await?;
    Ok(())
}

/// All rights to single scripts.
///
/// # Errors
/// When the database refuses.
pub async fn rights(db: &mut Connection) -> Result<Vec<Right>> {
    let rows = sqlx::query(
        "SELECT user_id, script, until, added_by, added_by_name, added_at FROM script_rights
         ORDER BY user_id, script",
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .iter()
        .map(|row| Right {
            user: UserId(row.get(0)),
            script: row.get(1),
            until: row.get::<Option<i64>, _>(2).map(Millis),
            given: Given::of(row, 3, 4, 5),
        })
        .collect())
}

/// Adds a right to a script, or replaces it.
///
/// # Errors
/// When the database refuses.
pub async fn put_right(db: &mut Connection, new: &Right) -> Result<()> {
    sqlx::query(
        "INSERT INTO script_rights (user_id, script, until, added_by, added_by_name, added_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id, script) DO UPDATE SET until = $3, added_by = $4, added_by_name = $5, added_at = $6",
    )
    .bind(new.user.0)
    .bind(&new.script)
    .bind(new.until.map(|until| until.0))
    .bind(new.given.by.0)
    .bind(&new.given.by_name)
    .bind(new.given.at.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Removes a right to a script; without a name, all of a person's.
///
/// # Errors
/// When the database refuses.
pub async fn remove_right(db: &mut Connection, user: UserId, script: Option<&str>) -> Result<()> {
    sqlx::query("DELETE FROM script_rights WHERE user_id = $1 AND script = COALESCE($2, script)")
        .bind(user.0)
        .bind(script)
        .execute(db)
        .await?;
    Ok(())
}
