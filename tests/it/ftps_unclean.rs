//! Uploads that end without `close_notify`: cut, unless their tenant accepts them; and even then only a FIN between two records is an end.

use crate::harness::staff::Staff;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, wait_until};
use crate::wire::ftps::{Data, Ftps};

fn daemon(limits: &str) -> Daemon {
    Daemon::start_with(
        [
            Tenant::named("acme").line("accept_unclean_close = true"),
            Tenant::named("globex"),
        ],
        limits,
    )
}

fn log_in(daemon: &Daemon, tenant: &str) -> Ftps {
    let user = format!("hr@{tenant}.example");
    Ftps::log_in(daemon, Port::Explicit, &user, PASSWORD)
}

/// An upload whose bytes were read by the daemon.
fn begun(session: &mut Ftps, bytes: &[u8]) -> Data {
    let mut data = session.transfer("STOR /data/employees.csv");
    data.send(bytes);
    data
}

#[test]
fn a_plain_fin_is_an_end_for_the_tenant_that_accepts_it_and_for_nobody_else() {
    let daemon = daemon("");
    let staff = Staff::of(9);
    let mut old = log_in(&daemon, "acme");
    begun(&mut old, &staff.csv()).fin();
    let reply = old.hear();
    assert_eq!(reply.code, 226, "{reply:?}");
    let told = |times| {
        let words = "counts as complete: its tenant has accept_unclean_close";
        wait_until("the line about it", || daemon.lines_with(words) == times);
    };
    told(1);
    // Half-closed is a FIN too.
    let data = begun(&mut old, &staff.csv());
    data.half_close();
    assert_eq!(old.hear().code, 226);
    drop(data);
    told(2);

    // With close_notify nothing is remarkable about it.
    assert_eq!(old.store("/data/employees.csv", &staff.csv()).code, 226);
    told(2);

    let mut other = log_in(&daemon, "globex");
    begun(&mut other, &staff.csv()).fin();
    assert_eq!(other.hear().code, 426);
    assert_eq!(other.names("/data"), [] as [String; 0]);
    told(2);
    daemon.wait_for_rest();
    assert_eq!(daemon.roster("acme"), staff);
}

#[test]
fn what_was_certainly_cut_is_cut_for_everybody() {
    let daemon = daemon("stall = \"1s\"");
    let yesterday = Staff::of(9);
    let today = Staff::of(12).csv();
    let (half, rest) = today.split_at(today.len() / 2);
    let mut session = log_in(&daemon, "acme");
    let stored = session.store("/data/employees.csv", &yesterday.csv());
    assert_eq!(stored.code, 226);

    begun(&mut session, half).reset();
    assert_eq!(session.hear().code, 426, "RST");
    begun(&mut session, half).fin_within_a_record(rest);
    assert_eq!(session.hear().code, 426, "within a record");
    let silent = begun(&mut session, half);
    assert_eq!(session.hear().code, 426, "silence");
    drop(silent);
    assert_eq!(session.ask(&format!("ALLO {}", today.len())).code, 200);
    begun(&mut session, half).fin();
    assert_eq!(session.hear().code, 451, "not the size of ALLO");

    // A sender that is killed loses both connections, in whatever order.
    for (cuts, control_first) in [(5, true), (6, false)] {
        let mut killed = log_in(&daemon, "acme");
        let data = begun(&mut killed, half);
        if control_first {
            killed.vanish();
            data.fin();
        } else {
            data.fin();
            killed.vanish();
        }
        wait_until("the cut of its upload", || {
            daemon.lines_with("upload cut") == cuts
        });
    }
    let fetched = session.fetch("RETR /data/employees.csv");
    assert_eq!(fetched, yesterday.csv());
    daemon.wait_for_rest();
    assert_eq!(daemon.runs().len(), 1);
}
