//! The table `notice`: what whoever decides about runs is still to be told. A row is written with the outcome that it tells of, and goes when it was told.

use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection};

use super::{Db, DbError, instant, run, stamp};
use crate::report::run::{Outcome, Run};

/// A notice that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueNotice {
    pub id: String,
    pub made_at: Timestamp,
    /// Tries so far.
    pub attempts: u32,
    pub run: Run,
}

impl Db {
    /// The notices to be sent now, the oldest first, at most so many. Of a run that has moved on there is nothing to be told any more.
    pub async fn due_notices(&self, most: u32) -> Result<Vec<DueNotice>, DbError> {
        let waiting: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM notice)")
            .fetch_one(&self.reader)
            .await?;
        if !waiting {
            return Ok(Vec::new());
        }
        sqlx::query("DELETE FROM notice WHERE outcome <> (SELECT r.outcome FROM import_run r WHERE r.id = notice.run)")
            .execute(&self.writer)
            .await?;
        let mut connection = self.reader.acquire().await?;
        let rows = sqlx::query(
            "SELECT id, run, made_at, attempts FROM notice WHERE coalesce(not_before, '') <= ?1 ORDER BY made_at, id LIMIT ?2",
        )
        .bind(stamp(self.now()))
        .bind(most)
        .fetch_all(&mut *connection)
        .await?;
        let mut due = Vec::new();
        for row in rows {
            if let Some(run) = run::find(&mut connection, row.try_get("run")?).await? {
                due.push(DueNotice {
                    id: row.try_get("id")?,
                    made_at: instant("made_at", row.try_get("made_at")?)?,
                    attempts: row.try_get("attempts")?,
                    run,
                });
            }
        }
        Ok(due)
    }

    /// Notes that a notice was told, or given up.
    pub async fn forget_notice(&self, id: &str) -> Result<(), DbError> {
        sqlx::query("DELETE FROM notice WHERE id = ?1")
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Notes that a notice was not taken, and when it is tried again.
    pub async fn postpone_notice(&self, id: &str, not_before: Timestamp) -> Result<(), DbError> {
        sqlx::query("UPDATE notice SET attempts = attempts + 1, not_before = ?2 WHERE id = ?1")
            .bind(id)
            .bind(stamp(not_before))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Forgets all notices: nobody wants to be told.
    pub async fn forget_notices(&self) -> Result<(), DbError> {
        let waiting: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM notice)")
            .fetch_one(&self.reader)
            .await?;
        if waiting {
            sqlx::query("DELETE FROM notice")
                .execute(&self.writer)
                .await?;
        }
        Ok(())
    }
}

/// Notes that `run` has come to an outcome which somebody is to be told of.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    run: &str,
    outcome: Outcome,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query("INSERT INTO notice (id, run, outcome, made_at) VALUES (?1, ?2, ?3, ?4)")
        .bind(uuid::Uuid::now_v7().to_string())
        .bind(run)
        .bind(outcome.as_str())
        .bind(stamp(now))
        .execute(connection)
        .await?;
    Ok(())
}
