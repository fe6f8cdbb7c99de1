//! Photos: looked at, matched with the people, told of in one report a batch, and brought to the size that they should have.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Cursor;
use std::path::PathBuf;

use image::codecs::jpeg::{JpegEncoder, PixelDensity};
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::Value;

use crate::containment::{DEADLINE, MEMORY_BYTES, measured};
use crate::harness::cli::Run;
use crate::harness::staff::Staff;
use crate::harness::tenant::Tenant;
use crate::harness::{Daemon, Port, Reply, files_below, photo, test_file, wait_for, wait_until};

const DATA: &str = "/data/employees.csv";
/// Longer than a client needs from one photo to the next.
const PAUSE: &str = "[photos]\npause = \"5s\"";
const CONFORM: &str = "[photos]\nconform = true\npause = \"5s\"";

fn acme(section: &str) -> Tenant {
    Tenant::named("acme").line(section)
}

/// A picture with something in it.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let channel = |at: u32| u8::try_from(at % 256).unwrap();
        Rgb([channel(x * 2), channel(y * 2), channel(x + y)])
    })
}

fn jpeg(width: u32, height: u32, ppi: u16) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 90);
    encoder.set_pixel_density(PixelDensity::dpi(ppi));
    encoder.encode_image(&picture(width, height)).unwrap();
    jpeg
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    let written = picture(width, height).write_to(&mut png, ImageFormat::Png);
    written.unwrap();
    png.into_inner()
}

fn heic() -> Vec<u8> {
    [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", &[0; 2000][..]].concat()
}

/// People with what stands in their photo column.
fn people(of: &[(&str, &str)]) -> Vec<u8> {
    let mut csv = "Employee ID,First Name,Last Name,Work Email,Photo\n".to_owned();
    for (id, photo) in of {
        writeln!(csv, "{id},Ada,Li,{id}@acme.example,{photo}").unwrap();
    }
    csv.into_bytes()
}

impl Daemon {
    /// Sends photos to `/images` by one client in one go.
    #[track_caller]
    fn send_photos(&self, photos: &[(&str, Vec<u8>)]) {
        let mut commands = String::from("cd images\n");
        for (name, bytes) in photos {
            let file = self.local_file(name, bytes);
            writeln!(commands, "put '{}'", file.display()).unwrap();
        }
        self.sender("acme")
            .lftp(Port::Explicit, &commands)
            .succeeded();
    }

    /// The reports of photos, by name.
    fn photo_reports(&self, tenant: &str) -> BTreeMap<String, PathBuf> {
        let files = files_below(&self.mailbox(tenant).join("errors"));
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        files
            .into_iter()
            .map(|path| (name(&path), path))
            .filter(|(name, _)| name.ends_with(".photos.json"))
            .collect()
    }

    /// Waits for a report of which `holds` is true: its name, and what it says.
    #[track_caller]
    fn photo_report(&self, what: &str, holds: impl Fn(&Value) -> bool) -> (String, Value) {
        wait_for(what, || {
            self.photo_reports("acme")
                .into_iter()
                .find_map(|(name, path)| {
                    let report = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
                    holds(&report).then_some((name, report))
                })
        })
    }

    /// What `rosterd photos --json` says.
    #[track_caller]
    fn photos_now(&self) -> Value {
        let reply = self.run(&["photos", "--tenant", "acme", "--json"]);
        serde_json::from_slice(&reply.succeeded().stdout).unwrap()
    }

    /// Waits until every photo that was sent was looked at.
    #[track_caller]
    fn wait_for_photos(&self, photos: u64) -> Value {
        wait_for(&format!("{photos} photos that were looked at"), || {
            let now = self.photos_now();
            (now["counts"]["photos"] == photos && now["counts"]["waiting"] == 0).then_some(now)
        })
    }

    fn gallery(&self) -> Vec<PathBuf> {
        files_below(&self.folder().join("state/photos"))
    }
}

fn codes(report: &Value) -> BTreeMap<String, Vec<String>> {
    let mut codes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap() {
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        codes
            .entry(text("file_name"))
            .or_default()
            .push(text("code"));
    }
    codes
}

/// R0.06 to R0.10: the folder, the formats, portrait, 100 x 128, 72 ppi.
#[test]
fn a_batch_of_photos_of_every_kind_is_told_of_in_one_report_r0_06_r0_07_r0_08_r0_09_r0_10() {
    let daemon = Daemon::start([acme(PAUSE)]);
    let file = people(&[
        ("E1", ""),
        ("E2", "C:\\Photos\\Ben.PNG"),
        ("E3", "gone.jpg"),
        ("E4", ""),
        ("E5", ""),
        ("E6", ""),
        ("E7", ""),
        ("E8", ""),
    ]);
    daemon.deliver("acme", DATA, file).came_to("applied");
    let good = jpeg(100, 128, 72);
    daemon.send_photos(&[
        ("E1.jpg", good.clone()),
        ("ben.png", png(100, 128)),
        ("E4.jpg", good[..good.len() - 900].to_vec()),
        ("E5.png", good.clone()),
        ("E6.jpg", heic()),
        ("E7.jpg", jpeg(300, 200, 300)),
        ("E8.jpg", good.clone()),
        ("E8.bmp", photo::bmp(8)),
        ("stranger.jpg", good),
    ]);
    let (name, report) = daemon.photo_report("a report", |_| true);
    let batch = report["batch"].as_str().unwrap();
    assert_eq!(name, format!("{batch}.photos.json"));
    let sender = daemon.sender("acme");
    let fetched = |kind: &str| {
        let path = format!("/errors/{batch}.photos.{kind}");
        String::from_utf8(sender.download(&path)).unwrap()
    };
    let mut text = fetched("json");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), report);
    for key in ["batch", "first_received_at", "last_received_at"] {
        text = text.replace(report[key].as_str().unwrap(), "…");
    }
    insta::assert_snapshot!("report_of_photos", text);
    insta::assert_snapshot!(
        "report_of_photos_csv",
        fetched("csv").trim_start_matches('\u{feff}')
    );
    assert_eq!(daemon.photo_reports("acme").len(), 1);

    // One line in the log, and nobody's name in it.
    assert_eq!(daemon.lines_with("told of a batch of photos"), 1);
    for name in ["ben.png", "Ben.PNG", "stranger", "E7.jpg"] {
        assert_eq!(daemon.lines_with(name), 0, "{name}");
    }
    let refused = [("tenant", "acme"), ("outcome", "refused")];
    assert_eq!(daemon.metric("rosterd_photos_total", &refused), Some(2.0));

    let text = daemon.run(&["photos", "--tenant", "acme"]).succeeded();
    insta::assert_snapshot!("photos_of_a_tenant", text.text());
}

