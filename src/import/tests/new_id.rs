//! Somebody leaves and joins in one file, perhaps under another employee id.

use super::*;
use crate::parse::finding::code;

fn staff(first: &str) -> String {
    let rows = (2..=20).map(|key| format!("{key:03},p{key}@acme.example,1990-01-01,Nr{key}\n"));
    format!(
        "employee_id,work_email,birth_date,last_name\n{first}\n{}",
        rows.collect::<String>()
    )
}

#[tokio::test]
async fn a_changed_id_is_suspected_by_mail_or_by_birth_and_name_and_both_are_named() {
    for (row, likeness) in [
        ("X1,ADA@acme.example,,", "the same work e-mail"),
        (
            "X1,new@acme.example,1980-02-03,li",
            "the same birth date and last name",
        ),
    ] {
        let bench = Bench::new().await;
        bench
            .import(&staff("001,ada@acme.example,1980-02-03,Li"))
            .await;
        let held = bench.import(&staff(row)).await;
        assert_eq!(held.outcome, Outcome::Held, "{held:?}");
        let reason = held.reason.unwrap();
        assert!(reason.contains("another employee id"), "{reason}");
        let id = held.id.unwrap();
        let (findings, _) = bench.db().findings(&id).await.unwrap();
        let finding = findings
            .iter()
            .find(|it| it.code == code::CHANGED_ID)
            .unwrap();
        assert_eq!(
            finding.message,
            format!(
                "\"X1\" would join and \"001\" would leave with {likeness}: this may be one person under another employee id."
            )
        );
        assert_eq!(finding.row, Some(2));
        bench.db().approve_run(&id).await.unwrap();
        let delivery = DeliveryId::parse(&held.delivery.unwrap()).unwrap();
        assert_eq!(bench.run(&delivery).await.outcome, Outcome::Applied);
    }
}

#[tokio::test]
async fn a_leaver_and_a_joiner_who_share_nothing_but_a_name_or_a_birthday_hold_nothing() {
    let bench = Bench::new().await;
    bench
        .import(&staff("001,ada@acme.example,1980-02-03,Li"))
        .await;
    let run = bench
        .import(&staff("X1,eve@acme.example,1980-02-04,Li"))
        .await;
    assert_eq!(run.outcome, Outcome::Applied);
    let run = bench.import(&staff("X2,,,")).await;
    assert_eq!(run.outcome, Outcome::Applied);
    let run = bench.import(&staff("X3,,,")).await;
    assert_eq!(run.outcome, Outcome::Applied);
}
