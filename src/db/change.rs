//! The table `change`: every person's history. It keeps true values; who looks at it through a run sees pay and national ids masked.

use jiff::Timestamp;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{Db, DbError, count, from_json, stamp, to_json};
use crate::roster::person::{Change, ChangeKind, FieldChanges};

/// Changes written by one statement.
const BATCH: usize = 200;

/// One line of the history.
pub(super) struct NewChange<'a> {
    pub(super) person: i64,
    pub(super) kind: ChangeKind,
    pub(super) fields: std::borrow::Cow<'a, FieldChanges>,
}

impl Db {
    /// At most so many of a run's changes, pay and national ids masked, and how many there are.
    pub async fn changes(&self, run: &str, most: u32) -> Result<(Vec<Change>, u64), DbError> {
        let all: i64 = sqlx::query_scalar("SELECT count(*) FROM change WHERE run = ?1")
            .bind(run)
            .fetch_one(&self.reader)
            .await?;
        let rows = sqlx::query(
            "SELECT c.kind, c.fields, p.key FROM change c JOIN person p ON p.id = c.person WHERE c.run = ?1 ORDER BY c.id LIMIT ?2",
        )
        .bind(run)
        .bind(most)
        .fetch_all(&self.reader)
        .await?;
        let changes = rows
            .iter()
            .map(|row| {
                let fields: FieldChanges = from_json("change.fields", row.try_get("fields")?)?;
                Ok(Change {
                    kind: ChangeKind::parse(row.try_get("kind")?)
                        .ok_or(DbError::Value { column: "kind" })?,
                    employee_id: row.try_get("key")?,
                    fields: fields.masked(),
                })
            })
            .collect::<Result<_, DbError>>()?;
        Ok((changes, count("change", all)?))
    }
}

/// Adds to the history.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    run: &str,
    at: Timestamp,
    mut changes: impl Iterator<Item = NewChange<'_>>,
) -> Result<(), DbError> {
    let at = stamp(at);
    loop {
        let batch: Vec<_> = changes.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let mut insert =
            QueryBuilder::<Sqlite>::new("INSERT INTO change (run, person, kind, at, fields) ");
        insert.push_values(batch, |mut values, change| {
            values
                .push_bind(run)
                .push_bind(change.person)
                .push_bind(change.kind.as_str())
                .push_bind(&at)
                .push_bind(to_json(change.fields.as_ref()));
        });
        insert.build().execute(&mut *connection).await?;
    }
}
