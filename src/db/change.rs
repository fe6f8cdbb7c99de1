//! The table `change`: every person's history. It keeps true values; who looks at it through a run sees pay and national ids masked.

use jiff::Timestamp;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{Db, DbError, from_json, stamp, to_json};
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
    /// What a run changed, pay and national ids masked.
    pub async fn changes(&self, run: &str) -> Result<Vec<Change>, DbError> {
        let rows = sqlx::query(
            "SELECT c.kind, c.fields, p.key FROM change c JOIN person p ON p.id = c.person WHERE c.run = ?1 ORDER BY c.id",
        )
        .bind(run)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                let fields: FieldChanges = from_json("change.fields", row.try_get("fields")?)?;
                Ok(Change {
                    kind: ChangeKind::parse(row.try_get("kind")?)
                        .ok_or(DbError::Value { column: "kind" })?,
                    employee_id: row.try_get("key")?,
                    fields: fields.masked(),
                })
            })
            .collect()
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
