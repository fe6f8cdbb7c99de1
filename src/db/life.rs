//! One person with everything about them: the tables `person` and `change` from the side of the person.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::past::stored;
use super::{Db, DbError, count, from_json, instant};
use crate::parse::field::Field;
use crate::report::person::{Chapter, Linked, PersonDocument};
use crate::report::run::RunKind;
use crate::roster::history::State;
use crate::roster::person::{ChangeKind, Employment, FieldChanges, Fields};
use crate::tenant::{Environment, TenantId};

/// People who are named that have somebody as their manager.
const REPORTS: i64 = 20;

impl Db {
    /// Everybody who has, or had, this id in some data source. Nothing is masked.
    pub async fn people_called(
        &self,
        tenant: &TenantId,
        environment: Environment,
        id: &str,
    ) -> Result<Vec<PersonDocument>, DbError> {
        let rows = sqlx::query(
            "SELECT id, source, key, standing, fields FROM person WHERE tenant = ?1 AND environment = ?2 AND key = ?3 ORDER BY source",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(id)
        .fetch_all(&self.reader)
        .await?;
        let mut people = Vec::new();
        for row in rows {
            let State { employment, fields } = stored(&row)?;
            let (reports, reports_total) = self.reports(tenant, environment, id).await?;
            people.push(PersonDocument {
                tenant: tenant.clone(),
                environment,
                source: row.try_get("source")?,
                employee_id: row.try_get("key")?,
                name: fields.name(),
                employed: employment == Employment::Employed,
                manager: self.manager(tenant, environment, &fields).await?,
                fields: FieldChanges::between(&Fields::default(), &fields),
                reports,
                reports_total,
                history: self.history(row.try_get("id")?).await?,
            });
        }
        Ok(people)
    }

    async fn history(&self, person: i64) -> Result<Vec<Chapter>, DbError> {
        let rows = sqlx::query(
            "SELECT c.at, c.run, c.kind, c.fields, c.emptied, r.kind AS run_kind FROM change c JOIN import_run r ON r.id = c.run
             WHERE c.person = ?1 ORDER BY c.id",
        )
        .bind(person)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                let refuse = |column| DbError::Value { column };
                let fields: FieldChanges = from_json("change.fields", row.try_get("fields")?)?;
                let is_emptied: bool = row.try_get("emptied")?;
                Ok(Chapter {
                    at: instant("change.at", row.try_get("at")?)?,
                    run: row.try_get("run")?,
                    of: RunKind::parse(row.try_get("run_kind")?).ok_or(refuse("kind"))?,
                    kind: ChangeKind::parse(row.try_get("kind")?).ok_or(refuse("change.kind"))?,
                    emptied: is_emptied || fields.has_lost_values(),
                    fields,
                })
            })
            .collect()
    }

    /// The manager that the fields name by id, or, where they have none, by e-mail address.
    async fn manager(
        &self,
        tenant: &TenantId,
        environment: Environment,
        fields: &Fields,
    ) -> Result<Option<Linked>, DbError> {
        let (id, email) = (
            fields.value(Field::ManagerId),
            fields.value(Field::ManagerEmail),
        );
        let Some(named) = id.or(email) else {
            return Ok(None);
        };
        let row = sqlx::query(
            "SELECT key, standing, fields FROM person WHERE tenant = ?1 AND environment = ?2
                 AND (key = ?3 OR ?3 IS NULL AND fields ->> 'work_email' = ?4 COLLATE NOCASE)
             ORDER BY standing <> 'employed', source LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(id)
        .bind(email)
        .fetch_optional(&self.reader)
        .await?;
        let unknown = || Linked {
            employee_id: named.to_owned(),
            name: fields.value(Field::ManagerName).map(str::to_owned),
            employed: None,
        };
        Ok(Some(match row {
            Some(row) => linked(&row)?,
            None => unknown(),
        }))
    }

    /// The first of those who name `manager` as theirs, and how many they are.
    async fn reports(
        &self,
        tenant: &TenantId,
        environment: Environment,
        manager: &str,
    ) -> Result<(Vec<Linked>, u64), DbError> {
        let rows = sqlx::query(
            "SELECT key, standing, fields, count(*) OVER () AS reports FROM person
             WHERE tenant = ?1 AND environment = ?2 AND standing = 'employed' AND fields ->> 'manager_id' = ?3 ORDER BY key LIMIT ?4",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(manager)
        .bind(REPORTS)
        .fetch_all(&self.reader)
        .await?;
        let total = match rows.first() {
            Some(row) => count("reports", row.try_get("reports")?)?,
            None => 0,
        };
        let reports = rows.iter().map(linked).collect::<Result<_, _>>()?;
        Ok((reports, total))
    }
}

fn linked(row: &SqliteRow) -> Result<Linked, DbError> {
    let State { employment, fields } = stored(row)?;
    Ok(Linked {
        employee_id: row.try_get("key")?,
        name: fields.name(),
        employed: Some(employment == Employment::Employed),
    })
}