#[test]
fn a_photo_that_came_before_its_person_is_matched_after_the_run() {
    let globex = Tenant::named("globex").line(PAUSE);
    let daemon = Daemon::start([acme(PAUSE), globex]);
    // Who names photos and sends none is told nothing about photos.
    daemon
        .deliver("globex", DATA, people(&[("E1", "gone.jpg")]))
        .came_to("applied");
    daemon.send_photos(&[("E00001.bmp", photo::bmp(1)), ("E00009.bmp", photo::bmp(9))]);
    let (name, report) = daemon.photo_report("a report about nobody", |_| true);
    assert_eq!(report["counts"]["orphans"], 2);
    assert_eq!(report["findings_total"], 1, "{report}");
    let message = report["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("No employee file"), "{message}");

    daemon
        .deliver("acme", DATA, Staff::of(3).csv())
        .came_to("applied");
    let (again, report) =
        daemon.photo_report("a report about somebody", |it| it["counts"]["matched"] == 1);
    assert_eq!(again, name);
    let orphan = BTreeMap::from([(
        "/images/E00009.bmp".to_owned(),
        vec!["photo-orphan".to_owned()],
    )]);
    assert_eq!(codes(&report), orphan);

    // The log tells of a report a moment after it can be read.
    let told_anew = || daemon.lines_with("told of a batch of photos anew");
    wait_until("the line about somebody", || told_anew() > 0);
    let lines = told_anew();

    // The same file again: nothing is otherwise.
    daemon
        .deliver("acme", DATA, Staff::of(3).csv())
        .came_to("no_change");
    daemon
        .deliver("acme", DATA, Staff::of(4).csv())
        .came_to("applied");
    daemon
        .deliver("acme", DATA, Staff::of(9).csv())
        .came_to("applied");
    daemon.photo_report("a report about both", |it| it["counts"]["matched"] == 2);
    wait_until("the line about both", || told_anew() > lines);
    assert_eq!(told_anew(), lines + 1);
    assert_eq!(daemon.photo_reports("globex").len(), 0);
}

/// The people are another tenant's business.
#[test]
fn photos_of_one_tenant_are_nobodys_among_the_people_of_another() {
    let globex = Tenant::named("globex").line(PAUSE);
    let daemon = Daemon::start([acme(PAUSE), globex]);
    daemon
        .deliver("globex", DATA, Staff::of(3).csv())
        .came_to("applied");
    daemon.send_photos(&[("E00001.bmp", photo::bmp(1))]);
    daemon.photo_report("a report", |it| it["counts"]["matched"] == 0);
    assert_eq!(daemon.photos_now()["counts"]["people"], 0);
}

#[test]
fn over_sftp_photos_come_to_the_same_report() {
    let daemon = Daemon::start([acme(PAUSE)]);
    daemon
        .deliver("acme", DATA, Staff::of(3).csv())
        .came_to("applied");
    let file = daemon.local_file("E00002.bmp", photo::bmp(2));
    daemon
        .sender("acme")
        .sftp(&format!(
            "mkdir /images/new\nput {} /images/new/E00002.bmp\n",
            file.display()
        ))
        .succeeded();
    let (_, report) = daemon.photo_report("a report", |_| true);
    assert_eq!(report["counts"]["matched"], 1);
    assert_eq!(report["counts"]["fine"], 1);
    assert_eq!(report["findings_total"], 0, "{report}");
}

#[test]
fn photos_are_brought_to_the_right_size_and_what_they_were_brought_to_goes_with_them() {
    let mut daemon = Daemon::start([acme(CONFORM)]);
    daemon
        .deliver("acme", DATA, Staff::of(5).csv())
        .came_to("applied");
    let large = jpeg(600, 800, 300);
    daemon.send_photos(&[
        ("E00001.jpg", large.clone()),
        ("E00002.jpg", jpeg(300, 200, 300)),
        ("E00003.bmp", photo::bmp(3)),
        ("E00004.png", b"\x89PNG\r\n\x1a\nrubbish".to_vec()),
    ]);
    let (_, report) = daemon.photo_report("a report", |_| true);
    assert_eq!(report["counts"]["conformed"], 2, "{report}");
    assert_eq!(report["counts"]["with_warnings"], 0);
    assert_eq!(report["counts"]["refused"], 1);
    let now = daemon.photos_now();
    let conformed: Vec<Option<&str>> = now["people"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["conformed"].as_str())
        .collect();
    assert!(matches!(conformed[..], [Some(_), Some(_), None]), "{now}");
    for path in conformed.iter().flatten() {
        let picture = std::fs::read(path).unwrap();
        assert_eq!(image::guess_format(&picture).unwrap(), ImageFormat::Jpeg);
        let picture = image::load_from_memory(&picture).unwrap();
        assert_eq!((picture.width(), picture.height()), (100, 128));
    }
    let sender = daemon.sender("acme");
    assert_eq!(
        sender.download("/images/E00001.jpg"),
        large,
        "the original stays"
    );
    assert_eq!(daemon.gallery().len(), 2);

    // One is replaced by a photo that is as it should be, one is removed.
    daemon.send_photos(&[("E00001.jpg", jpeg(100, 128, 72))]);
    wait_until("one picture less", || daemon.gallery().len() == 1);
    daemon
        .sender("acme")
        .lftp(Port::Explicit, "rm images/E00002.jpg")
        .succeeded();
    assert!(daemon.stop().success());
    daemon.start_again();
    wait_until("no picture", || daemon.gallery().is_empty());
    assert_eq!(daemon.wait_for_photos(3)["counts"]["people_with_photo"], 2);
}

#[test]
fn whether_photos_are_brought_to_size_can_be_changed_and_what_is_lost_is_made_again() {
    let mut daemon = Daemon::start([acme(CONFORM)]);
    daemon.send_photos(&[("E00001.jpg", jpeg(600, 800, 300))]);
    wait_until("a picture", || daemon.gallery().len() == 1);
    daemon.wait_for_photos(1);

    // As after a restore, which brings the originals back.
    assert!(daemon.stop().success());
    std::fs::remove_dir_all(daemon.folder().join("state/photos")).unwrap();
    daemon.start_again();
    wait_until("the picture again", || daemon.gallery().len() == 1);

    let file = daemon.folder().join("tenants/acme.toml");
    let toml = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, toml.replace("conform = true", "conform = false")).unwrap();
    daemon.run(&["reload"]).succeeded();
    wait_until("no picture", || daemon.gallery().is_empty());
}

