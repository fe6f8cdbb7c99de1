//! The table `person`: who is, or was, employed.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{Db, DbError, from_json, to_json};
use crate::report::roster::Line;
use crate::roster::diff::Candidate;
use crate::roster::person::{Employment, FieldChanges, Fields, Known, RowHash};
use crate::roster::plan::Revised;
use crate::tenant::{Environment, TenantId};

/// People written by one statement.
const BATCH: usize = 100;
/// People read by one statement of [`Db::known_people`].
const PAGE: i64 = 5_000;

/// One page of known people.
#[derive(Debug, Default)]
pub struct Page {
    pub people: Vec<(String, Known)>,
    last: Option<String>,
}

impl Db {
    /// The next people of a data source, without their fields, in the order of their keys; an empty page is the end.
    ///
    /// A page is one row of the database: one per person would take most of the time of an import.
    pub async fn known_people(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
        before: &Page,
    ) -> Result<Page, DbError> {
        let lines: Option<String> = sqlx::query_scalar(
            "SELECT group_concat(id || ' ' || standing || ' ' || hex(row_hash) || ' ' || hex(key), char(10)) FROM (
                 SELECT id, standing, row_hash, key FROM person
                 WHERE tenant = ?1 AND environment = ?2 AND source = ?3 AND key > ?4 ORDER BY key LIMIT ?5)",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .bind(before.last.as_deref().unwrap_or_default())
        .bind(PAGE)
        .fetch_one(&self.reader)
        .await?;
        let people = lines
            .unwrap_or_default()
            .lines()
            .map(|line| known(line).ok_or(DbError::Value { column: "row_hash" }))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Page {
            last: people.iter().map(|(key, _)| key).max().cloned(),
            people,
        })
    }

    /// The stored fields of some people, by id.
    pub async fn stored_fields(&self, people: &[i64]) -> Result<HashMap<i64, Fields>, DbError> {
        let rows = sqlx::query(
            "SELECT id, fields FROM person WHERE id IN (SELECT value FROM json_each(?1))",
        )
        .bind(to_json(people))
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                let fields = from_json("person.fields", row.try_get("fields")?)?;
                Ok((row.try_get("id")?, fields))
            })
            .collect()
    }

    /// The next lines of a roster after `after`, at most `limit`, by data source and key. With `everyone`, also those who have left.
    pub async fn roster_page(
        &self,
        tenant: &TenantId,
        environment: Environment,
        everyone: bool,
        after: Option<&Line>,
        limit: u32,
    ) -> Result<Vec<Line>, DbError> {
        let rows = sqlx::query(
            "SELECT p.source, p.key, p.standing, p.fields, p.standing = 'left' AND coalesce((
                 SELECT c.fields = '{}' FROM change c WHERE c.person = p.id AND c.kind = 'leaver' ORDER BY c.id DESC LIMIT 1), 0) AS absent
             FROM person p
             WHERE p.tenant = ?1 AND p.environment = ?2 AND (?3 OR p.standing = 'employed') AND (p.source, p.key) > (?4, ?5)
             ORDER BY p.source, p.key LIMIT ?6",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(everyone)
        .bind(after.map_or("", |line| line.source.as_str()))
        .bind(after.map_or("", |line| line.key.as_str()))
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Line {
                    source: row.try_get("source")?,
                    key: row.try_get("key")?,
                    employment: Employment::parse(row.try_get("standing")?)
                        .ok_or(DbError::Value { column: "standing" })?,
                    left_by_absence: row.try_get("absent")?,
                    fields: from_json("person.fields", row.try_get("fields")?)?,
                })
            })
            .collect()
    }

    /// How many people are employed, in all data sources together.
    pub async fn employed(
        &self,
        tenant: &TenantId,
        environment: Environment,
    ) -> Result<u64, DbError> {
        let employed: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM person WHERE tenant = ?1 AND environment = ?2 AND standing = 'employed'",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .fetch_one(&self.reader)
        .await?;
        super::count("employed", employed)
    }
}

/// Reads one line of a page; the fields are parted by blanks, and hex keeps those of a key away.
fn known(line: &str) -> Option<(String, Known)> {
    let mut parts = line.split(' ');
    let known = Known {
        id: parts.next()?.parse().ok()?,
        employment: Employment::parse(parts.next()?)?,
        hash: unhex(parts.next()?)?.try_into().ok()?,
    };
    let key = String::from_utf8(unhex(parts.next()?)?).ok()?;
    Some((key, known))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// Where the people of a run stand.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) environment: Environment,
    pub(super) source: &'a str,
    pub(super) run: &'a str,
}

/// The id of the first person to be added.
pub(super) async fn next_id(connection: &mut SqliteConnection) -> Result<i64, DbError> {
    Ok(
        sqlx::query_scalar("SELECT coalesce(max(id), 0) + 1 FROM person")
            .fetch_one(connection)
            .await?,
    )
}

/// Adds new people, the first of them as `first_id`.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    place: Place<'_>,
    first_id: i64,
    joiners: &[Candidate],
) -> Result<(), DbError> {
    let mut numbered = joiners.iter().zip(first_id..);
    loop {
        let batch: Vec<_> = numbered.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO person (id, tenant, environment, source, key, standing, row_hash, last_run, fields) ",
        );
        insert.push_values(batch, |mut values, (joiner, id)| {
            values
                .push_bind(id)
                .push_bind(place.tenant.as_str())
                .push_bind(place.environment.as_str())
                .push_bind(place.source)
                .push_bind(&*joiner.key)
                .push_bind(Employment::Employed.as_str())
                .push_bind(joiner.hash.as_slice())
                .push_bind(place.run)
                .push_bind(to_json(&after(&joiner.all_new())));
        });
        insert.build().execute(&mut *connection).await?;
    }
}

/// Stores a known person's new fields and standing.
pub(super) async fn revise(
    connection: &mut SqliteConnection,
    run: &str,
    revised: &Revised,
) -> Result<(), DbError> {
    sqlx::query("UPDATE person SET standing = coalesce(?2, standing), row_hash = ?3, last_run = ?4, fields = ?5 WHERE id = ?1")
        .bind(revised.person)
        .bind(revised.kind.employment().map(Employment::as_str))
        .bind(revised.hash.as_slice())
        .bind(run)
        .bind(to_json(&revised.fields))
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes how the row of an unchanged person reads now.
pub(super) async fn rehash(
    connection: &mut SqliteConnection,
    person: i64,
    hash: RowHash,
) -> Result<(), DbError> {
    sqlx::query("UPDATE person SET row_hash = ?2 WHERE id = ?1")
        .bind(person)
        .bind(hash.as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that somebody absent from the file has left.
pub(super) async fn leave(
    connection: &mut SqliteConnection,
    run: &str,
    person: i64,
) -> Result<(), DbError> {
    sqlx::query("UPDATE person SET standing = 'left', last_run = ?2 WHERE id = ?1")
        .bind(person)
        .bind(run)
        .execute(connection)
        .await?;
    Ok(())
}

fn after(changes: &FieldChanges) -> Fields {
    let mut fields = Fields::default();
    changes.apply(&mut fields);
    fields
}
