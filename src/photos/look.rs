//! Looking at photos: what is new in a mailbox, and what was looked at when the tenant wanted something else to be done with it.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read as _};
use std::sync::Arc;

use tokio::time::Instant;

use super::gallery::Gallery;
use super::{BREATH, Name, Photos, PhotosError, blocking, name};
use crate::content::Content;
use crate::db::{Db, PhotoDelivery, StoredPhoto};
use crate::import::reader::{PhotoReader, ReaderError};
use crate::mailbox::{Mailbox, MailboxError, MailboxPath};
use crate::parse::finding::Severity;
use crate::parse::photo::{Examined, MOST_BYTES, Wish, too_many_bytes};
use crate::telemetry::{self, PhotoOutcome};

/// Photos of one mailbox that are looked at before others have their turn.
pub(super) const PORTION: u32 = 200;
/// Photos that are stored together at most.
const TOGETHER: usize = 20;
/// How often a photo whose child ends by a fault of ours, as it seems, is tried.
const TRIES: u32 = 3;

/// The photos of one mailbox are being looked at.
pub(super) struct Look {
    db: Db,
    mailbox: Arc<Mailbox>,
    gallery: Gallery,
    reader: PhotoReader,
    wish: Wish,
    /// What is to be stored.
    photos: Vec<StoredPhoto>,
    gone: Vec<String>,
    /// Pictures that nobody wants once that is stored.
    discarded: Vec<String>,
    through: i64,
    stored_through: i64,
    stored_at: Instant,
}

/// A photo's place in the mailbox.
#[derive(Debug)]
enum Lying {
    /// The bytes that are expected.
    There(Vec<u8>),
    /// The same, and too many to be kept in memory.
    TooLarge(u64),
    /// Other bytes: what brought them is taken up by itself.
    Replaced,
    Gone,
}

impl Photos {
    pub(super) fn look_into(&self, mailbox: &Arc<Mailbox>, gallery: Gallery, through: i64) -> Look {
        let wish = mailbox.config().photos.wish;
        Look {
            db: self.db.clone(),
            mailbox: Arc::clone(mailbox),
            gallery,
            reader: self.reader.now().of_photos(wish),
            wish,
            photos: Vec::new(),
            gone: Vec::new(),
            discarded: Vec::new(),
            through,
            stored_through: through,
            stored_at: Instant::now(),
        }
    }
}

impl Look {
    /// Looks at photos that were taken up, and says whether those were all.
    pub(super) async fn at_new(
        &mut self,
        new: &[PhotoDelivery],
        stuck: &mut BTreeMap<Name, (i64, u32)>,
    ) -> Result<bool, PhotosError> {
        let last: HashMap<&str, i64> = new.iter().map(|it| (it.path.as_str(), it.seq)).collect();
        let name = name(&self.mailbox);
        for delivery in new {
            // One that was sent twice is looked at once.
            if last.get(delivery.path.as_str()) == Some(&delivery.seq) {
                let before = stuck.get(&name).filter(|(seq, _)| *seq == delivery.seq);
                let tries = before.map_or(1, |(_, tries)| tries + 1);
                if let Err(error) = self.at_delivery(delivery, tries >= TRIES).await {
                    if matches!(&error, PhotosError::Reader(error) if may_be_the_photos(error)) {
                        stuck.insert(name, (delivery.seq, tries));
                    }
                    self.store().await?;
                    return Err(error);
                }
            }
            self.through = delivery.seq;
            self.store_some().await?;
        }
        self.store().await?;
        Ok(is_all(new.len()))
    }

    /// Looks at some photos that were looked at under another configuration, and says whether there is nothing more to do now.
    pub(super) async fn at_those_looked_at_otherwise(&mut self) -> Result<bool, PhotosError> {
        let (tenant, environment) = (self.mailbox.tenant().clone(), self.mailbox.environment());
        let others = self
            .db
            .photos_looked_at_otherwise(&tenant, environment, self.wish, "", PORTION)
            .await?;
        let mut is_progress = false;
        for photo in &others {
            is_progress |= self.anew(photo).await?;
            self.store_some().await?;
        }
        self.store().await?;
        Ok(!is_progress || is_all(others.len()))
    }

    async fn at_delivery(
        &mut self,
        delivery: &PhotoDelivery,
        is_last_try: bool,
    ) -> Result<(), PhotosError> {
        let (tenant, environment) = (self.mailbox.tenant().clone(), self.mailbox.environment());
        let known = self.db.photo(&tenant, environment, &delivery.path).await?;
        let lying = self.read(&delivery.path, &delivery.sha256).await?;
        if matches!(lying, Lying::Replaced) {
            return Ok(());
        }
        let is_known =
            |known: &StoredPhoto| known.sha256 == delivery.sha256 && known.wish == self.wish;
        // Schedulers send the same photos every night.
        if let (Some(known), Lying::There(_)) = (known.clone().filter(is_known), &lying) {
            self.photos.push(StoredPhoto {
                delivery_seq: delivery.seq,
                ..known
            });
            return Ok(());
        }
        let before = known.and_then(|known| known.conformed);
        let Some(examined) = self.examine(&delivery.path, lying, is_last_try).await? else {
            self.gone.push(delivery.path.clone());
            self.discarded.extend(before);
            return Ok(());
        };
        count(&self.mailbox, &examined);
        tracing::debug!(
            tenant.id = %tenant,
            delivery.id = delivery.id,
            findings = examined.findings.len(),
            "looked at a photo"
        );
        self.keep(
            (&delivery.path, &delivery.sha256, delivery.seq),
            &delivery.id,
            before,
            examined,
        )
        .await
    }