#[test]
fn a_photo_that_is_replaced_while_it_waits_is_told_of_as_it_is_now() {
    let mut daemon = Daemon::start([acme(PAUSE)]);
    daemon
        .deliver("acme", DATA, Staff::of(3).csv())
        .came_to("applied");
    let good = jpeg(100, 128, 72);
    daemon.send_photos(&[("E00001.jpg", good[..good.len() - 900].to_vec())]);
    daemon.wait_for_photos(1);
    daemon.send_photos(&[("E00001.jpg", heic()), ("E00002.jpg", good.clone())]);
    daemon.send_photos(&[("E00001.jpg", good)]);
    let (_, report) = daemon.photo_report("a report", |_| true);
    assert_eq!(report["counts"]["received"], 2, "{report}");
    assert_eq!(report["counts"]["fine"], 2, "{report}");
    assert_eq!(report["counts"]["matched"], 2);
    assert!(daemon.stop().success());
}

#[test]
fn a_photo_that_is_removed_before_it_is_told_of_is_not_told_of() {
    let daemon = Daemon::start([acme(PAUSE)]);
    let bmp = photo::bmp(1);
    daemon.send_photos(&[("a.bmp", bmp.clone()), ("b.bmp", bmp)]);
    daemon
        .sender("acme")
        .lftp(Port::Explicit, "rm images/a.bmp")
        .succeeded();
    let (_, report) = daemon.photo_report("a report", |_| true);
    assert_eq!(report["counts"]["received"], 1, "{report}");
    daemon.wait_for_photos(1);
}

