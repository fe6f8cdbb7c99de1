//! `rosterd forget`: erases a person on request, says where, and says what it cannot reach. `--allow-return` takes that back for the files to come.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use clap::Args;

use super::who::who;
use super::{Ending, answer, complain, open_core};
use crate::config::Config;
use crate::daemon::Core;
use crate::db::{Erased, Erasing, Whereabouts};
use crate::intake::retention::erase_doomed;
use crate::mailbox::layout::ERRORS;
use crate::mailbox::{Mailbox, MailboxError, MailboxPath};
use crate::tenant::{Environment, TenantId};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The tenant's name.
    #[arg(long, short, value_name = "NAME")]
    tenant: String,
    /// The person's id, as the roster has it.
    #[arg(long, short, value_name = "ID")]
    person: String,
    /// production or sandbox; else both.
    #[arg(long, short, value_name = "NAME", value_parser = Environment::parse)]
    environment: Option<Environment>,
    /// The data source; needed where several know the id, because it may be somebody else's there.
    #[arg(long, short, value_name = "NAME")]
    source: Vec<String>,
    /// Let somebody who was erased return with the next file.
    #[arg(long)]
    allow_return: bool,
}

/// What is gone from one data source.
struct Gone {
    place: Whereabouts,
    erased: Erased,
    copies: usize,
    copies_later: u64,
    photos: usize,
}

pub(super) async fn run(config: Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let Some(tenant) = config.tenant(&arguments.tenant) else {
        complain(&format!(
            "rosterd: there is no tenant \"{}\"",
            arguments.tenant
        ));
        return Ok(Ending::Not);
    };
    let tenant = tenant.id.clone();
    let core = open_core(config).await?;
    let ending = if arguments.allow_return {
        allow_return(&core, &tenant, arguments).await
    } else {
        forget(&core, &tenant, arguments).await
    };
    core.db.close().await;
    ending
}

async fn forget(core: &Core, tenant: &TenantId, arguments: &Arguments) -> anyhow::Result<Ending> {
    let known = core.db.whereabouts(tenant, &arguments.person).await?;
    let meant: BTreeSet<_> = known
        .into_iter()
        .filter(|it| is_meant(arguments, it.environment, &it.source))
        .collect();
    if meant.is_empty() {
        complain(&format!(
            "rosterd: nobody of {tenant} has this id there: nothing was erased"
        ));
        return Ok(Ending::Not);
    }
    let sources: BTreeSet<&str> = meant.iter().map(|it| it.source.as_str()).collect();
    if sources.len() > 1 && arguments.source.is_empty() {
        let sources: Vec<_> = sources.into_iter().collect();
        complain(&format!(
            "rosterd: {} know this id, and it may be another person's in each: name whom you mean with --source, once for each",
            sources.join(" and ")
        ));
        return Ok(Ending::Not);
    }
    let who = who().to_string();
    let mut gone = Vec::new();
    for place in meant {
        let erasing = Erasing {
            tenant,
            environment: place.environment,
            source: &place.source,
            person: &arguments.person,
            who: &who,
        };
        // Before the row that names the photo goes.
        let photos = forget_photos(core, &erasing).await?;
        let erased = core.db.forget_person(&erasing).await?;
        let mut copies = 0;
        if let Some(mailbox) = core.mailboxes.mailbox(tenant, place.environment) {
            copies = erase_doomed(&mailbox, &core.db).await?;
        }
        let waiting = core.db.doomed_copies_waiting(tenant, place.environment);
        gone.push(Gone {
            copies_later: waiting.await?,
            erased,
            copies,
            photos,
            place,
        });
    }
    tracing::info!(tenant.id = %tenant, "a person was erased");
    answer(&told(tenant, &gone))?;
    Ok(Ending::Done)
}

fn is_meant(arguments: &Arguments, environment: Environment, source: &str) -> bool {
    let wanted = &arguments.source;
    arguments.environment.is_none_or(|it| it == environment)
        && (wanted.is_empty() || wanted.iter().any(|it| it == source))
}

async fn allow_return(
    core: &Core,
    tenant: &TenantId,
    arguments: &Arguments,
) -> anyhow::Result<Ending> {
    let who = who().to_string();
    let mut places = Vec::new();
    let configured = core.config.tenant(tenant.as_str());
    let known = core.db.erasures(tenant).await?;
    let erased = known.into_iter().map(|it| (it.environment, it.source));
    let there = configured.iter().flat_map(|tenant| {
        let environments = Environment::ALL.into_iter();
        environments.flat_map(|it| tenant.sources_in(it).map(move |s| (it, s.name.clone())))
    });
    let places_known: BTreeSet<_> = erased.chain(there).collect();
    for (environment, source) in places_known {
        if !is_meant(arguments, environment, &source) {
            continue;
        }
        let erasing = Erasing {
            tenant,
            environment,
            source: &source,
            person: &arguments.person,
            who: &who,
        };
        if core.db.allow_return(&erasing).await? {
            places.push(format!("{source} ({environment})"));
        }
    }
    if places.is_empty() {
        complain(&format!(
            "rosterd: nobody with this id was erased from {tenant} there"
        ));
        return Ok(Ending::Not);
    }
    answer(&format!(
        "Whoever has this id may return to {}: the next file that has them makes them a joiner.\n",
        places.join(" and ")
    ))?;
    Ok(Ending::Done)
}

