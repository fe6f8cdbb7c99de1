//! The table `credential_use`: when, how and from where each password and key was last used.
//!
//! Written in batches, at most half a minute after the logins themselves; a crash loses what was not written yet, which changes nothing but this table.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::Row as _;

use super::{Db, DbError, count, instant, stamp, stored};
use crate::config::CredentialKind;
use crate::listen::uses::{Use, Used};
use crate::tenant::TenantId;

/// What is known of a credential's uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialUse {
    pub last_used_at: Timestamp,
    /// As in logs: `ftps`, `ftpes` or `sftp`.
    pub last_protocol: String,
    pub last_address: String,
    pub uses: u64,
}

impl Db {
    /// Adds uses, all or none of them.
    pub async fn note_credential_uses(&self, uses: &BTreeMap<Used, Use>) -> Result<(), DbError> {
        let mut transaction = self.begin().await?;
        for (used, how) in uses {
            sqlx::query(
                "INSERT INTO credential_use (tenant, login, kind, credential, last_used_at, last_protocol, last_address, uses)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (tenant, login, kind, credential) DO UPDATE SET
                     last_used_at = excluded.last_used_at, last_protocol = excluded.last_protocol, last_address = excluded.last_address, uses = uses + excluded.uses",
            )
            .bind(used.tenant.as_str())
            .bind(&used.user)
            .bind(used.kind.as_str())
            .bind(&used.id)
            .bind(stamp(how.last_at))
            .bind(how.last_protocol.as_str())
            .bind(how.last_address.to_string())
            .bind(stored(how.count))
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Everything that is known, also of credentials that are not configured any more.
    pub async fn credential_uses(&self) -> Result<BTreeMap<Used, CredentialUse>, DbError> {
        let rows = sqlx::query(
            "SELECT tenant, login, kind, credential, last_used_at, last_protocol, last_address, uses FROM credential_use",
        )
        .fetch_all(&self.reader)
        .await?;
        let known = rows.iter().map(|row| {
            let kind = match row.try_get("kind")? {
                "password" => CredentialKind::Password,
                _ => CredentialKind::Key,
            };
            let tenant = TenantId::parse(row.try_get("tenant")?);
            let used = Used {
                tenant: tenant.map_err(|_| DbError::Value { column: "tenant" })?,
                user: row.try_get("login")?,
                kind,
                id: row.try_get("credential")?,
            };
            let known = CredentialUse {
                last_used_at: instant("last_used_at", row.try_get("last_used_at")?)?,
                last_protocol: row.try_get("last_protocol")?,
                last_address: row.try_get("last_address")?,
                uses: count("uses", row.try_get("uses")?)?,
            };
            Ok((used, known))
        });
        known.collect()
    }
}