#[cfg(feature = "failpoints")]
#[test]
fn killed_while_it_looks_or_before_it_tells_it_goes_on_at_the_next_start() {
    use std::os::unix::process::ExitStatusExt as _;

    let mut daemon = Daemon::start_armed([acme(CONFORM)], "ChildStarted=kill");
    let file = daemon.local_file("E00001.jpg", jpeg(600, 800, 300));
    let put = format!("put -O images '{}'", file.display());
    // Its client may not hear the end of it.
    drop(daemon.sender("acme").lftp(Port::Explicit, &put));
    assert_eq!(daemon.wait_for_end().signal(), Some(9));
    for place in ["DepositWrite", "DepositRename@2", "DepositFolderSync@2"] {
        daemon.arm(&format!("{place}=kill"));
        daemon.start_again();
        assert_eq!(daemon.wait_for_end().signal(), Some(9), "{place}");
    }

    daemon.arm("");
    daemon.start_again();
    let (_, report) = daemon.photo_report("a report", |_| true);
    assert_eq!(report["counts"]["received"], 1, "{report}");
    assert_eq!(report["counts"]["conformed"], 1);
    wait_until("one picture and nothing unfinished", || {
        daemon.gallery().len() == 1
    });
    daemon.wait_for_empty_staging();
}

#[cfg(feature = "failpoints")]
#[test]
fn a_photo_that_ends_its_child_is_refused_and_the_others_are_looked_at() {
    let daemon = Daemon::start([acme(PAUSE)]);
    let misdeeds = [
        ("memory", "photo-too-large"),
        ("small-memory", "photo-too-large"),
        ("overflow", "photo-damaged"),
        ("panic", "photo-damaged"),
        ("open", "reader-contained"),
        ("exec", "reader-contained"),
        ("thread", "reader-contained"),
        ("signal", "reader-contained"),
    ];
    let mut photos = Vec::new();
    let names: Vec<_> = misdeeds
        .iter()
        .map(|(deed, _)| (format!("{deed}.jpg"), format!("{deed}-after.bmp")))
        .collect();
    for ((deed, _), (name, after)) in misdeeds.iter().zip(&names) {
        let bytes = format!("rosterd-misdeed: {deed} ");
        photos.push((name.as_str(), bytes.into_bytes()));
        photos.push((after.as_str(), photo::bmp(1)));
    }
    daemon.send_photos(&photos);
    let (_, report) = daemon.photo_report("a report", |_| true);
    let mut told = codes(&report);
    told.retain(|name, _| name.contains(".jpg"));
    let expected =
        misdeeds.map(|(deed, code)| (format!("/images/{deed}.jpg"), vec![code.to_owned()]));
    assert_eq!(told, BTreeMap::from(expected));
    assert_eq!(report["counts"]["fine"], misdeeds.len());
}

