//! Looks at people's data that were noted while the database took nothing: lines of a file, which the next command enters into the table.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::db::{Db, Looking};
use crate::tenant::{Environment, TenantId};

/// The file; those that begin so and go on are being entered.
const NAME: &str = "audit.pending";

/// Where they lie.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    folder: PathBuf,
}

/// That a look has begun, or how many people it has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingLine {
    id: String,
    look: Option<Look>,
    people: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Look {
    at: String,
    uid: u32,
    who: String,
    command: String,
    tenant: Option<String>,
    environment: Option<String>,
    what: String,
}

impl PendingLine {
    pub(super) fn of(id: &str, looking: &Looking<'_>) -> Self {
        Self {
            id: id.to_owned(),
            look: Some(Look {
                at: looking.at.to_string(),
                uid: looking.uid,
                who: looking.who.to_owned(),
                command: looking.command.to_owned(),
                tenant: looking.place.map(|(tenant, _)| tenant.to_string()),
                environment: looking.place.map(|(_, it)| it.to_string()),
                what: looking.what.to_owned(),
            }),
            people: None,
        }
    }

    pub(super) fn ended(id: &str, people: u64) -> Self {
        Self {
            id: id.to_owned(),
            look: None,
            people: Some(people),
        }
    }
}

impl Pending {
    pub(super) fn in_folder(state_dir: &Path) -> Self {
        Self {
            folder: state_dir.to_owned(),
        }
    }

    /// Adds a line, which survives a power loss when this returns.
    pub(super) fn note(&self, line: &PendingLine) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.folder.join(NAME))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// Enters all of them into the table. What a crash leaves half done is entered again.
    pub(super) async fn enter(&self, db: &Db) -> anyhow::Result<()> {
        let fresh = self.folder.join(NAME);
        if fresh.try_exists()? {
            let taken = format!("{NAME}.{}", uuid::Uuid::now_v7());
            fs::rename(&fresh, self.folder.join(taken))?;
        }
        if !self.folder.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let is_taken = entry.file_name().to_str().is_some_and(|name| {
                name.strip_prefix(NAME)
                    .is_some_and(|it| it.starts_with('.'))
            });
            if !is_taken {
                continue;
            }
            for (look, people) in lines(&fs::read_to_string(entry.path())?) {
                let tenant = look.tenant.as_deref().map(TenantId::parse).transpose()?;
                let environment = look.environment.as_deref().map(Environment::parse);
                let looking = Looking {
                    at: look.at.parse()?,
                    uid: look.uid,
                    who: &look.who,
                    command: &look.command,
                    place: tenant.as_ref().zip(environment.transpose()?),
                    what: &look.what,
                };
                let id = db.begin_view(&looking).await?;
                if let Some(people) = people {
                    db.end_view(id, people).await?;
                }
            }
            fs::remove_file(entry.path())?;
        }
        Ok(())
    }
}

/// The looks in their order. A line that a power loss has cut is of none.
fn lines(text: &str) -> Vec<(Look, Option<u64>)> {
    let mut looks: BTreeMap<String, (Look, Option<u64>)> = BTreeMap::new();
    for line in text.lines() {
        let Ok(line) = serde_json::from_str::<PendingLine>(line) else {
            continue;
        };
        if let Some(look) = line.look {
            looks.insert(line.id, (look, None));
        } else if let Some((_, people)) = looks.get_mut(&line.id) {
            *people = line.people;
        }
    }
    looks.into_values().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn looks_that_were_noted_aside_stand_in_the_table_afterwards_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rosterd.db");
        let db = Db::open(&path, Arc::new(crate::clock::SystemClock));
        let db = db.await.unwrap();
        let acme = TenantId::parse("acme").unwrap();
        let looking = Looking {
            at: "2026-11-22T02:00:00.5Z".parse().unwrap(),
            uid: 7,
            who: "ann (7)",
            command: "roster",
            place: Some((&acme, Environment::Sandbox)),
            what: "who is employed",
        };
        let pending = Pending::in_folder(folder.path());
        pending.note(&PendingLine::of("1", &looking)).unwrap();
        pending.note(&PendingLine::of("2", &looking)).unwrap();
        pending.note(&PendingLine::ended("1", 12)).unwrap();
        let file = folder.path().join(NAME);
        let cut = OpenOptions::new().append(true).open(&file).unwrap();
        { cut }.write_all(b"{\"id\":\"3\",\"lo").unwrap();
        for _ in 0..2 {
            pending.enter(&db).await.unwrap();
            let views = db.views(Some(&acme), 9).await.unwrap();
            let told: Vec<_> = views.iter().map(|it| (it.at, it.people)).collect();
            assert_eq!(told, [(looking.at, None), (looking.at, Some(12))]);
        }
        assert!(!file.try_exists().unwrap());
    }
}
