//! The schema, its migrations and its indexes; what is durable.

use super::*;

#[tokio::test]
async fn a_database_full_of_runs_keeps_every_row_and_every_foreign_key_when_their_table_is_made_anew()
 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rosterd.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .foreign_keys(false);
    let old = SqlitePool::connect_with(options).await.unwrap();
    let dump = include_str!("../../../tests/fixtures/db/0007.sql");
    sqlx::raw_sql(dump).execute(&old).await.unwrap();
    let rows = "SELECT (SELECT count(*) FROM import_run) || ' ' || (SELECT count(*) FROM finding) || ' ' || (SELECT count(*) FROM held_change)
         || ' ' || (SELECT count(*) FROM change) || ' ' || (SELECT count(*) FROM person)";
    let before: String = sqlx::query_scalar(rows).fetch_one(&old).await.unwrap();
    old.close().await;

    let db = open(&path, &Arc::new(ManualClock::at(start())))
        .await
        .unwrap();
    let after: String = sqlx::query_scalar(rows)
        .fetch_one(&db.reader)
        .await
        .unwrap();
    assert_eq!(after, before);
    let broken = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(&db.reader)
        .await
        .unwrap();
    assert!(broken.is_empty(), "{} rows name nothing", broken.len());
    for named in ["finding", "held_change", "change"] {
        let delete = format!("DELETE FROM import_run WHERE id = (SELECT run FROM {named})");
        let deleted = sqlx::query(sqlx::AssertSqlSafe(delete))
            .execute(&db.writer)
            .await;
        assert!(deleted.is_err(), "a run of {named} can be deleted");
    }
}

#[tokio::test]
async fn what_is_committed_is_durable_and_foreign_keys_hold() {
    let bench = Bench::new().await;
    assert_eq!(bench.sole::<String>("PRAGMA journal_mode").await, "wal");
    assert_eq!(bench.sole::<i64>("PRAGMA synchronous").await, 2);
    assert_eq!(bench.sole::<i64>("PRAGMA foreign_keys").await, 1);
    bench.db.ping().await.unwrap();
    let file = std::fs::metadata(bench.folder.path().join("rosterd.db")).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777,
        0o600
    );
}

#[tokio::test]
async fn a_database_is_opened_again_and_a_newer_or_foreign_file_is_refused() {
    let bench = Bench::new().await;
    let path = bench.folder.path().join("rosterd.db");
    bench.deliver("acme", "employees").await;
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)")
        .execute(&bench.db.writer)
        .await
        .unwrap();
    bench.db.close().await;
    let newer = open(&path, &bench.clock).await.unwrap_err();
    assert!(matches!(newer, DbError::Newer { .. }), "{newer:?}");

    let foreign = bench.folder.path().join("foreign.db");
    let other = SqlitePool::connect_with(
        SqliteConnectOptions::new()
            .filename(&foreign)
            .create_if_missing(true),
    )
    .await
    .unwrap();
    sqlx::query("CREATE TABLE chess (game TEXT)")
        .execute(&other)
        .await
        .unwrap();
    other.close().await;
    let before = std::fs::read(&foreign).unwrap();
    let error = open(&foreign, &bench.clock).await.unwrap_err();
    assert!(matches!(error, DbError::Foreign { .. }), "{error:?}");
    assert_eq!(std::fs::read(&foreign).unwrap(), before);

    let text = bench.folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "this is a text of some length, and certainly no database\n".repeat(100),
    )
    .unwrap();
    let error = open(&text, &bench.clock).await.unwrap_err();
    assert!(matches!(error, DbError::Foreign { .. }), "{error:?}");

    let nowhere = open(&bench.folder.path().join("no/rosterd.db"), &bench.clock)
        .await
        .unwrap_err();
    assert!(matches!(nowhere, DbError::Open { .. }), "{nowhere:?}");
}

#[tokio::test]
async fn what_every_scrape_asks_for_is_read_from_an_index_alone() {
    let bench = Bench::new().await;
    for (query, index) in [
        (super::run::RUN_COUNTS, "COVERING INDEX import_run_by_place"),
        (
            super::delivery::LAST_DELIVERIES,
            "COVERING INDEX delivery_by_time",
        ),
    ] {
        let steps = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}")))
            .fetch_all(&bench.db.reader)
            .await
            .unwrap();
        let steps: Vec<String> = steps
            .iter()
            .map(|row| sqlx::Row::get(row, "detail"))
            .collect();
        assert!(steps.iter().all(|step| step.contains(index)), "{steps:?}");
    }
}

#[tokio::test]
async fn whom_a_leaver_leaves_behind_is_read_from_an_index_alone_and_follows_the_fields() {
    let bench = Bench::new().await;
    let explain = format!("EXPLAIN QUERY PLAN {}", super::link::PEOPLE_BELOW);
    let steps = sqlx::query(sqlx::AssertSqlSafe(explain))
        .fetch_all(&bench.db.reader)
        .await
        .unwrap();
    let steps: Vec<String> = steps
        .iter()
        .map(|row| sqlx::Row::get(row, "detail"))
        .collect();
    let index = "COVERING INDEX person_to_compare (tenant=? AND environment=?)";
    assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");

    let delivery = bench.deliver("acme", "employees").await;
    let run = bench.db.run(delivery.id.as_str()).await.unwrap().unwrap();
    sqlx::query(
        "INSERT INTO person (id, tenant, environment, source, key, standing, row_hash, last_run, fields)
         VALUES (1, 'acme', 'production', 'employees', '1', 'employed', zeroblob(16), ?1, '{}')",
    )
    .bind(run.id)
    .execute(&bench.db.writer)
    .await
    .unwrap();
    for (fields, expected) in [
        (r#"{"manager_id":"9"}"#, vec!["1".to_owned()]),
        ("{}", vec![]),
    ] {
        sqlx::query("UPDATE person SET fields = ?1")
            .bind(fields)
            .execute(&bench.db.writer)
            .await
            .unwrap();
        let below = bench
            .db
            .people_below(&delivery.tenant, Environment::Production, &["9".into()])
            .await
            .unwrap();
        let below: Vec<String> = below.into_values().flatten().collect();
        assert_eq!(below, expected);
    }
}

#[tokio::test]
async fn every_table_and_index_is_as_the_migrations_say() {
    let bench = Bench::new().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%sql%'",
    )
    .fetch_all(&bench.db.reader)
    .await
    .unwrap();
    let tables: BTreeSet<_> = tables.iter().map(String::as_str).collect();
    let expected = "accepted_shape change credential_use delivery doomed_copy due_change erasure erasure_key finding forgotten held_change \
        import_run job notice paused_source person photo photo_batch published_source roster_version seen_file stub viewing";
    assert_eq!(tables, expected.split(' ').collect());
}