#[test]
fn local_photos_can_be_tried_before_anything_is_sent() {
    let daemon = Daemon::start([acme(PAUSE)]);
    daemon
        .deliver(
            "acme",
            DATA,
            people(&[("progressive", ""), ("E2", "alpha.png"), ("E3", "none.jpg")]),
        )
        .came_to("applied");
    let folder = daemon.folder().join("to-try");
    std::fs::create_dir_all(folder.join("more")).unwrap();
    for name in ["progressive.jpg", "alpha.png", "plain.bmp"] {
        let from = test_file("fixtures/photos").join(name);
        std::fs::copy(from, folder.join("more").join(name)).unwrap();
    }
    std::fs::write(folder.join("phone.heic"), heic()).unwrap();
    std::fs::write(folder.join("Thumbs.db"), "x").unwrap();
    let try_out = |arguments: &[&str]| {
        let mut command = daemon.rosterd();
        command.current_dir(daemon.folder());
        command.args(["photos", "--tenant", "acme"]).args(arguments);
        Reply::to(&mut command)
    };
    let reply = try_out(&["to-try"]);
    assert_eq!(reply.code, 1, "one is refused: {reply:?}");
    insta::assert_snapshot!("photos_that_are_tried", reply.text());
    let reply = try_out(&["--json", "to-try/more/alpha.png", "to-try/more"]).succeeded();
    let report = Run::parse(&reply).0;
    assert_eq!(report["batch"], Value::Null);
    assert_eq!(report["counts"]["refused"], 0);
    let reply = try_out(&["nowhere"]);
    assert_eq!(reply.code, 1);
    assert!(reply.stderr.contains("cannot read nowhere"), "{reply:?}");
    let reply = daemon.run(&["photos", "--tenant", "nobody"]);
    assert_eq!(reply.code, 1);

    assert_eq!(daemon.photos_now()["counts"]["photos"], 0);
    assert_eq!(daemon.photo_reports("acme").len(), 0);
}

/// Pictures that want more than any picture should, or lie.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let header_of = |width: u32, height: u32| {
        let mut bmp = photo::bmp(1);
        bmp.splice(18..26, [width.to_le_bytes(), height.to_le_bytes()].concat());
        bmp
    };
    let large = RgbImage::new(6400, 6400);
    let mut png = Cursor::new(Vec::new());
    large.write_to(&mut png, ImageFormat::Png).unwrap();
    let mut jpeg_of_large = Vec::new();
    let encoder = JpegEncoder::new(&mut jpeg_of_large);
    large.write_with_encoder(encoder).unwrap();
    let progressive = std::fs::read(test_file("fixtures/photos/progressive.jpg")).unwrap();
    let last_scan = progressive.windows(2).rposition(|it| it == [0xff, 0xda]);
    let (before, scan) = progressive.split_at(last_scan.unwrap());
    let scan = &scan[..scan.len() - 2];
    let many_scans = [before, &scan.repeat(20_000_000 / scan.len()), &[0xff, 0xd9]].concat();
    vec![
        ("a-large-png.png", png.into_inner()),
        ("b-large-jpeg.jpg", jpeg_of_large),
        ("c-many-scans.jpg", many_scans),
        ("d-no-pixels.bmp", header_of(7999, 5000)),
        ("e-much-too-large.bmp", header_of(2_000_000, 2_000_000)),
        ("f-many-bytes.bmp", photo::bmp_of(25_000_001)),
        (
            "g-rubbish.jpg",
            [&[0xff, 0xd8, 0xff][..], &[0xda; 1_000_000]].concat(),
        ),
        ("h-nothing.png", Vec::new()),
    ]
}

#[test]
fn a_hostile_picture_takes_little_memory_and_time_r0_07() {
    let daemon = Daemon::start([acme(CONFORM)]);
    for (name, bytes) in hostile() {
        let file = daemon.local_file(name, &bytes);
        let mut command = daemon.rosterd();
        command
            .args(["photos", "--tenant", "acme", "--json"])
            .arg(&file);
        let (reply, took, memory_bytes) = measured(&command);
        let report = Run::parse(&reply).0;
        eprintln!(
            "| {name} | {} KB | {:.2} s | {} MB | {}",
            bytes.len() / 1000,
            took.as_secs_f64(),
            memory_bytes / 1_000_000,
            report["findings"][0]["message"]
        );
        assert!(memory_bytes < MEMORY_BYTES, "{name}: {memory_bytes} bytes");
        assert!(took < DEADLINE, "{name}: {took:?}");
        assert_eq!(report["counts"]["received"], 1);
        let is_refused = report["counts"]["refused"] == 1;
        assert_eq!(reply.code, i32::from(is_refused), "{name}: {report}");
        let is_picture = name.contains("-large-");
        assert!(is_refused || is_picture, "{name}: {report}");
    }
}
