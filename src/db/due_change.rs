//! The table `due_change`: ends of employment that were told in advance, and who has left by one.

use std::collections::HashMap;

use jiff::civil::Date;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::person::Place;
use super::{Db, DbError, to_json};
use crate::roster::due::{Due, Ending};
use crate::tenant::{Environment, TenantId};

/// Rows written by one statement.
const BATCH: usize = 200;

/// Somebody employed whose end has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePerson {
    pub person: i64,
    pub key: String,
    pub due: Due,
}

impl Db {
    /// What is known of these people's ends; whoever has none is not there.
    pub async fn endings(&self, people: &[i64]) -> Result<HashMap<i64, Ending>, DbError> {
        let rows = sqlx::query(
            "SELECT person, due_on, status, applied FROM due_change WHERE person IN (SELECT value FROM json_each(?1))",
        )
        .bind(to_json(people))
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                let ending = if row.try_get("applied")? {
                    Ending::Past
                } else {
                    Ending::Ahead(due(row)?)
                };
                Ok((row.try_get("person")?, ending))
            })
            .collect()
    }

    /// The data sources with somebody whose end has come on this day, or before.
    pub async fn sources_due(
        &self,
        day: Date,
    ) -> Result<Vec<(TenantId, Environment, String)>, DbError> {
        let rows = sqlx::query(
            "SELECT DISTINCT tenant, environment, source FROM due_change WHERE applied = 0 AND due_on <= ?1 ORDER BY tenant, environment, source",
        )
        .bind(day.to_string())
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                let refuse = |column| move |_| DbError::Value { column };
                let tenant = TenantId::parse(row.try_get("tenant")?);
                let environment = Environment::parse(row.try_get("environment")?);
                Ok((
                    tenant.map_err(refuse("tenant"))?,
                    environment.map_err(refuse("environment"))?,
                    row.try_get("source")?,
                ))
            })
            .collect()
    }

    /// The people whose end has come on this day, or before, by key.
    pub async fn people_due(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
        today: Date,
    ) -> Result<Vec<DuePerson>, DbError> {
        let rows = sqlx::query(
            "SELECT d.person, d.due_on, d.status, p.key FROM due_change d JOIN person p ON p.id = d.person
             WHERE d.tenant = ?1 AND d.environment = ?2 AND d.source = ?3 AND d.applied = 0 AND d.due_on <= ?4 AND p.standing = 'employed' ORDER BY p.key",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .bind(today.to_string())
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DuePerson {
                    person: row.try_get("person")?,
                    key: row.try_get("key")?,
                    due: due(row)?,
                })
            })
            .collect()
    }
}

fn due(row: &SqliteRow) -> Result<Due, DbError> {
    let on: &str = row.try_get("due_on")?;
    Ok(Due {
        on: on
            .parse()
            .map_err(|_| DbError::Value { column: "due_on" })?,
        status: row.try_get("status")?,
    })
}

/// Notes what is to come of these people, and forgets what was of those for whom nothing is.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    place: Place<'_>,
    due: impl Iterator<Item = (i64, Option<Due>)>,
) -> Result<(), DbError> {
    let (mut told, mut withdrawn) = (Vec::new(), Vec::new());
    for (person, due) in due {
        match due {
            Some(due) => told.push((person, due)),
            None => withdrawn.push(person),
        }
    }
    forget(connection, &withdrawn).await?;
    for batch in told.chunks(BATCH) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO due_change (person, tenant, environment, source, due_on, status) ",
        );
        insert.push_values(batch, |mut values, (person, due)| {
            values
                .push_bind(*person)
                .push_bind(place.tenant.as_str())
                .push_bind(place.environment.as_str())
                .push_bind(place.source)
                .push_bind(due.on.to_string())
                .push_bind(due.status.as_deref());
        });
        insert.push(
            " ON CONFLICT (person) DO UPDATE SET due_on = excluded.due_on, status = excluded.status, applied = 0",
        );
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Forgets what was known of these people's ends.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    people: &[i64],
) -> Result<(), DbError> {
    if people.is_empty() {
        return Ok(());
    }
    sqlx::query("DELETE FROM due_change WHERE person IN (SELECT value FROM json_each(?1))")
        .bind(to_json(people))
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that these people have left by it.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    people: &[i64],
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE due_change SET applied = 1 WHERE person IN (SELECT value FROM json_each(?1))",
    )
    .bind(to_json(people))
    .execute(connection)
    .await?;
    Ok(())
}
