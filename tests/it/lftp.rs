//! lftp: photos are mirrored, several at a time, on `GnuTLS`.

use crate::harness::staff::Staff;
use crate::harness::tenant::Tenant;
use crate::harness::{Daemon, Port, photo, wait_until};

#[test]
fn lftp_mirrors_fifty_photos_and_sends_only_what_is_new_the_next_time_r0_26() {
    // Given fifty photos.
    let daemon = Daemon::start([Tenant::named("acme")]);
    let photos = daemon.folder().join("photos");
    std::fs::create_dir(&photos).unwrap();
    for number in 1..=50_u8 {
        let name = format!("{}.bmp", Staff::id(usize::from(number)));
        std::fs::write(photos.join(name), photo::bmp(number)).unwrap();
    }
    let sender = daemon.sender("acme");
    let mirror = format!(
        "mirror -R --verbose --parallel=3 {} /images",
        photos.display()
    );

    // When they are mirrored.
    sender.lftp(Port::Explicit, &mirror).succeeded();

    // Then each lies there whole, and each is a delivery.
    let images = daemon.mailbox("acme").join("images");
    for number in 1..=50_u8 {
        let name = format!("{}.bmp", Staff::id(usize::from(number)));
        assert_eq!(
            std::fs::read(images.join(name)).unwrap(),
            photo::bmp(number)
        );
    }
    let labels = [("tenant", "acme"), ("kind", "photo")];
    wait_until("fifty photos counted", || {
        daemon.metric("rosterd_deliveries_total", &labels) == Some(50.0)
    });

    // And the next night only the one that changed is sent.
    std::fs::write(photos.join("E00007.bmp"), photo::bmp_of(40_000)).unwrap();
    let again = sender.lftp(Port::Implicit, &mirror).succeeded();
    assert!(again.text().contains("E00007.bmp"), "{}", again.text());
    assert!(!again.text().contains("E00008.bmp"), "{}", again.text());
    wait_until("one more photo counted", || {
        daemon.metric("rosterd_deliveries_total", &labels) == Some(51.0)
    });
    assert_eq!(daemon.runs().len(), 0);
}

#[test]
fn lftp_uploads_lists_renames_and_downloads() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let staff = Staff::of(6);
    let file = daemon.local_file("employees.csv", staff.csv());
    let back = daemon.folder().join("back.csv");

    let commands = format!(
        "put -O /data {0} -o employees.csv.tmp\n\
         mv /data/employees.csv.tmp /data/employees.csv\n\
         cls -l /data\n\
         get /data/employees.csv -o {1}\n\
         rm /data/employees.csv",
        file.display(),
        back.display()
    );
    let reply = sender.lftp(Port::Explicit, &commands).succeeded();

    assert!(reply.text().contains("employees.csv"), "{}", reply.text());
    assert_eq!(std::fs::read(back).unwrap(), staff.csv());
    assert_eq!(sender.names("/data/"), [] as [String; 0]);
    // Deleting the file does not call back its delivery.
    daemon.wait_for_rest();
    wait_until("the delivery's run", || {
        daemon.runs().len() == 1 && daemon.runs()[0].outcome() == "applied"
    });
    assert_eq!(daemon.roster("acme"), staff);
}

#[test]
fn lftp_is_told_why_it_is_refused() {
    let daemon = Daemon::start([Tenant::named("acme").quota("20kB")]);
    let sender = daemon.sender("acme");
    let big = daemon.local_file("employees.csv", vec![b'x'; 30_000]);
    let put = |to: &str| format!("put -O /data {} -o {to}", big.display());

    sender
        .lftp(Port::Explicit, &put("staff.csv"))
        .refused("553");
    sender
        .lftp(Port::Implicit, &put("employees.csv"))
        .refused("552");
    let wrong = daemon.stranger("hr@acme.example", "wrong");
    wrong.lftp(Port::Explicit, "cls /").refused("530");
    assert_eq!(sender.names("/data/"), [] as [String; 0]);
}