    /// False: it cannot be looked at now.
    async fn anew(&mut self, photo: &StoredPhoto) -> Result<bool, PhotosError> {
        let lying = self.read(&photo.path, &photo.sha256).await?;
        if matches!(lying, Lying::Replaced) {
            return Ok(false);
        }
        let before = photo.conformed.clone();
        if let Some(examined) = self.examine(&photo.path, lying, true).await? {
            // A name that no other picture has: this one may be there until the next is stored.
            let name = uuid::Uuid::now_v7().to_string();
            self.keep(
                (&photo.path, &photo.sha256, photo.delivery_seq),
                &name,
                before,
                examined,
            )
            .await?;
        } else {
            self.gone.push(photo.path.clone());
            self.discarded.extend(before);
        }
        Ok(true)
    }

    /// None: it is not there any more.
    async fn examine(
        &mut self,
        path: &str,
        lying: Lying,
        is_last_try: bool,
    ) -> Result<Option<Examined>, PhotosError> {
        let bytes = match lying {
            Lying::There(bytes) => bytes,
            Lying::TooLarge(bytes) => return Ok(Some(too_many_bytes(bytes))),
            Lying::Replaced | Lying::Gone => return Ok(None),
        };
        match self.reader.examine(path, &bytes).await {
            Ok(examined) => Ok(Some(examined)),
            Err(error) if is_last_try && may_be_the_photos(&error) => {
                tracing::warn!(
                    tenant.id = %self.mailbox.tenant(),
                    "a photo is refused, because every child that looked at it was ended: {}",
                    telemetry::chain(&error)
                );
                Ok(Some(PhotoReader::given_up()))
            }
            Err(error) => Err(PhotosError::Reader(error)),
        }
    }

    /// Puts what it was brought to in the gallery, and notes what is to be stored. The file comes first: a crash leaves one that nobody wants.
    async fn keep(
        &mut self,
        (path, sha256, delivery_seq): (&str, &str, i64),
        name: &str,
        before: Option<String>,
        examined: Examined,
    ) -> Result<(), PhotosError> {
        let is_taken = examined.is_taken();
        let name = Gallery::name(name);
        let conformed = match examined.conformed {
            Some(picture) => {
                let (gallery, put) = (self.gallery.clone(), name.clone());
                blocking(move || gallery.put(&put, &picture)).await?;
                Some(name)
            }
            None => None,
        };
        self.discarded
            .extend(before.filter(|before| conformed.as_ref() != Some(before)));
        self.photos.push(StoredPhoto {
            path: path.to_owned(),
            delivery_seq,
            sha256: sha256.to_owned(),
            wish: self.wish,
            is_taken,
            conformed,
            findings: examined.findings,
        });
        Ok(())
    }

    async fn read(&self, path: &str, sha256: &str) -> Result<Lying, PhotosError> {
        let (mailbox, path, sha256) = (
            Arc::clone(&self.mailbox),
            path.to_owned(),
            sha256.to_owned(),
        );
        blocking(move || read(&mailbox, &path, &sha256)).await
    }

    async fn store_some(&mut self) -> Result<(), PhotosError> {
        if self.photos.len() >= TOGETHER || self.stored_at.elapsed() >= BREATH {
            self.store().await?;
        }
        Ok(())
    }

    async fn store(&mut self) -> Result<(), PhotosError> {
        let (tenant, environment) = (self.mailbox.tenant().clone(), self.mailbox.environment());
        let photos = std::mem::take(&mut self.photos);
        let gone = std::mem::take(&mut self.gone);
        self.stored_at = Instant::now();
        if photos.is_empty() && gone.is_empty() && self.through == self.stored_through {
            return Ok(());
        }
        self.db
            .store_photos(&tenant, environment, &photos, &gone, self.through)
            .await?;
        self.stored_through = self.through;
        let (gallery, discarded) = (self.gallery.clone(), std::mem::take(&mut self.discarded));
        blocking(move || gallery.discard(&discarded)).await
    }
}

/// Whether there are no more than these.
fn is_all(length: usize) -> bool {
    u32::try_from(length).is_ok_and(|length| length < PORTION)
}

/// Whether a photo that has taken its child over can make it end like this: then it is not tried for ever.
fn may_be_the_photos(error: &ReaderError) -> bool {
    matches!(error, ReaderError::Child | ReaderError::Killed { .. })
}

fn count(mailbox: &Mailbox, examined: &Examined) {
    let severities = examined.findings.iter().map(|finding| finding.severity);
    let outcome = match severities.min() {
        Some(Severity::Error) => PhotoOutcome::Refused,
        Some(Severity::Warning) => PhotoOutcome::Warned,
        Some(Severity::Info) | None => PhotoOutcome::Fine,
    };
    telemetry::count_photo(mailbox.tenant(), mailbox.environment(), outcome);
}

fn read(mailbox: &Mailbox, path: &str, sha256: &str) -> io::Result<Lying> {
    let Ok(path) = MailboxPath::resolve(&MailboxPath::root(), path.as_bytes()) else {
        return Ok(Lying::Gone);
    };
    let mut file = match mailbox.read_found(&path) {
        Ok((file, _)) => file,
        Err(MailboxError::Io(error)) if error.kind() != io::ErrorKind::PermissionDenied => {
            return Err(error);
        }
        Err(_) => return Ok(Lying::Gone),
    };
    let mut bytes = Vec::new();
    let most = MOST_BYTES as u64 + 1;
    (&mut file).take(most).read_to_end(&mut bytes)?;
    let content = Content::read(bytes.as_slice().chain(file))?;
    Ok(if content.sha256 != sha256 {
        Lying::Replaced
    } else if bytes.len() > MOST_BYTES {
        Lying::TooLarge(content.size_bytes)
    } else {
        Lying::There(bytes)
    })
}