/// Removes the photos of a person, the ones that they were brought to, and reports that name them. Says how many photos that were.
async fn forget_photos(core: &Core, erasing: &Erasing<'_>) -> anyhow::Result<usize> {
    let (tenant, environment) = (erasing.tenant, erasing.environment);
    let Some(mailbox) = core.mailboxes.mailbox(tenant, environment) else {
        return Ok(0);
    };
    let named = core.db.photo_file_of(erasing).await?;
    let photos = core.db.photos(tenant, environment).await?;
    let (theirs, _): (Vec<_>, Vec<_>) = photos
        .into_iter()
        .partition(|photo| is_of(&photo.path, erasing.person, named.as_deref()));
    if theirs.is_empty() {
        return Ok(0);
    }
    let paths: Vec<String> = theirs.iter().map(|photo| photo.path.clone()).collect();
    tokio::task::spawn_blocking(move || -> Result<(), MailboxError> {
        for photo in &theirs {
            let path = MailboxPath::resolve(&MailboxPath::root(), photo.path.as_bytes());
            if let Ok(path) = path {
                if_there(mailbox.remove_file(&path))?;
            }
            if let Some(conformed) = &photo.conformed {
                let lying = mailbox.layout().photos.join(conformed);
                if_there(std::fs::remove_file(lying).map_err(MailboxError::from))?;
            }
        }
        remove_photo_reports(&mailbox)
    })
    .await??;
    core.db.forget_photos(tenant, environment, &paths).await?;
    Ok(paths.len())
}

/// Whether a photo's file is the one that the person's row names, or has the person's id as its name.
fn is_of(path: &str, person: &str, named: Option<&str>) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
    same(stem, person) || named.is_some_and(|named| same(name, named))
}

fn remove_photo_reports(mailbox: &Arc<Mailbox>) -> Result<(), MailboxError> {
    let Ok(folder) = MailboxPath::root().join(ERRORS) else {
        return Ok(());
    };
    for entry in mailbox.list(&folder)? {
        let is_report = [".photos.csv", ".photos.json"]
            .iter()
            .any(|ending| entry.name.ends_with(ending));
        if is_report && let Ok(path) = folder.join(&entry.name) {
            if_there(mailbox.remove_file(&path))?;
        }
    }
    Ok(())
}

fn if_there(removed: Result<(), MailboxError>) -> Result<(), MailboxError> {
    match removed {
        Err(MailboxError::NotFound) => Ok(()),
        done => done,
    }
}

fn told(tenant: &TenantId, gone: &[Gone]) -> String {
    let mut text = String::new();
    for it in gone {
        let Gone {
            place,
            erased,
            copies,
            copies_later,
            photos,
        } = it;
        let lines = [
            format!(
                "Erased from {} of {tenant}/{}:",
                place.source, place.environment
            ),
            format!(
                "  roster    {}",
                match erased.people {
                    0 => "nobody had the id there",
                    _ => "the person, with all fields",
                }
            ),
            format!("  history   {}", counted(erased.changes, "change")),
            format!(
                "  runs      {} that a run would have made, {} that named the id",
                counted(erased.held_changes, "change"),
                counted(erased.sentences, "sentence")
            ),
            format!("  photos    {}", counted(*photos as u64, "photo")),
            format!(
                "  archive   {} of files that may have held the person, and the files in /errors about them",
                counted(*copies as u64, "copy")
            ),
        ];
        for line in lines {
            writeln!(text, "{line}").unwrap_or_default();
        }
        if *copies_later > 0 {
            writeln!(
                text,
                "  later     {} that a run still needs: removed within an hour after it is over",
                counted(*copies_later, "copy")
            )
            .unwrap_or_default();
        }
    }
    text.push_str(
        "\nNot reached:\n\
         \x20 backups that were made before; the sender's own files, the one that lies in /data among them; what other systems have taken from here;\n\
         \x20 and where other people's rows name the person as their manager.\n\
         Files that still have the person are imported without them, with a note in the error file, until `rosterd forget --allow-return`.\n\
         Have the person taken out of the export: until then every new file in the archive holds them again.\n",
    );
    text
}

fn counted(count: u64, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (count, Some(stem)) => format!("{count} {stem}ies"),
        (count, None) => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_a_persons_by_its_name_or_by_the_row() {
        assert!(is_of("/images/east/e1.JPG", "E1", None));
        assert!(is_of("/images/Ada.jpg", "E1", Some("ada.jpg")));
        assert!(!is_of("/images/E12.jpg", "E1", Some("ada.jpg")));
    }

    #[test]
    fn what_was_erased_and_what_was_not_reached_is_said() {
        let gone = [Gone {
            place: Whereabouts {
                environment: Environment::Production,
                source: "employees".to_owned(),
            },
            erased: Erased {
                people: 1,
                changes: 3,
                held_changes: 0,
                sentences: 1,
            },
            copies: 1,
            copies_later: 2,
            photos: 0,
        }];
        insta::assert_snapshot!(told(&TenantId::parse("acme").unwrap(), &gone));
    }
}
