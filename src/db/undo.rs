//! The transaction that takes an applied run back: a run of its own, by which everybody is again what they were before.

use std::borrow::Cow;

use sqlx::{Row as _, SqliteConnection};

use super::change::NewChange;
use super::run::OwnRun;
use super::{Db, DbError, change, due_change, from_json, paused, person, roster_version, run};
use crate::report::run::{Outcome, RunKind};
use crate::roster::diff::Counts;
use crate::roster::history::{Event, Gap, State, undo};
use crate::roster::person::{ChangeKind, Employment, FieldChanges, RowHash, RowHashes};
use crate::roster::plan::Revised;

/// Changes that are taken back by one statement.
const PAGE: i64 = 500;
/// People who are named that cannot be restored.
const NAMED: usize = 20;

/// How much of a run is to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All of it, or nothing.
    Whole,
    /// Whatever can be.
    Rest,
}

/// What taking a run back came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undoing {
    /// By this new run.
    Done {
        run: String,
        obstacles: Obstacles,
    },
    /// Nothing was changed.
    Obstructed(Obstacles),
    /// Only an applied run has something to be taken back; this is what it is.
    NotApplied(Outcome),
    Unknown,
}

/// Who cannot be restored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Obstacles {
    pub people: u64,
    /// Whom the run had changed, these among them.
    pub of: u64,
    /// The first of them, with the reason.
    pub named: Vec<(String, Obstacle)>,
}

/// Why somebody cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// This later run has changed them again.
    Since {
        run: String,
        kind: RunKind,
    },
    Gap(Gap),
}

impl Db {
    /// Takes an applied run back, and pauses its data source, so that the same file does not do it again.
    pub async fn undo_run(
        &self,
        id: &str,
        reach: Reach,
        asked_by: &str,
    ) -> Result<Undoing, DbError> {
        let now = self.now();
        let mut transaction = self.begin().await?;
        let Some(undone) = run::find(&mut transaction, id).await? else {
            return Ok(Undoing::Unknown);
        };
        let Some(id) = undone.id.filter(|_| undone.outcome == Outcome::Applied) else {
            return Ok(Undoing::NotApplied(undone.outcome));
        };
        let (tenant, environment, source) = (&undone.tenant, undone.environment, &*undone.source);
        let version =
            roster_version::version(&mut transaction, tenant, environment, source).await?;
        let own = OwnRun {
            kind: RunKind::Undo,
            tenant,
            environment,
            source,
            about: Some(&id),
            asked_by: Some(asked_by),
            outcome: Outcome::Applied,
            reason: None,
            roster_version: version,
            counts: Counts::default(),
        };
        // People and changes name it; what it comes to is counted as they are written.
        let new = run::record(&mut transaction, now, &own).await?;
        let mut counts = Counts::default();
        let mut obstacles = Obstacles::default();
        let mut last = 0;
        loop {
            let page = page(&mut transaction, &id, last).await?;
            let Some(line) = page.last() else { break };
            last = line.change;
            obstacles.of += page.len() as u64;
            let mut revised = Vec::new();
            for line in page {
                match line.undo() {
                    Ok(person) => {
                        counts.count(person.kind);
                        revised.push(person);
                    }
                    Err((key, why)) => obstacles.note(key, why),
                }
            }
            person::revise(&mut transaction, &new, &revised).await?;
            // An end that only the undone file has told must not come. One that was told before is told again by the next row, which is compared.
            let people: Vec<i64> = revised.iter().map(|revised| revised.person).collect();
            due_change::forget(&mut transaction, &people).await?;
            let changes = revised.iter().map(|revised| NewChange {
                person: revised.person,
                kind: revised.kind,
                fields: Cow::Borrowed(&revised.changes),
            });
            change::write(&mut transaction, &new, now, changes).await?;
        }
        let is_obstructed = obstacles.people > 0 && reach == Reach::Whole;
        if is_obstructed || obstacles.people == obstacles.of {
            transaction.rollback().await?;
            return Ok(Undoing::Obstructed(obstacles));
        }
        run::count_people(&mut transaction, &new, counts).await?;
        roster_version::advance(&mut transaction, tenant, environment, source, version).await?;
        let owner = (tenant, environment, source);
        paused::begin(&mut transaction, owner, now, asked_by, Some(&id)).await?;
        transaction.commit().await?;
        Ok(Undoing::Done {
            run: new,
            obstacles,
        })
    }
}

impl Obstacles {
    fn note(&mut self, key: String, why: Obstacle) {
        self.people += 1;
        if self.named.len() < NAMED {
            self.named.push((key, why));
        }
    }
}

/// One change of the run, and its person as they are now.
struct Line {
    change: i64,
    person: i64,
    key: String,
    event: Event,
    now: State,
    /// The next run that has changed the person.
    since: Option<(String, RunKind)>,
}

impl Line {
    fn undo(self) -> Result<Revised, (String, Obstacle)> {
        if let Some((run, kind)) = self.since {
            return Err((self.key, Obstacle::Since { run, kind }));
        }
        match undo(&self.now, &self.event) {
            Ok((kind, changes, before)) => Ok(Revised {
                person: self.person,
                key: self.key.into(),
                kind,
                changes,
                fields: before.fields,
                // No row has said so: the next one is compared with what is stored, whatever it reads like.
                hashes: RowHashes {
                    said: RowHash::default(),
                    verbatim: None,
                },
            }),
            Err(gap) => Err((self.key, Obstacle::Gap(gap))),
        }
    }
}

async fn page(
    connection: &mut SqliteConnection,
    run: &str,
    after: i64,
) -> Result<Vec<Line>, DbError> {
    let rows = sqlx::query(
        "SELECT c.id, c.person, c.kind, c.fields, c.emptied, p.key, p.standing, p.fields AS stored, l.run AS later, r.kind AS later_kind
         FROM change c JOIN person p ON p.id = c.person
         LEFT JOIN change l ON l.id = (SELECT min(n.id) FROM change n WHERE n.person = c.person AND n.id > c.id)
         LEFT JOIN import_run r ON r.id = l.run
         WHERE c.run = ?1 AND c.id > ?2 ORDER BY c.id LIMIT ?3",
    )
    .bind(run)
    .bind(after)
    .bind(PAGE)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let kind = |column| DbError::Value { column };
            let later: Option<(String, &str)> = row
                .try_get::<Option<String>, _>("later")?
                .zip(row.try_get("later_kind")?);
            let fields: FieldChanges = from_json("change.fields", row.try_get("fields")?)?;
            let is_emptied: bool = row.try_get("emptied")?;
            Ok(Line {
                change: row.try_get("id")?,
                person: row.try_get("person")?,
                key: row.try_get("key")?,
                event: Event {
                    kind: ChangeKind::parse(row.try_get("kind")?).ok_or(kind("change.kind"))?,
                    emptied: is_emptied || fields.has_lost_values(),
                    fields,
                },
                now: State {
                    employment: Employment::parse(row.try_get("standing")?)
                        .ok_or(kind("standing"))?,
                    fields: from_json("person.fields", row.try_get("stored")?)?,
                },
                since: match later {
                    Some((run, word)) => Some((run, RunKind::parse(word).ok_or(kind("kind"))?)),
                    None => None,
                },
            })
        })
        .collect()
}
