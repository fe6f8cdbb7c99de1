//! The table `stub`: people of whom nothing is known but that a row named them (R3.21, R3.22). Their own next row makes them people like others (R3.23).

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::person::Place;
use super::{Db, DbError, to_json};
use crate::roster::person::{Employment, FieldChanges, Fields};
use crate::tenant::{Environment, TenantId};

/// People written by one statement.
const BATCH: usize = 100;

impl Db {
    /// The keys of a data source's stubs.
    pub async fn stubs(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
    ) -> Result<Vec<String>, DbError> {
        Ok(sqlx::query_scalar(
            "SELECT p.key FROM stub s JOIN person p ON p.id = s.person WHERE p.tenant = ?1 AND p.environment = ?2 AND p.source = ?3",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .fetch_all(&self.reader)
        .await?)
    }
}

/// Adds some, the first of them as `first_id`.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    place: Place<'_>,
    first_id: i64,
    stubs: &[(Box<str>, FieldChanges)],
) -> Result<(), DbError> {
    let numbered: Vec<_> = stubs.iter().zip(first_id..).collect();
    for batch in numbered.chunks(BATCH) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO person (id, tenant, environment, source, key, standing, row_hash, verbatim_hash, last_run, fields) ",
        );
        insert.push_values(batch, |mut values, ((key, changes), id)| {
            let mut fields = Fields::default();
            changes.apply(&mut fields);
            values
                .push_bind(*id)
                .push_bind(place.tenant.as_str())
                .push_bind(place.environment.as_str())
                .push_bind(place.source)
                .push_bind(&**key)
                .push_bind(Employment::Employed.as_str())
                .push("zeroblob(16)")
                .push("zeroblob(16)")
                .push_bind(place.run)
                .push_bind(to_json(&fields));
        });
        insert.build().execute(&mut *connection).await?;
    }
    if !stubs.is_empty() {
        let ids: Vec<i64> = numbered.iter().map(|(_, id)| *id).collect();
        sqlx::query("INSERT INTO stub (person) SELECT value FROM json_each(?1)")
            .bind(to_json(&ids))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Makes people of those for whom a row has come. To be called while its hash stands.
pub(super) async fn fill(connection: &mut SqliteConnection) -> Result<(), DbError> {
    sqlx::query(
        "DELETE FROM stub WHERE EXISTS (SELECT 1 FROM person p WHERE p.id = stub.person AND p.row_hash <> zeroblob(16))",
    )
    .execute(connection)
    .await?;
    Ok(())
}
