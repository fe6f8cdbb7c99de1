//! The table `viewing`: who has looked at people's data through the command line, when, and at how many people.

use jiff::Timestamp;
use sqlx::Row as _;

use super::{Db, DbError, count, instant, stamp, stored};
use crate::tenant::{Environment, TenantId};

/// A look at people's data that begins now.
#[derive(Debug, Clone, Copy)]
pub struct Looking<'a> {
    pub at: Timestamp,
    pub uid: u32,
    pub who: &'a str,
    pub command: &'a str,
    pub place: Option<(&'a TenantId, Environment)>,
    /// In words.
    pub what: &'a str,
}

/// A look at people's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub at: Timestamp,
    pub uid: u32,
    pub who: String,
    pub command: String,
    pub tenant: Option<String>,
    pub environment: Option<String>,
    pub what: String,
    /// None: it ended before it knew.
    pub people: Option<u64>,
}

impl Db {
    /// Notes a look before anything is shown, and returns its number.
    pub async fn begin_view(&self, looking: &Looking<'_>) -> Result<i64, DbError> {
        Ok(sqlx::query_scalar(
            "INSERT INTO viewing (at, uid, who, command, tenant, environment, what) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
        )
        .bind(stamp(looking.at))
        .bind(looking.uid)
        .bind(looking.who)
        .bind(looking.command)
        .bind(looking.place.map(|(tenant, _)| tenant.as_str()))
        .bind(looking.place.map(|(_, environment)| environment.as_str()))
        .bind(looking.what)
        .fetch_one(&self.writer)
        .await?)
    }

    /// Notes how many people were shown.
    pub async fn end_view(&self, id: i64, people: u64) -> Result<(), DbError> {
        sqlx::query("UPDATE viewing SET people = ?2 WHERE id = ?1")
            .bind(id)
            .bind(stored(people))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// The last looks, newest first.
    pub async fn views(&self, tenant: Option<&TenantId>, limit: u32) -> Result<Vec<View>, DbError> {
        let rows = sqlx::query(
            "SELECT at, uid, who, command, tenant, environment, what, people FROM viewing WHERE ?1 IS NULL OR tenant = ?1 ORDER BY id DESC LIMIT ?2",
        )
        .bind(tenant.map(TenantId::as_str))
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                let people: Option<i64> = row.try_get("people")?;
                Ok(View {
                    at: instant("at", row.try_get("at")?)?,
                    uid: row.try_get("uid")?,
                    who: row.try_get("who")?,
                    command: row.try_get("command")?,
                    tenant: row.try_get("tenant")?,
                    environment: row.try_get("environment")?,
                    what: row.try_get("what")?,
                    people: people.map(|it| count("people", it)).transpose()?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::Bench;

    #[tokio::test]
    async fn a_look_is_noted_before_it_is_known_how_many_people_it_shows() {
        let bench = Bench::new().await;
        let (db, acme) = (&bench.db, TenantId::parse("acme").unwrap());
        let looking = Looking {
            at: "2026-11-22T02:00:00Z".parse().unwrap(),
            uid: 1000,
            who: "ann (1000)",
            command: "roster",
            place: Some((&acme, Environment::Production)),
            what: "who is employed",
        };
        let first = db.begin_view(&looking).await.unwrap();
        let other = Looking {
            place: None,
            command: "errors",
            ..looking
        };
        db.begin_view(&other).await.unwrap();
        db.end_view(first, 12).await.unwrap();
        let all = db.views(None, 9).await.unwrap();
        let told: Vec<_> = all
            .iter()
            .map(|it| (it.command.as_str(), it.people))
            .collect();
        assert_eq!(told, [("errors", None), ("roster", Some(12))]);
        let of_acme = db.views(Some(&acme), 9).await.unwrap();
        assert_eq!(of_acme, all[1..]);
        assert_eq!(db.views(None, 1).await.unwrap(), all[..1]);
    }
}
