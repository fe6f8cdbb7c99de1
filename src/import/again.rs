//! A delivery once more: its archived copy becomes a new delivery, which goes the way of all others.

use std::io;

use crate::content::Content;
use crate::db::{NewDelivery, NewKind};
use crate::import::local::archive;
use crate::import::{ImportError, Importer, blocking};
use crate::mailbox::layout::Layout;
use crate::mailbox::{DeliveryId, Fingerprint};
use crate::report::run::Run;

impl Importer {
    /// Makes the delivery of `run` a new one, because somebody wants it. None: it has none, or the archive does not have it any more.
    pub async fn deliver_again(
        &self,
        run: &Run,
        asked_by: &str,
    ) -> Result<Option<DeliveryId>, ImportError> {
        let Some(of) = run.delivery.as_deref() else {
            return Ok(None);
        };
        let Ok(of) = DeliveryId::parse(of) else {
            return Ok(None);
        };
        let mode = self.source(&run.tenant, run.environment, &run.source)?.mode;
        let id = DeliveryId::mint();
        let folder = Layout::new(&self.state_dir, &run.tenant, run.environment).archive;
        let (from, to) = (folder.join(of.as_str()), folder.join(id.as_str()));
        let copied = blocking(move || archive(&from, &folder, &to)).await;
        let Content { sha256, size_bytes } = match copied {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ImportError::Archive(error)),
        };
        let delivery = NewDelivery {
            id: id.clone(),
            tenant: run.tenant.clone(),
            environment: run.environment,
            kind: NewKind::Data {
                source: run.source.clone(),
                mode,
            },
            // Not a path in the mailbox: what lies there may be another file by now.
            file_name: run.file_name.clone().unwrap_or_default(),
            sha256,
            size_bytes,
            received_at: self.clock.now(),
            fingerprint: Fingerprint {
                inode: 0,
                size_bytes,
                modified_ns: 0,
                changed_ns: 0,
            },
        };
        self.db.record_rerun(&delivery, &of, asked_by).await?;
        Ok(Some(id))
    }
}
