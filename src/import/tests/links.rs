//! Managers: unknown ones, those who have left, and rings, over the whole roster of the environment.

use super::*;

/// Rows of somebody and their manager.
fn chart(rows: &[(&str, &str)]) -> String {
    let rows = rows.iter().map(|(key, boss)| format!("{key},{boss}\n"));
    format!("employee_id,Reports To ID\n{}", rows.collect::<String>())
}

impl Bench {
    /// Imports, and says what was told of managers.
    async fn managers(&self, source: &str, csv: &str) -> Vec<(Option<u64>, String, String)> {
        let delivery = self.deliver_to(source, csv).await;
        let run = self.run(&delivery).await;
        assert!(run.outcome.is_good(), "{run:?}");
        let (findings, _) = self.db().findings(&run.id.unwrap()).await.unwrap();
        let told = findings
            .into_iter()
            .filter(|it| it.code.starts_with("manager-") || it.code == "foreign-key");
        told.map(|it| (it.row, it.code, it.message)).collect()
    }
}

fn codes(told: &[(Option<u64>, String, String)]) -> Vec<(Option<u64>, &str)> {
    told.iter().map(|(row, code, _)| (*row, &**code)).collect()
}

#[tokio::test]
async fn unknown_managers_are_told_every_night_until_they_come_from_whichever_source() {
    let bench = Bench::new().await;
    let file = chart(&[("1", ""), ("2", "1"), ("3", "9"), ("4", "3")]);
    for night in 0..3 {
        let told = bench.managers("employees", &file).await;
        assert_eq!(codes(&told), [(Some(4), "foreign-key")], "{night}");
    }
    assert_eq!(
        bench.managers("contractors", &chart(&[("9", "1")])).await,
        []
    );
    assert_eq!(bench.managers("employees", &file).await, []);
    assert_eq!(bench.managers("employees", &file).await, []);
}

#[tokio::test]
async fn a_ring_is_named_although_only_one_row_of_it_is_new_and_the_rest_is_applied() {
    let bench = Bench::new().await;
    let file = chart(&[("1", ""), ("2", "1"), ("3", "2"), ("4", "3")]);
    assert_eq!(bench.managers("employees", &file).await, []);
    let ring = chart(&[("1", ""), ("2", "4"), ("3", "2"), ("4", "3")]);
    let told = bench.managers("employees", &ring).await;
    assert_eq!(codes(&told), [(None, "manager-cycle")]);
    assert!(
        told[0]
            .2
            .contains("\"2\", whose manager is \"4\", whose manager is \"3\""),
        "{told:?}"
    );
}

#[tokio::test]
async fn somebody_who_leaves_is_told_to_be_a_manager_still() {
    let bench = Bench::new().await;
    let mut rows = vec![("1", ""), ("2", "1"), ("3", "2"), ("4", "2")];
    bench.managers("employees", &chart(&rows)).await;
    rows.remove(1);
    rows[2].1 = "1";
    let told = bench.managers("employees", &chart(&rows)).await;
    assert_eq!(codes(&told), [(None, "manager-left")]);
    assert_eq!(
        told[0].2,
        "\"2\" has left and is still the manager of \"3\"."
    );
    let told = bench.managers("employees", &chart(&rows)).await;
    assert_eq!(codes(&told), [(Some(3), "manager-left")]);
    rows[1].1 = "1";
    assert_eq!(bench.managers("employees", &chart(&rows)).await, []);
}

#[tokio::test]
async fn managers_are_found_by_their_address_where_that_is_all_there_is() {
    let bench = Bench::new().await;
    let file = "employee_id,work_email,manager_email\n1,a@x.example,\n2,b@x.example,A@x.example\n3,c@x.example,z@x.example\n";
    let told = bench.managers("employees", file).await;
    assert_eq!(codes(&told), [(Some(4), "foreign-key")]);
    let ring = file.replace("1,a@x.example,", "1,a@x.example,b@x.example");
    let told = bench.managers("employees", &ring).await;
    assert_eq!(
        codes(&told),
        [(None, "manager-cycle"), (Some(4), "foreign-key")]
    );
}

#[tokio::test]
async fn a_manager_whom_nobody_knows_becomes_a_stub_that_the_next_row_fills_r3_21_to_r3_23() {
    let bench = Bench::new().await;
    let mut importer = Importer::clone(&bench.importer);
    let tenant = Arc::make_mut(importer.tenants.get_mut(&acme()).unwrap());
    tenant.data_sources[0].unknown_managers = crate::tenant::UnknownManagers::Stubs;
    let import = async |csv: &str| {
        let delivery = bench.deliver(csv).await;
        let run = importer.run_to_end(&bench.me, &delivery).await.unwrap();
        let id = run.id.clone().unwrap();
        let document = bench.db().run_document(&id, u32::MAX).await;
        (run, document.unwrap().unwrap())
    };
    let file = chart(&[("1", ""), ("2", "9"), ("3", "9")]);
    let (run, document) = import(&file).await;
    assert_eq!((run.outcome, run.counts.joiners), (Outcome::Applied, 3));
    assert_eq!(
        (
            document.changes.len(),
            document.changes[3].employee_id.as_str()
        ),
        (4, "9")
    );
    let codes: Vec<_> = document
        .findings
        .iter()
        .map(|it| (it.row, it.code.as_str()))
        .collect();
    assert_eq!(codes, [(Some(3), "stub-added")]);
    assert_eq!(bench.roster(false).await, ["1", "2", "3", "9"]);
    let stubs = async || {
        let place = (acme(), Environment::Production);
        let stubs = bench.db().stubs(&place.0, place.1, "employees").await;
        stubs.unwrap()
    };
    assert_eq!(stubs().await, ["9"]);
    // Nobody says anything of it: it stays, and is nobody's leaver.
    let (run, document) = import(&file).await;
    assert_eq!(
        (run.outcome, document.findings.len()),
        (Outcome::NoChange, 0)
    );
    let (run, _) = import(&chart(&[("1", ""), ("2", "9"), ("3", "9"), ("9", "1")])).await;
    assert_eq!((run.counts.movers, run.counts.leavers), (1, 0));
    assert!(stubs().await.is_empty());
    let (run, _) = import(&file).await;
    assert_eq!(
        (run.outcome, run.counts.leavers),
        (Outcome::Applied, 1),
        "{run:?}"
    );
}
