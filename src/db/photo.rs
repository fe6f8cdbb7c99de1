//! The table `photo`: the photos that lie in the mailboxes, as they were last looked at.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Db, DbError, from_json, photo_batch, to_json};
use crate::parse::finding::Finding;
use crate::parse::photo::Wish;
use crate::tenant::{Environment, TenantId};

/// A photo that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredPhoto {
    /// In the mailbox, as `/images/7.jpg`.
    pub path: String,
    /// By which these bytes came last.
    pub delivery_seq: i64,
    /// Lower-case hex.
    pub sha256: String,
    /// What was to be done with it.
    pub wish: Wish,
    /// Whether no finding refuses it.
    pub is_taken: bool,
    /// Name of the file that it was brought to.
    pub conformed: Option<String>,
    pub findings: Vec<Finding>,
}

impl Db {
    /// Every photo of a mailbox, by path.
    pub async fn photos(
        &self,
        tenant: &TenantId,
        environment: Environment,
    ) -> Result<Vec<StoredPhoto>, DbError> {
        let rows = sqlx::query(
            "SELECT path, delivery_seq, sha256, wish, taken, conformed, findings FROM photo WHERE tenant = ?1 AND environment = ?2 ORDER BY path",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(stored_photo).collect()
    }

    /// The photo at `path`.
    pub async fn photo(
        &self,
        tenant: &TenantId,
        environment: Environment,
        path: &str,
    ) -> Result<Option<StoredPhoto>, DbError> {
        let row = sqlx::query(
            "SELECT path, delivery_seq, sha256, wish, taken, conformed, findings FROM photo WHERE tenant = ?1 AND environment = ?2 AND path = ?3",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(path)
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(stored_photo).transpose()
    }

    /// The next photos behind `after` that were looked at when the tenant wanted something else.
    pub async fn photos_looked_at_otherwise(
        &self,
        tenant: &TenantId,
        environment: Environment,
        wish: Wish,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StoredPhoto>, DbError> {
        let rows = sqlx::query(
            "SELECT path, delivery_seq, sha256, wish, taken, conformed, findings FROM photo
             WHERE tenant = ?1 AND environment = ?2 AND path > ?3 AND wish <> ?4 ORDER BY path LIMIT ?5",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(after)
        .bind(wish.as_str())
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(stored_photo).collect()
    }

    /// Stores what photos came to, forgets those that are gone, and notes that all up to the delivery `through` were looked at.
    pub async fn store_photos(
        &self,
        tenant: &TenantId,
        environment: Environment,
        photos: &[StoredPhoto],
        gone: &[String],
        through: i64,
    ) -> Result<(), DbError> {
        let mut transaction = self.begin().await?;
        for photo in photos {
            store(&mut transaction, tenant, environment, photo).await?;
        }
        for path in gone {
            sqlx::query("DELETE FROM photo WHERE tenant = ?1 AND environment = ?2 AND path = ?3")
                .bind(tenant.as_str())
                .bind(environment.as_str())
                .bind(path)
                .execute(&mut *transaction)
                .await?;
        }
        photo_batch::examined(&mut transaction, tenant, environment, through).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets these files that photos were brought to, because they are not there any more: the photos are to be looked at again.
    pub async fn forget_conformed(
        &self,
        tenant: &TenantId,
        environment: Environment,
        names: &[String],
    ) -> Result<(), DbError> {
        sqlx::query(
            "UPDATE photo SET conformed = NULL, wish = ?4 WHERE tenant = ?1 AND environment = ?2 AND conformed IN (SELECT value FROM json_each(?3))",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(to_json(names))
        .bind(Wish::Tell.as_str())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

async fn store(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    environment: Environment,
    photo: &StoredPhoto,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO photo (tenant, environment, path, delivery_seq, sha256, wish, taken, conformed, findings) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (tenant, environment, path) DO UPDATE SET delivery_seq = excluded.delivery_seq, sha256 = excluded.sha256, wish = excluded.wish,
             taken = excluded.taken, conformed = excluded.conformed, findings = excluded.findings",
    )
    .bind(tenant.as_str())
    .bind(environment.as_str())
    .bind(&photo.path)
    .bind(photo.delivery_seq)
    .bind(&photo.sha256)
    .bind(photo.wish.as_str())
    .bind(photo.is_taken)
    .bind(&photo.conformed)
    .bind(to_json(&photo.findings))
    .execute(connection)
    .await?;
    Ok(())
}

fn stored_photo(row: &SqliteRow) -> Result<StoredPhoto, DbError> {
    Ok(StoredPhoto {
        path: row.try_get("path")?,
        delivery_seq: row.try_get("delivery_seq")?,
        sha256: row.try_get("sha256")?,
        wish: Wish::parse(row.try_get("wish")?).ok_or(DbError::Value { column: "wish" })?,
        is_taken: row.try_get("taken")?,
        conformed: row.try_get("conformed")?,
        findings: from_json("photo.findings", row.try_get("findings")?)?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::db::tests::{Bench, delivery};
    use crate::db::{NewDelivery, NewKind, PhotoProgress, ToldBatch};
    use crate::parse::finding::code;

    /// A photo of acme's that was taken up.
    async fn portrait(bench: &Bench, name: &str) -> NewDelivery {
        let photo = NewDelivery {
            kind: NewKind::Photo {
                format: None,
                width: None,
                height: None,
            },
            file_name: format!("/images/{name}"),
            ..delivery("acme", "x")
        };
        bench.db.record_delivery(&photo).await.unwrap();
        photo
    }

    #[tokio::test]
    async fn photos_are_remembered_as_they_were_looked_at_and_forgotten_when_they_are_gone() {
        let bench = Bench::new().await;
        let (db, production) = (&bench.db, Environment::Production);
        bench.deliver("acme", "employees").await;
        let first = portrait(&bench, "1.jpg").await;
        let acme = &first.tenant;
        let (places, last) = db.photos_since(1).await.unwrap();
        assert_eq!((places, last), (vec![(acme.clone(), production)], 2));
        assert_eq!(db.photos_since(2).await.unwrap(), (vec![], 2));
        let second = portrait(&bench, "2.jpg").await;
        let deliveries = async |bounds| {
            let photos = db.photo_deliveries(acme, production, bounds, 9).await;
            let photos = photos.unwrap().into_iter();
            photos.map(|it| (it.seq, it.path)).collect::<Vec<_>>()
        };
        let expected = [
            (2, "/images/1.jpg".to_owned()),
            (3, "/images/2.jpg".to_owned()),
        ];
        assert_eq!(deliveries((0, i64::MAX)).await, expected);
        assert_eq!(deliveries((2, 3)).await, expected[1..]);
        assert_eq!(deliveries((0, 2)).await, expected[..1]);
        let last = db.last_photo_delivery(acme, production, 9).await.unwrap();
        assert_eq!(last.unwrap().id, second.id.as_str());
        let none = db.last_photo_delivery(acme, Environment::Sandbox, 9).await;
        assert_eq!(none.unwrap(), None);
        assert_eq!(db.photos_waiting(acme, production, 2).await.unwrap(), 1);

        let of = |path: &str, wish| StoredPhoto {
            path: path.to_owned(),
            delivery_seq: 2,
            sha256: "ab".to_owned(),
            wish,
            is_taken: true,
            conformed: Some(format!("{}.jpg", path.len())),
            findings: vec![Finding::file(code::PHOTO_SIZE, "m", "r")],
        };
        let photos = [
            of("/images/1.jpg", Wish::Tell),
            of("/images/22.jpg", Wish::Conform),
        ];
        let store = async |photos: &[StoredPhoto], gone: &[String], through| {
            let stored = db.store_photos(acme, production, photos, gone, through);
            stored.await.unwrap();
        };
        store(&photos, &[], 3).await;
        store(&photos, &[], 2).await;
        assert_eq!(db.photos(acme, production).await.unwrap(), photos);
        assert_eq!(db.photos(acme, Environment::Sandbox).await.unwrap(), []);
        let one = db.photo(acme, production, "/images/1.jpg").await.unwrap();
        assert_eq!(one.as_ref(), photos.first());
        let otherwise = async |wish, after| {
            let found = db.photos_looked_at_otherwise(acme, production, wish, after, 9);
            found.await.unwrap().len()
        };
        assert_eq!(otherwise(Wish::Tell, "").await, 1);
        assert_eq!(otherwise(Wish::Conform, "/images/1.jpg").await, 0);
        let missing = ["14.jpg".to_owned()];
        db.forget_conformed(acme, production, &missing)
            .await
            .unwrap();
        assert_eq!(otherwise(Wish::Conform, "").await, 2, "it is made again");
        store(&[], &["/images/1.jpg".to_owned()], 0).await;
        let left = db.photos(acme, production).await.unwrap();
        assert_eq!((left.len(), &left[0].conformed), (1, &None));

        let mut progress = PhotoProgress {
            examined_seq: 3,
            last_batch: None,
        };
        assert_eq!(db.photo_progress(acme, production).await.unwrap(), progress);
        let batch = ToldBatch {
            first_seq: 2,
            last_seq: 3,
            roster: 7,
            report: Some("digest".to_owned()),
        };
        db.photos_told(acme, production, &batch).await.unwrap();
        progress.last_batch = Some(batch);
        assert_eq!(db.photo_progress(acme, production).await.unwrap(), progress);
    }

    #[tokio::test]
    async fn everybody_who_is_employed_is_there_once_however_many_pages_that_makes() {
        let bench = Bench::new().await;
        let acme = bench.deliver("acme", "a").await.tenant;
        sqlx::query(
            "INSERT INTO person (tenant, environment, source, key, standing, row_hash, last_run, fields)
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4100)
             SELECT 'acme', 'production', iif(i <= 2050, 'a', 'b'), printf('%05d', i % 2050), iif(i % 5 = 0, 'left', 'employed'), x'00', (SELECT id FROM import_run),
                    json_object('employee_id', 'E' || i, iif(i % 3 = 0, 'photo_file', 'first_name'), i || '-ü.jpg') FROM n",
        )
        .execute(&bench.db.writer)
        .await
        .unwrap();
        let people = bench.db.portrayed_people(&acme, Environment::Production);
        let people = people.await.unwrap();
        let found: BTreeSet<_> = people.iter().map(|it| it.employee_id.clone()).collect();
        let expected: BTreeSet<_> = (1..=4100)
            .filter(|i: &u32| !i.is_multiple_of(5))
            .map(|i| format!("E{i}"))
            .collect();
        assert_eq!(people.len(), expected.len());
        assert_eq!(found, expected);
        for it in people {
            let number: u32 = it.employee_id[1..].parse().unwrap();
            let named = number.is_multiple_of(3).then(|| format!("{number}-ü.jpg"));
            assert_eq!(it.photo_file, named, "{}", it.employee_id);
        }
        let nobody = bench.db.portrayed_people(&acme, Environment::Sandbox);
        assert_eq!(nobody.await.unwrap(), []);
    }

    #[tokio::test]
    async fn new_photos_are_found_by_an_index() {
        let bench = Bench::new().await;
        let query = format!(
            "EXPLAIN QUERY PLAN {}",
            crate::db::delivery::PHOTO_DELIVERIES
        );
        let steps = sqlx::query(sqlx::AssertSqlSafe(query))
            .fetch_all(&bench.db.reader)
            .await
            .unwrap();
        let steps: Vec<String> = steps
            .iter()
            .map(|row| sqlx::Row::get(row, "detail"))
            .collect();
        assert!(
            matches!(&steps[..], [step] if step.contains("INDEX delivery_by_place") && step.contains("seq>?")),
            "{steps:?}"
        );
    }
}
