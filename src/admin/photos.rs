//! `rosterd photos`: whose photo is which now; or, with files, what would be said about them. Changes nothing.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::audit::Noted;
use super::{Ending, Place, answer, complain, json, open_db};
use crate::config::{Config, Tenant};
use crate::daemon::this_program;
use crate::db::{Db, StoredPhoto};
use crate::import::reader::{PhotoReader, Reader};
use crate::mailbox::layout::Layout;
use crate::parse::finding::{Finding, code};
use crate::parse::photo::{Examined, MOST_BYTES, too_many_bytes};
use crate::photos::present::Present;
use crate::report::photo_listing::report_text;
use crate::report::photos::PhotoReport;
use crate::telemetry;
use crate::tenant::{Environment, is_photo_name};

/// Folders within folders that are looked into.
const DEPTH_LIMIT: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Look at these photos, or folders of photos, instead of the mailbox, and say what the tenant would be told of them.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let Some(tenant) = config.tenant(&arguments.place.tenant) else {
        complain(&format!(
            "rosterd: there is no tenant \"{}\"",
            arguments.place.tenant
        ));
        return Ok(Ending::Not);
    };
    telemetry::log_problems_to_stderr();
    if arguments.files.is_empty() {
        return list(config, tenant, arguments).await;
    }
    let db = open_db(config).await?;
    let people = db
        .portrayed_people(&tenant.id, arguments.place.environment)
        .await?;
    db.close().await;
    let Some(files) = listed(&arguments.files, tenant) else {
        return Ok(Ending::Not);
    };
    let reader = Reader::new(this_program()?, config.limits.reading());
    let mut reader = reader.of_photos(tenant.photos.wish);
    let mut report = PhotoReport::of_files(tenant.id.clone(), arguments.place.environment);
    let mut photos = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let examined = match examine(&mut reader, &file).await {
            Ok(examined) => examined,
            Err(error) => {
                complain(&format!("rosterd: cannot look at {name}: {error:#}"));
                return Ok(Ending::Not);
            }
        };
        photos.extend(examined.is_taken().then(|| tried(&name)));
        report.photo(&name, examined.findings);
    }
    Present::matched(photos, people).tell(&mut report);
    report.close();
    answer(&if arguments.json {
        String::from_utf8(report.json())?
    } else {
        report_text(&report)
    })?;
    Ok(if report.counts.refused == 0 {
        Ending::Done
    } else {
        Ending::Not
    })
}

async fn list(config: &Config, tenant: &Tenant, arguments: &Arguments) -> anyhow::Result<Ending> {
    let environment = arguments.place.environment;
    let layout = Layout::new(&config.server.state_dir, &tenant.id, environment);
    let db = open_db(config).await?;
    let waiting = waiting(&db, tenant, environment).await?;
    let present = Present::load(&db, &layout, &tenant.id, environment).await?;
    let people = present.people.len() as u64;
    let place = (&tenant.id, environment);
    let noted = Noted::begin(config, &db, "photos", place, "whose photo is which").await?;
    noted.end(people).await?;
    db.close().await;
    let gallery = std::path::absolute(&layout.photos)?;
    let listing = present.listing((&tenant.id, environment), waiting, &gallery);
    answer(&if arguments.json {
        json(&listing)?
    } else {
        listing.text()
    })?;
    Ok(Ending::Done)
}

/// How many photos came that were not looked at yet.
async fn waiting(db: &Db, tenant: &Tenant, environment: Environment) -> anyhow::Result<u64> {
    let progress = db.photo_progress(&tenant.id, environment).await?;
    Ok(db
        .photos_waiting(&tenant.id, environment, progress.examined_seq)
        .await?)
}

async fn examine(reader: &mut PhotoReader, file: &Path) -> anyhow::Result<Examined> {
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if !is_photo_name(&name) {
        return Ok(Examined {
            photo: None,
            findings: vec![Finding::file(
                code::PHOTO_EXTENSION,
                "A file of this name is not taken as a photo, whatever is in it.",
                "Let its name end with .jpg, .jpeg, .png or .bmp; a picture of another kind must be saved as JPEG for that.",
            )],
            conformed: None,
        });
    }
    let mut opened = File::open(file)?;
    let length = opened.metadata()?.len();
    let mut bytes = Vec::new();
    (&mut opened)
        .take(MOST_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() > MOST_BYTES {
        return Ok(too_many_bytes(length));
    }
    Ok(reader.examine(&name, &bytes).await?)
}

/// As one that lies in the mailbox.
fn tried(name: &str) -> StoredPhoto {
    StoredPhoto {
        path: name.to_owned(),
        is_taken: true,
        ..StoredPhoto::default()
    }
}

/// All files that are named, and those in folders that are named; none if one cannot be read, which is said.
fn listed(named: &[PathBuf], tenant: &Tenant) -> Option<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if let Err(error) = walk(path, tenant, 0, &mut files) {
            complain(&format!("rosterd: cannot read {}: {error}", path.display()));
            return None;
        }
    }
    Some(files)
}

/// What the mailbox throws away or takes for unfinished is left out of folders.
fn walk(path: &Path, tenant: &Tenant, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut patterns = tenant.ignore_names.iter().chain(&tenant.temporary_names);
        let is_link = entry.file_type()?.is_symlink();
        if !is_link && depth < DEPTH_LIMIT && !patterns.any(|it| it.matches(&name)) {
            walk(&entry.path(), tenant, depth + 1, files)?;
        }
    }
    Ok(())
}
