//! The table `finding`: what was wrong with the file of a run.

use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{Db, DbError, count, stored};
use crate::parse::finding::{Finding, Severity};

/// Findings written by one statement.
const BATCH: usize = 200;

impl Db {
    /// The findings of a run that are kept, and how many there were.
    pub async fn findings(&self, run: &str) -> Result<(Vec<Finding>, u64), DbError> {
        let total: Option<i64> =
            sqlx::query_scalar("SELECT findings FROM import_run WHERE id = ?1")
                .bind(run)
                .fetch_optional(&self.reader)
                .await?;
        let rows = sqlx::query("SELECT row, column_name, code, severity, message, remedy FROM finding WHERE run = ?1 ORDER BY position")
            .bind(run)
            .fetch_all(&self.reader)
            .await?;
        let findings = rows.iter().map(|row| {
            let number: Option<i64> = row.try_get("row")?;
            let severity: &str = row.try_get("severity")?;
            Ok(Finding {
                row: number.map(|number| count("row", number)).transpose()?,
                column: row.try_get("column_name")?,
                code: row.try_get("code")?,
                severity: Severity::parse(severity).ok_or(DbError::Value { column: "severity" })?,
                message: row.try_get("message")?,
                remedy: row.try_get("remedy")?,
            })
        });
        let findings = findings.collect::<Result<Vec<_>, DbError>>()?;
        Ok((findings, count("findings", total.unwrap_or_default())?))
    }
}

/// Puts `findings` in the place of those of an earlier try.
pub(super) async fn replace(
    connection: &mut SqliteConnection,
    run: &str,
    findings: &[Finding],
) -> Result<(), DbError> {
    sqlx::query("DELETE FROM finding WHERE run = ?1")
        .bind(run)
        .execute(&mut *connection)
        .await?;
    for (batch, findings) in findings.chunks(BATCH).enumerate() {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO finding (run, position, row, column_name, code, severity, message, remedy) ",
        );
        let numbered = findings.iter().zip(batch as u64 * BATCH as u64..);
        insert.push_values(numbered, |mut values, (finding, position)| {
            values
                .push_bind(run)
                .push_bind(stored(position))
                .push_bind(finding.row.map(stored))
                .push_bind(finding.column.as_deref())
                .push_bind(&finding.code)
                .push_bind(finding.severity.as_str())
                .push_bind(&finding.message)
                .push_bind(&finding.remedy);
        });
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}
