//! Who has whom for a manager. The column beside the fields is set by whoever adds people, and follows the fields by itself.

use std::collections::BTreeMap;

use sqlx::{Row as _, SqliteConnection};

use super::{Db, DbError, from_json, to_json};
use crate::roster::links::Superior;
use crate::roster::person::Employment;
use crate::tenant::{Environment, TenantId};

/// Read from an index alone: everybody's fields would be ten times as much.
pub(super) const PEOPLE_BELOW: &str = "SELECT manager, key FROM person INDEXED BY person_to_compare
     WHERE tenant = ?1 AND environment = ?2 AND standing = 'employed' AND manager IN (SELECT value FROM json_each(?3)) ORDER BY source, key";

/// People read by one statement.
const PAGE: i64 = 1_000;

/// Somebody, and what leads to a manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    pub key: String,
    pub employment: Employment,
    pub work_email: Option<String>,
    pub manager_id: Option<String>,
    pub manager_email: Option<String>,
}

impl Db {
    /// The people with these keys, in whichever data source; of several with one key first whoever is employed.
    pub async fn superiors(
        &self,
        tenant: &TenantId,
        environment: Environment,
        keys: &[&str],
    ) -> Result<Vec<(String, Superior)>, DbError> {
        let rows = sqlx::query(
            "SELECT key, standing, coalesce(manager, '') AS manager FROM person
             WHERE tenant = ?1 AND environment = ?2 AND source IN (SELECT source FROM roster_version WHERE tenant = ?1 AND environment = ?2)
                 AND key IN (SELECT value FROM json_each(?3)) ORDER BY standing, source, key",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(to_json(keys))
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                let superior = Superior {
                    employment: employment(row.try_get("standing")?)?,
                    manager: row.try_get::<&str, _>("manager")?.into(),
                };
                Ok((row.try_get("key")?, superior))
            })
            .collect()
    }

    /// Who is employed and has one of these for a manager, by manager.
    pub async fn people_below(
        &self,
        tenant: &TenantId,
        environment: Environment,
        managers: &[Box<str>],
    ) -> Result<BTreeMap<String, Vec<String>>, DbError> {
        let rows = sqlx::query(PEOPLE_BELOW)
            .bind(tenant.as_str())
            .bind(environment.as_str())
            .bind(to_json(managers))
            .fetch_all(&self.reader)
            .await?;
        let mut below: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows {
            let people = below.entry(row.try_get("manager")?).or_default();
            people.push(row.try_get("key")?);
        }
        Ok(below)
    }

    /// Everybody, whoever is employed first. A page of people is one row of the database, as in [`Db::known_people`].
    pub async fn all_links(
        &self,
        tenant: &TenantId,
        environment: Environment,
    ) -> Result<Vec<Linked>, DbError> {
        type Line = (
            i64,
            String,
            String,
            Option<String>,
            Option<String>,
            Option<String>,
        );
        let mut people = Vec::new();
        let mut last = 0;
        loop {
            let page: String = sqlx::query_scalar(
                "SELECT json_group_array(json_array(id, key, standing, fields ->> 'work_email', manager, fields ->> 'manager_email')) FROM (
                     SELECT id, key, standing, manager, fields FROM person WHERE tenant = ?1 AND environment = ?2 AND id > ?3 ORDER BY id LIMIT ?4)",
            )
            .bind(tenant.as_str())
            .bind(environment.as_str())
            .bind(last)
            .bind(PAGE)
            .fetch_one(&self.reader)
            .await?;
            let page: Vec<Line> = from_json("person.fields", &page)?;
            let Some(end) = page.last() else {
                // Stable, so that of one key whoever is employed and came first counts.
                people.sort_by_key(|it: &Linked| it.employment == Employment::Left);
                return Ok(people);
            };
            last = end.0;
            for (_, key, standing, work_email, manager_id, manager_email) in page {
                people.push(Linked {
                    key,
                    employment: employment(&standing)?,
                    work_email,
                    manager_id,
                    manager_email,
                });
            }
        }
    }
}

fn employment(standing: &str) -> Result<Employment, DbError> {
    Employment::parse(standing).ok_or(DbError::Value { column: "standing" })
}

/// Lets the next rows of these people be compared again, whatever they say.
pub(super) async fn compare_again(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    environment: Environment,
    keys: &[Box<str>],
) -> Result<(), DbError> {
    if keys.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE person SET row_hash = zeroblob(16), verbatim_hash = zeroblob(16)
         WHERE tenant = ?1 AND environment = ?2 AND source IN (SELECT source FROM roster_version WHERE tenant = ?1 AND environment = ?2)
             AND key IN (SELECT value FROM json_each(?3))",
    )
    .bind(tenant.as_str())
    .bind(environment.as_str())
    .bind(to_json(keys))
    .execute(connection)
    .await?;
    Ok(())
}
