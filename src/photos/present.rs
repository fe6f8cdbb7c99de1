//! Which photos lie in a mailbox now, and whose they are: all of them, held against everybody who is employed.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::Path;

use super::gallery::Gallery;
use super::{Photos, PhotosError, blocking};
use crate::db::{Db, Portrayed, StoredPhoto};
use crate::mailbox::layout::Layout;
use crate::mailbox::{Folder, Kind, Mailbox, MailboxError};
use crate::parse::photo::matching::{Matches, Person, match_photos};
use crate::report::photo_listing::{Listing, Shown};
use crate::report::photos::PhotoReport;
use crate::tenant::{Environment, TenantId};

/// Photos and people, matched.
#[derive(Debug, Default)]
pub struct Present {
    pub photos: Vec<StoredPhoto>,
    /// Those that were looked at and are not there any more.
    pub gone: Vec<StoredPhoto>,
    pub people: Vec<Portrayed>,
    /// Of the roster that the people are from.
    pub roster: i64,
    /// Of the photos that were taken.
    matches: Matches,
}

impl Present {
    /// What the database knows and the mailbox has.
    pub async fn load(
        db: &Db,
        layout: &Layout,
        tenant: &TenantId,
        environment: Environment,
    ) -> Result<Self, PhotosError> {
        let photos = db.photos(tenant, environment).await?;
        // Before the people: what is applied after that is noticed the next time.
        let roster = db.whole_roster_version(tenant, environment).await?;
        let people = db.portrayed_people(tenant, environment).await?;
        let mailbox = layout.mailbox.clone();
        blocking(move || {
            let (photos, gone) = there_and_gone(&mailbox, photos)?;
            let present = Self::matched(photos, people);
            Ok(Self {
                gone,
                roster,
                ..present
            })
        })
        .await
    }

    /// These photos and these people.
    pub fn matched(photos: Vec<StoredPhoto>, people: Vec<Portrayed>) -> Self {
        let mut present = Self {
            photos,
            people,
            ..Self::default()
        };
        present.matches = match_photos(&present.persons(), &present.names());
        present
    }

    /// Puts into `report` whose the photos are.
    pub fn tell(&self, report: &mut PhotoReport) {
        if self.people.is_empty() {
            report.nobody_is_employed(self.names().len());
        } else {
            report.matches(&self.matches, &self.persons(), &self.names());
        }
    }

    /// Everything as a document; `conformed` is where pictures lie that photos were brought to.
    pub fn listing(
        &self,
        (tenant, environment): (&TenantId, Environment),
        waiting: u64,
        conformed: &Path,
    ) -> Listing {
        let taken: Vec<_> = self.taken().collect();
        let photos: Vec<Shown<'_>> = taken
            .iter()
            .map(|photo| Shown {
                path: &photo.path,
                conformed: photo
                    .conformed
                    .as_ref()
                    .map(|name| conformed.join(name).display().to_string()),
            })
            .collect();
        let refused = self.photos.iter().filter(|photo| !photo.is_taken);
        let refused: Vec<_> = refused
            .map(|photo| (photo.path.as_str(), photo.findings.as_slice()))
            .collect();
        Listing::new(
            (tenant, environment),
            &self.matches,
            &self.persons(),
            &photos,
            &refused,
            waiting,
        )
    }

    fn taken(&self) -> impl Iterator<Item = &StoredPhoto> {
        self.photos.iter().filter(|photo| photo.is_taken)
    }

    fn names(&self) -> Vec<&str> {
        self.taken().map(|photo| photo.path.as_str()).collect()
    }

    fn persons(&self) -> Vec<Person<'_>> {
        let people = self.people.iter();
        people
            .map(|it| Person {
                employee_id: &it.employee_id,
                photo_file: it.photo_file.as_deref(),
            })
            .collect()
    }
}

impl Photos {
    /// Forgets photos that are gone, and sees to it that there is a picture in the gallery for each that was brought to one, and no other.
    pub(super) async fn tidy(
        &self,
        mailbox: &Mailbox,
        gallery: &Gallery,
    ) -> Result<(), PhotosError> {
        let (tenant, environment) = (mailbox.tenant(), mailbox.environment());
        let photos = self.db.photos(tenant, environment).await?;
        let root = mailbox.layout().mailbox.clone();
        let (photos, gone) = blocking(move || there_and_gone(&root, photos)).await?;
        self.forget(mailbox, gallery, &gone).await?;
        let wanted: BTreeSet<_> = photos.into_iter().filter_map(|it| it.conformed).collect();
        let gallery = gallery.clone();
        let missing = blocking(move || gallery.tidy(wanted)).await?;
        if !missing.is_empty() {
            self.db
                .forget_conformed(tenant, environment, &missing)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn forget(
        &self,
        mailbox: &Mailbox,
        gallery: &Gallery,
        gone: &[StoredPhoto],
    ) -> Result<(), PhotosError> {
        if gone.is_empty() {
            return Ok(());
        }
        let paths: Vec<_> = gone.iter().map(|photo| photo.path.clone()).collect();
        self.db
            .store_photos(mailbox.tenant(), mailbox.environment(), &[], &paths, 0)
            .await?;
        let discarded: Vec<_> = gone.iter().filter_map(|it| it.conformed.clone()).collect();
        let gallery = gallery.clone();
        blocking(move || gallery.discard(&discarded)).await
    }
}

/// Parts photos that lie in the mailbox from those that are not there any more. A mailbox that cannot be read loses none.
fn there_and_gone(
    mailbox: &Path,
    photos: Vec<StoredPhoto>,
) -> io::Result<(Vec<StoredPhoto>, Vec<StoredPhoto>)> {
    if photos.is_empty() {
        return Ok((photos, Vec::new()));
    }
    let root = Folder::open(mailbox)?;
    let mut folders: HashMap<String, Option<Folder>> = HashMap::new();
    let (mut there, mut gone) = (Vec::new(), Vec::new());
    for photo in photos {
        let (folder, name) = photo.path.rsplit_once('/').unwrap_or(("", &photo.path));
        if !folders.contains_key(folder) {
            let names: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
            folders.insert(folder.to_owned(), if_there(root.folder(&names))?);
        }
        let stat = match folders.get(folder) {
            Some(Some(folder)) => if_there(folder.stat(name))?,
            _ => None,
        };
        if stat.is_some_and(|stat| stat.kind == Kind::File) {
            there.push(photo);
        } else {
            gone.push(photo);
        }
    }
    Ok((there, gone))
}

fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found.map_err(MailboxError::from) {
        Ok(found) => Ok(Some(found)),
        Err(MailboxError::Io(error)) => Err(error),
        Err(_) => Ok(None),
    }
}
