//! Managers, looked for in the whole roster of the tenant's environment once every row was told.
//!
//! Only rows that may have changed are looked at, and from them upwards as far as it goes: a ring that is new goes through one of them. The people of
//! whom nothing is found are compared again the next night, so that they are told of until somebody mends it.

use std::collections::{BTreeSet, HashMap};

use super::examine::Task;
use crate::db::DbError;
use crate::import::Importer;
use crate::parse::check::columns::MappedColumns;
use crate::parse::field::Field;
use crate::report::findings::Findings;
use crate::roster::diff::Candidate;
use crate::roster::links::{Claim, Links, Superior};
use crate::roster::person::{ChangeKind, Employment};
use crate::roster::plan::Plan;
use crate::tenant::UnknownManagers;

/// People asked for at once.
const BATCH: usize = 1_000;
/// Levels of managers that are asked for one by one; then everybody is.
const LEVELS: usize = 24;
/// People whose rows are compared again the next night, although they say what they said.
const TOLD_AGAIN: usize = 1_000;

/// The links of a file's rows, in the order of their rows.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_id: Vec<Claim>,
    /// With an address for a manager, because the row has nothing else.
    by_email: Vec<Claim>,
    /// Keys of those who have one in a row of the file.
    addresses: HashMap<String, Box<str>>,
}

impl Claims {
    /// Takes the link of a row whose person is employed. A file without these columns leaves links alone.
    pub(super) fn take(&mut self, candidate: &Candidate) {
        let value = |field| candidate.fields.value(field);
        let claim = |manager: &str| Claim {
            key: candidate.key.clone(),
            row: candidate.row(),
            manager: manager.into(),
        };
        match (value(Field::ManagerId), value(Field::ManagerEmail)) {
            (None, None) => return,
            (None | Some(""), Some(email)) if !email.is_empty() => {
                self.by_email.push(claim(&email.to_lowercase()));
            }
            (id, _) => self.by_id.push(claim(id.unwrap_or_default())),
        }
        if let Some(email) = value(Field::WorkEmail).filter(|it| !it.is_empty()) {
            self.addresses
                .insert(email.to_lowercase(), candidate.key.clone());
        }
    }
}

impl Importer {
    /// Tells what is wrong with the managers of these rows, and of those who leave.
    pub(super) async fn link(
        &self,
        task: Task<'_>,
        columns: Option<&MappedColumns>,
        claims: Claims,
        plan: &mut Plan,
        findings: &mut Findings,
    ) -> Result<(), DbError> {
        let Claims {
            by_id,
            by_email,
            mut addresses,
        } = claims;
        let header = |field| {
            let mut columns = columns.iter().flat_map(|it| &it.columns);
            let column = columns.find(|column| column.field() == Some(field))?;
            Some(column.header.clone())
        };
        let column = header(Field::ManagerId).or_else(|| header(Field::ManagerEmail));
        let mut links = Links::in_column(column);
        let mut leavers: Vec<Box<str>> = plan.absent.iter().map(|(key, _)| key.clone()).collect();
        let revised = plan.revised.iter();
        leavers.extend(
            revised
                .filter(|it| it.kind == ChangeKind::Leaver)
                .map(|it| it.key.clone()),
        );
        for key in &leavers {
            links.leaves(key);
        }
        for claim in by_id {
            links.claim(claim);
        }
        let everybody = if by_email.is_empty() {
            false
        } else {
            self.learn_all(task, &mut links, &mut addresses, by_email)
                .await?;
            true
        };
        let mut wanted = links.unknown();
        for level in 0.. {
            if wanted.is_empty() || everybody {
                break;
            }
            if level == LEVELS {
                self.learn_all(task, &mut links, &mut addresses, Vec::new())
                    .await?;
                break;
            }
            wanted = self.learn(task, &mut links, &wanted).await?;
        }
        if task.source.unknown_managers == UnknownManagers::Stubs {
            let forgotten = self
                .db
                .forgotten(task.tenant, task.environment, &task.source.name)
                .await?;
            for key in links.stubs(|finding| findings.push(finding)) {
                // Whoever was erased does not come back because somebody names them.
                if !forgotten.as_ref().is_some_and(|it| it.has(&key)) {
                    plan.stub(key);
                }
            }
        }
        let told = links.judge(|finding| findings.push(finding));
        let mut loose: Vec<Box<str>> = told.into_iter().map(Box::from).collect();
        for batch in leavers.chunks(BATCH) {
            let below = self
                .db
                .people_below(task.tenant, task.environment, batch)
                .await?;
            for (manager, mut people) in below {
                // The file says of these itself whom they have now.
                people.retain(|key| !links.is_told(key));
                findings.extend(links.left_behind(&manager, &people));
                loose.extend(people.into_iter().map(Box::from));
            }
        }
        loose.truncate(TOLD_AGAIN);
        plan.loose = loose;
        Ok(())
    }

    /// Asks for people, and says who is above them and unknown.
    async fn learn(
        &self,
        task: Task<'_>,
        links: &mut Links,
        wanted: &BTreeSet<Box<str>>,
    ) -> Result<BTreeSet<Box<str>>, DbError> {
        let mut next = BTreeSet::new();
        let keys: Vec<&str> = wanted.iter().map(|key| &**key).collect();
        for batch in keys.chunks(BATCH) {
            let found = self
                .db
                .superiors(task.tenant, task.environment, batch)
                .await?;
            for (key, superior) in found {
                next.extend(links.learn(&key, superior));
            }
        }
        Ok(next)
    }

    /// Asks for everybody: where managers are told by their addresses, or the ranks are many.
    async fn learn_all(
        &self,
        task: Task<'_>,
        links: &mut Links,
        addresses: &mut HashMap<String, Box<str>>,
        by_email: Vec<Claim>,
    ) -> Result<(), DbError> {
        let people = self.db.all_links(task.tenant, task.environment).await?;
        for person in &people {
            if let Some(email) = &person.work_email
                && person.employment == Employment::Employed
            {
                let key = person.key.as_str().into();
                addresses.entry(email.to_lowercase()).or_insert(key);
            }
        }
        let at = |email: &str| match addresses.get(email) {
            Some(key) => key.clone(),
            // An address is no id, so nobody has it for a key.
            None => email.into(),
        };
        for claim in by_email {
            links.claim(Claim {
                manager: at(&claim.manager),
                ..claim
            });
        }
        for person in people {
            let manager = match (person.manager_id, person.manager_email) {
                (Some(id), _) => id.into(),
                (None, Some(email)) => at(&email.to_lowercase()),
                (None, None) => Box::default(),
            };
            let superior = Superior {
                employment: person.employment,
                manager,
            };
            links.learn(&person.key, superior);
        }
        Ok(())
    }
}
