//! What the roster was: read backwards from what it is, over the changes since.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Db, DbError, from_json, instant, stamp};
use crate::report::roster::Line;
use crate::roster::history::{Event, State, between};
use crate::roster::masking::Masking;
use crate::roster::person::{Change, ChangeKind, Employment, FieldChanges, Fields};
use crate::tenant::{Environment, TenantId};

/// People who are looked at by one statement.
const PAGE: i64 = 1_000;

/// One page of a roster of the past. It may be empty and yet not the last: not everybody who is known now was there.
#[derive(Debug, Default)]
pub struct PastPage {
    pub lines: Vec<Line>,
    last: Option<(String, String)>,
}

/// A change since, as the database hands it over: kind, fields, whether it is emptied, whether it is later than the later of two times.
type Since = (String, FieldChanges, u8, u8);

impl Db {
    /// The next page of who was employed just before `cut`; none: `before` was the last one. With `everyone`, also those who had left.
    pub async fn past_roster_page(
        &self,
        (tenant, environment): (&TenantId, Environment),
        everyone: bool,
        cut: Timestamp,
        before: &PastPage,
    ) -> Result<Option<PastPage>, DbError> {
        let (source, key) = before
            .last
            .as_ref()
            .map_or(("", ""), |(source, key)| (source, key));
        let rows = sqlx::query(
            "SELECT p.source, p.key, p.standing, p.fields, coalesce((
                 SELECT c.fields = '{}' FROM change c WHERE c.person = p.id AND c.kind = 'leaver' AND c.at < ?3 ORDER BY c.id DESC LIMIT 1), 0) AS absent,
                 (SELECT json_group_array(json_array(c.kind, json(c.fields), c.emptied, 0) ORDER BY c.id DESC) FROM change c
                  WHERE c.person = p.id AND c.at >= ?3) AS since
             FROM person p WHERE p.tenant = ?1 AND p.environment = ?2 AND (p.source, p.key) > (?4, ?5) ORDER BY p.source, p.key LIMIT ?6",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(stamp(cut))
        .bind(source)
        .bind(key)
        .bind(PAGE)
        .fetch_all(&self.reader)
        .await?;
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        let last = Some((last.try_get("source")?, last.try_get("key")?));
        let mut lines = Vec::new();
        for row in &rows {
            let (now, since) = (stored(row)?, since(row)?);
            let Some(then) = rewound(now, since.iter().map(|(event, _)| event))? else {
                continue;
            };
            let employed = then.employment == Employment::Employed;
            if employed || everyone && !then.fields.is_empty() {
                lines.push(Line {
                    source: row.try_get("source")?,
                    key: row.try_get("key")?,
                    employment: then.employment,
                    left_by_absence: !employed && row.try_get("absent")?,
                    fields: then.fields,
                });
            }
        }
        Ok(Some(PastPage { lines, last }))
    }

    /// When the last of the changes was made that have lost their values since: what was before it cannot be told any more.
    pub async fn emptied_through(
        &self,
        tenant: &TenantId,
        environment: Environment,
    ) -> Result<Option<Timestamp>, DbError> {
        let last: Option<String> = sqlx::query_scalar(
            "SELECT c.at FROM change c JOIN person p ON p.id = c.person WHERE c.emptied AND p.tenant = ?1 AND p.environment = ?2 ORDER BY c.at DESC LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .fetch_optional(&self.reader)
        .await?;
        last.map(|at| instant("change.at", &at)).transpose()
    }

    /// What the roster of a data source was changed by from just before `from` to just before `to`, person by person.
    pub async fn changes_between(
        &self,
        (tenant, environment, source): (&TenantId, Environment, &str),
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Change>, DbError> {
        let mut changes = Vec::new();
        let mut last: i64 = 0;
        loop {
            let rows = sqlx::query(
                "SELECT p.id, p.key, p.standing, p.fields,
                     (SELECT json_group_array(json_array(c.kind, json(c.fields), c.emptied, c.at >= ?5) ORDER BY c.id DESC) FROM change c
                      WHERE c.person = p.id AND c.at >= ?4) AS since
                 FROM person p WHERE p.id > ?6 AND p.id IN (
                     SELECT c.person FROM change c WHERE c.run IN (
                         SELECT id FROM import_run WHERE tenant = ?1 AND environment = ?2 AND source = ?3 AND finished_at >= ?4 AND finished_at < ?5))
                 ORDER BY p.id LIMIT ?7",
            )
            .bind(tenant.as_str())
            .bind(environment.as_str())
            .bind(source)
            .bind(stamp(from))
            .bind(stamp(to))
            .bind(last)
            .bind(PAGE)
            .fetch_all(&self.reader)
            .await?;
            let Some(row) = rows.last() else {
                return Ok(changes);
            };
            last = row.try_get("id")?;
            for row in &rows {
                let since = since(row)?;
                let events = |later: bool| {
                    let events = since.iter().filter(move |(_, it)| *it == later);
                    events.map(|(event, _)| event)
                };
                let after = rewound(stored(row)?, events(true))?;
                let before = match after.clone() {
                    Some(after) => rewound(after, events(false))?,
                    None => None,
                };
                if let Some((kind, fields)) = between(before.as_ref(), after.as_ref()) {
                    let known = after.or(before);
                    changes.push(Change {
                        kind,
                        employee_id: row.try_get("key")?,
                        name: known.and_then(|it| it.fields.name()),
                        fields: fields.masked(&Masking::default()),
                    });
                }
            }
        }
    }
}

/// A person as they are stored.
pub(super) fn stored(row: &SqliteRow) -> Result<State, DbError> {
    Ok(State {
        employment: Employment::parse(row.try_get("standing")?)
            .ok_or(DbError::Value { column: "standing" })?,
        fields: from_json::<Fields>("person.fields", row.try_get("fields")?)?,
    })
}

/// The changes since, the newest first, each with whether it is later than the later of two times.
fn since(row: &SqliteRow) -> Result<Vec<(Event, bool)>, DbError> {
    let since: Vec<Since> = from_json("change.fields", row.try_get("since")?)?;
    since
        .into_iter()
        .map(|(kind, fields, emptied, later)| {
            let event = Event {
                kind: ChangeKind::parse(&kind).ok_or(DbError::Value {
                    column: "change.kind",
                })?,
                emptied: emptied != 0 || fields.has_lost_values(),
                fields,
            };
            Ok((event, later != 0))
        })
        .collect()
}

fn rewound<'a>(
    now: State,
    since: impl Iterator<Item = &'a Event>,
) -> Result<Option<State>, DbError> {
    now.before(since).map_err(|_| DbError::Value {
        column: "change.fields",
    })
}
