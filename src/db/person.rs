//! The table `person`: who is, or was, employed.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{Db, DbError, from_json, to_json};
use crate::parse::field::Field;
use crate::report::roster::Line;
use crate::roster::diff::Candidate;
use crate::roster::person::{Employment, FieldChanges, Fields, Known, RowHash, RowHashes};
use crate::roster::plan::Revised;
use crate::tenant::{Environment, TenantId};

/// People written by one statement.
const BATCH: usize = 100;
/// People read by one statement of [`Db::known_people`]: few enough that what it returns is not given back to the system and asked for again each time.
const PAGE: i64 = 1_000;
/// `verbatim_hash` of a row that is to be checked.
const UNKNOWN: RowHash = [0; 16];

/// One page of known people.
#[derive(Debug, Default)]
pub struct Page {
    pub people: Vec<(Box<str>, Known)>,
    last: Option<String>,
}

/// Somebody who is employed, and the photo that their column names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portrayed {
    pub employee_id: String,
    pub photo_file: Option<String>,
}

impl Db {
    /// Who is employed, in all data sources together, and which photo their column names; by data source and key.
    ///
    /// A page of people is one row of the database, as in [`Db::known_people`], and no statement lasts longer than a page: a writer's log is not kept long.
    pub async fn portrayed_people(
        &self,
        tenant: &TenantId,
        environment: Environment,
    ) -> Result<Vec<Portrayed>, DbError> {
        let mut people = Vec::new();
        let (mut source, mut key) = (String::new(), String::new());
        loop {
            let row = sqlx::query(
                "SELECT json_group_array(json_array(employee_id, photo_file)) AS people, max(source) AS source, max(key) FILTER (WHERE source = last_source) AS key FROM (
                     SELECT source, key, coalesce(fields ->> 'employee_id', key) AS employee_id, fields ->> 'photo_file' AS photo_file,
                            max(source) OVER () AS last_source FROM (
                         SELECT source, key, fields FROM person
                         WHERE tenant = ?1 AND environment = ?2 AND standing = 'employed' AND (source, key) > (?3, ?4) ORDER BY source, key LIMIT ?5))",
            )
            .bind(tenant.as_str())
            .bind(environment.as_str())
            .bind(&source)
            .bind(&key)
            .bind(PAGE)
            .fetch_one(&self.reader)
            .await?;
            let last: Option<(String, String)> = row
                .try_get::<Option<String>, _>("source")?
                .zip(row.try_get("key")?);
            let Some(last) = last else { return Ok(people) };
            (source, key) = last;
            let page: Vec<(String, Option<String>)> =
                from_json("person.fields", row.try_get("people")?)?;
            people.extend(page.into_iter().map(|(employee_id, photo_file)| Portrayed {
                employee_id,
                photo_file,
            }));
        }
    }

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
        let row = sqlx::query(
            "SELECT group_concat(id, ' ') AS ids, group_concat(standing, ' ') AS standings, CAST(group_concat(row_hash, '') AS BLOB) AS row_hashes,
                    CAST(group_concat(verbatim_hash, '') AS BLOB) AS verbatim_hashes, group_concat(key, char(10)) AS keys, max(key) AS last FROM (
                 SELECT id, standing, row_hash, verbatim_hash, key FROM person
                 WHERE tenant = ?1 AND environment = ?2 AND source = ?3 AND key > ?4 ORDER BY key LIMIT ?5)",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .bind(before.last.as_deref().unwrap_or_default())
        .bind(PAGE)
        .fetch_one(&self.reader)
        .await?;
        let Some(last) = row.try_get::<Option<String>, _>("last")? else {
            return Ok(Page::default());
        };
        let people = known(
            row.try_get("ids")?,
            row.try_get("standings")?,
            row.try_get("row_hashes")?,
            row.try_get("verbatim_hashes")?,
            row.try_get("keys")?,
        );
        Ok(Page {
            people: people.ok_or(DbError::Value { column: "person" })?,
            last: Some(last),
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

    /// The next lines of a roster after `after`, at most `limit`, by data source and key. With `everyone`, also those who have left; of somebody whose
    /// joining was taken back there is nothing to be listed.
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
             WHERE p.tenant = ?1 AND p.environment = ?2 AND (?3 AND p.fields <> '{}' OR p.standing = 'employed') AND (p.source, p.key) > (?4, ?5)
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

    /// How many people are employed in a data source.
    pub async fn employed_in(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
    ) -> Result<u64, DbError> {
        let employed: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM person WHERE tenant = ?1 AND environment = ?2 AND source = ?3 AND standing = 'employed'",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .fetch_one(&self.reader)
        .await?;
        super::count("employed", employed)
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

/// Parts a page again: the values of each column stand one after the other, hashes in bytes, keys in lines, as no key holds a line break.
fn known(
    ids: &str,
    standings: &str,
    row_hashes: &[u8],
    verbatim_hashes: &[u8],
    keys: &str,
) -> Option<Vec<(Box<str>, Known)>> {
    let (row_hashes, rest) = row_hashes.as_chunks();
    let (verbatim_hashes, more) = verbatim_hashes.as_chunks();
    let people = ids
        .split(' ')
        .zip(standings.split(' '))
        .zip(row_hashes.iter().zip(verbatim_hashes))
        .zip(keys.split('\n'))
        .map(|(((id, standing), (said, verbatim)), key)| {
            let known = Known {
                id: id.parse().ok()?,
                employment: Employment::parse(standing)?,
                hashes: RowHashes {
                    said: *said,
                    verbatim: (*verbatim != UNKNOWN).then_some(*verbatim),
                },
            };
            Some((Box::from(key), known))
        })
        .collect::<Option<Vec<_>>>()?;
    let whole = rest.is_empty()
        && more.is_empty()
        && [row_hashes.len(), verbatim_hashes.len()] == [people.len(); 2]
        && ids.split(' ').count() == people.len()
        && keys.split('\n').count() == people.len();
    whole.then_some(people)
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
            "INSERT INTO person (id, tenant, environment, source, key, standing, row_hash, verbatim_hash, last_run, manager, fields) ",
        );
        insert.push_values(batch, |mut values, (joiner, id)| {
            values
                .push_bind(id)
                .push_bind(place.tenant.as_str())
                .push_bind(place.environment.as_str())
                .push_bind(place.source)
                .push_bind(&*joiner.key)
                .push_bind(Employment::Employed.as_str())
                .push_bind(joiner.hashes.said.to_vec())
                .push_bind(verbatim(joiner.hashes))
                .push_bind(place.run)
                .push_bind(manager(joiner))
                .push_bind(to_json(&after(&joiner.all_new())));
        });
        insert.build().execute(&mut *connection).await?;
    }
}

/// Stores known people's new fields and standing.
pub(super) async fn revise(
    connection: &mut SqliteConnection,
    run: &str,
    revised: &[Revised],
) -> Result<(), DbError> {
    for batch in revised.chunks(BATCH) {
        let mut update = QueryBuilder::<Sqlite>::new(
            "WITH revised (id, standing, row_hash, verbatim_hash, fields) AS (",
        );
        update.push_values(batch, |mut values, revised| {
            values
                .push_bind(revised.person)
                .push_bind(revised.kind.employment().map(Employment::as_str))
                .push_bind(revised.hashes.said.to_vec())
                .push_bind(verbatim(revised.hashes))
                .push_bind(to_json(&revised.fields));
        });
        update
            .push(
                ") UPDATE person SET standing = coalesce(r.standing, person.standing), row_hash = r.row_hash, verbatim_hash = r.verbatim_hash,
                     fields = r.fields, last_run = ",
            )
            .push_bind(run)
            .push(" FROM revised r WHERE person.id = r.id");
        update.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Notes how the rows of unchanged people read now.
pub(super) async fn rehash(
    connection: &mut SqliteConnection,
    rehashed: &[(i64, RowHashes)],
) -> Result<(), DbError> {
    for batch in rehashed.chunks(BATCH) {
        let mut update =
            QueryBuilder::<Sqlite>::new("WITH rehashed (id, row_hash, verbatim_hash) AS (");
        update.push_values(batch, |mut values, (person, hashes)| {
            values
                .push_bind(person)
                .push_bind(hashes.said.to_vec())
                .push_bind(verbatim(*hashes));
        });
        update.push(
            ") UPDATE person SET row_hash = r.row_hash, verbatim_hash = r.verbatim_hash FROM rehashed r WHERE person.id = r.id",
        );
        update.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Notes that people absent from the file have left.
pub(super) async fn leave(
    connection: &mut SqliteConnection,
    run: &str,
    absent: &[(Box<str>, Known)],
) -> Result<(), DbError> {
    for batch in absent.chunks(BATCH) {
        let ids: Vec<i64> = batch.iter().map(|(_, known)| known.id).collect();
        sqlx::query(
            "UPDATE person SET standing = 'left', last_run = ?2 WHERE id IN (SELECT value FROM json_each(?1))",
        )
        .bind(to_json(&ids))
        .bind(run)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn verbatim(hashes: RowHashes) -> Vec<u8> {
    hashes.verbatim.unwrap_or(UNKNOWN).to_vec()
}

fn manager(joiner: &Candidate) -> Option<&str> {
    let manager = joiner.fields.value(Field::ManagerId);
    manager.filter(|key| !key.is_empty())
}

fn after(changes: &FieldChanges) -> Fields {
    let mut fields = Fields::default();
    changes.apply(&mut fields);
    fields
}
