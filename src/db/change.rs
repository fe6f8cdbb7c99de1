//! The table `change`: every person's history. It keeps true values; who looks at it through a run sees secrets masked.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{Db, DbError, count, from_json, stamp, to_json};
use crate::roster::masking::Masking;
use crate::roster::person::{Change, ChangeKind, FieldChanges, Fields};
use crate::tenant::{Environment, TenantId};

/// Changes written by one statement.
const BATCH: usize = 200;
/// Changes whose people are looked up by one statement.
const NAMED: usize = 1_000;

/// One line of the history.
pub(super) struct NewChange<'a> {
    pub(super) person: i64,
    pub(super) kind: ChangeKind,
    pub(super) fields: std::borrow::Cow<'a, FieldChanges>,
}

impl Db {
    /// At most so many of a run's changes, secrets masked, and how many there are.
    pub async fn changes(
        &self,
        run: &str,
        most: u32,
        masking: &Masking,
    ) -> Result<(Vec<Change>, u64), DbError> {
        let all: i64 = sqlx::query_scalar("SELECT count(*) FROM change WHERE run = ?1")
            .bind(run)
            .fetch_one(&self.reader)
            .await?;
        let rows = sqlx::query(
            "SELECT c.kind, c.fields, p.key, p.fields AS stored FROM change c JOIN person p ON p.id = c.person WHERE c.run = ?1 ORDER BY c.id LIMIT ?2",
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
                    name: name(row.try_get("stored")?, &fields)?,
                    fields: fields.masked(masking),
                })
            })
            .collect::<Result<_, DbError>>()?;
        Ok((changes, count("change", all)?))
    }

    /// Fills in what the people of a data source are called, where a file did not tell.
    pub async fn name_people(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
        changes: &mut [Change],
    ) -> Result<(), DbError> {
        for batch in changes.chunks_mut(NAMED) {
            let nameless = batch.iter().filter(|change| change.name.is_none());
            let keys: Vec<&str> = nameless.map(|change| change.employee_id.as_str()).collect();
            if keys.is_empty() {
                continue;
            }
            let rows = sqlx::query(
                "SELECT key, fields FROM person WHERE tenant = ?1 AND environment = ?2 AND source = ?3 AND key IN (SELECT value FROM json_each(?4))",
            )
            .bind(tenant.as_str())
            .bind(environment.as_str())
            .bind(source)
            .bind(to_json(&keys))
            .fetch_all(&self.reader)
            .await?;
            let mut names = HashMap::new();
            for row in &rows {
                let stored: Fields = from_json("person.fields", row.try_get("fields")?)?;
                names.insert(row.try_get::<String, _>("key")?, stored.name());
            }
            for change in batch.iter_mut().filter(|change| change.name.is_none()) {
                change.name = names.remove(&change.employee_id).flatten();
            }
        }
        Ok(())
    }
}

/// What people call somebody: as it is stored, else as the change has it.
pub(super) fn name(
    stored: Option<&str>,
    changes: &FieldChanges,
) -> Result<Option<String>, DbError> {
    let stored: Fields = stored
        .map(|stored| from_json("person.fields", stored))
        .transpose()?
        .unwrap_or_default();
    Ok(stored.name().or_else(|| {
        let mut fields = Fields::default();
        changes.apply(&mut fields);
        fields.name()
    }))
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
