//! Promise 5: no input takes the daemon down. Each bad file gets one clear finding, and the next good one is imported.

use std::io::Write as _;
use std::time::{Duration, Instant};

use rust_xlsxwriter::Workbook;
use zip::write::SimpleFileOptions;

use crate::harness::Daemon;
use crate::harness::staff::Staff;
use crate::harness::tenant::{Source, Tenant};

/// From the upload to the outcome, on two busy cores and an unoptimised build.
const SECONDS: u64 = 60;

#[test]
fn a_hostile_or_broken_file_is_refused_with_one_finding_and_the_daemon_goes_on() {
    let source = Source::named("workbook", "employees.xlsx");
    let tenant = Tenant::named("acme").source(source);
    let daemon = Daemon::start([tenant]);
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(10).csv())
        .came_to("applied");

    let swallowing = {
        let mut csv = Staff::of(10).csv();
        csv.extend(b"E00011,\"Ada,Li,a@acme.example,Sales\n");
        csv.extend(Staff::of(2000).csv());
        csv
    };
    let files: [(&str, &str, Vec<u8>); 15] = [
        ("a value at XFD1048576", "xlsx", value_in_the_last_cell()),
        ("a billion shared strings", "xlsx", billion_shared_strings()),
        ("a zip bomb", "xlsx", bomb()),
        ("a workbook cut in half", "xlsx", cut_in_half()),
        ("a password", "xlsx", password_protected()),
        (
            "a zip that is no workbook",
            "xlsx",
            zip_of(&[("readme.txt", b"hello")]),
        ),
        ("an empty file", "xlsx", Vec::new()),
        ("an empty file", "csv", Vec::new()),
        ("only blank lines", "csv", b"\r\n\r\n\n".to_vec()),
        (
            "a program",
            "csv",
            std::fs::read(env!("CARGO_BIN_EXE_rosterd")).unwrap()[..200_000].to_vec(),
        ),
        (
            "a web page",
            "csv",
            b"<!DOCTYPE html><html><body>Session expired</body></html>".to_vec(),
        ),
        (
            "no key column",
            "csv",
            b"First Name,Work Email\nAda,ada@acme.example\n".to_vec(),
        ),
        (
            "not UTF-8",
            "csv",
            b"Employee ID,Work Email\n\xff\xfe\x01,\x80\x81\n".to_vec(),
        ),
        ("a quote never closed", "csv", swallowing),
        ("one endless line", "csv", vec![b'a'; 3_000_000]),
    ];
    for (what, extension, bytes) in files {
        let before = Instant::now();
        let path = format!("/data/employees.{extension}");
        let run = daemon.deliver("acme", &path, bytes);

        assert!(
            before.elapsed() < Duration::from_secs(SECONDS),
            "{what}: {:?}",
            before.elapsed()
        );
        assert_eq!(run.outcome(), "refused", "{what}: {run:?}");
        let errors = run.errors();
        assert!(!errors.is_empty(), "{what}: no finding");
        if what != "not UTF-8" {
            assert_eq!(errors.len(), 1, "{what}: {errors:?}");
        }
        for part in ["code", "message", "remedy"] {
            assert!(
                !errors[0][part].as_str().unwrap().is_empty(),
                "{what}: no {part}"
            );
        }
        assert_eq!(daemon.get("/livez").0, 200, "{what}");
    }

    assert_eq!(daemon.roster("acme"), Staff::of(10));
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(11).csv())
        .came_to("applied");
}

#[test]
fn the_finding_about_a_password_names_it() {
    let source = Source::named("employees", "employees.xlsx");
    let daemon = Daemon::start([Tenant::without_sources("acme").source(source)]);
    let run = daemon.deliver("acme", "/data/employees.xlsx", password_protected());
    let finding = run.errors()[0].to_string().to_lowercase();
    assert!(finding.contains("password"), "{finding}");
}

fn value_in_the_last_cell() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write_string(0, 0, "Employee ID").unwrap();
    sheet.write_string(0, 1, "Work Email").unwrap();
    sheet.write_string(1_048_575, 16_383, "far away").unwrap();
    book.save_to_buffer().unwrap()
}

fn cut_in_half() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for row in 0..500 {
        sheet.write_number(row, 0, row).unwrap();
    }
    let mut bytes = book.save_to_buffer().unwrap();
    bytes.truncate(bytes.len() / 2);
    bytes
}

const SHEET: &str = r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row></sheetData></worksheet>"#;
const STRINGS: &str = r#"<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main""#;

fn billion_shared_strings() -> Vec<u8> {
    let strings = format!(
        r#"{STRINGS} count="1000000000" uniqueCount="1000000000"><si><t>Employee ID</t></si></sst>"#
    );
    workbook(SHEET, |zip| zip.write_all(strings.as_bytes()).unwrap())
}

/// A shared string of 800 MB that takes less than one on the way.
fn bomb() -> Vec<u8> {
    workbook(SHEET, |zip| {
        write!(zip, r#"{STRINGS} count="1" uniqueCount="1"><si><t>"#).unwrap();
        let megabyte = vec![b'A'; 1 << 20];
        for _ in 0..800 {
            zip.write_all(&megabyte).unwrap();
        }
        zip.write_all(b"</t></si></sst>").unwrap();
    })
}

type Zip = zip::ZipWriter<std::io::Cursor<Vec<u8>>>;

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = Zip::new(std::io::Cursor::default());
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A workbook by hand, because no writer would write what these hold.
fn workbook(sheet: &str, shared_strings: impl FnOnce(&mut Zip)) -> Vec<u8> {
    const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const MAIN: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";
    let types = format!(
        r#"<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="{MAIN}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="{MAIN}.worksheet+xml"/><Override PartName="/xl/sharedStrings.xml" ContentType="{MAIN}.sharedStrings+xml"/></Types>"#
    );
    let package = format!(
        r#"<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
    );
    let book = format!(
        r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{OFFICE}"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>"#
    );
    let book_parts = format!(
        r#"<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#
    );
    let mut zip = Zip::new(std::io::Cursor::default());
    for (name, text) in [
        ("[Content_Types].xml", types.as_str()),
        ("_rels/.rels", &package),
        ("xl/workbook.xml", &book),
        ("xl/_rels/workbook.xml.rels", &book_parts),
        ("xl/worksheets/sheet1.xml", sheet),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    let fast = SimpleFileOptions::default().compression_level(Some(1));
    zip.start_file("xl/sharedStrings.xml", fast).unwrap();
    shared_strings(&mut zip);
    zip.finish().unwrap().into_inner()
}

/// What Excel writes when a workbook is encrypted: a compound file (MS-CFB) with the streams `EncryptionInfo` and `EncryptedPackage`.
fn password_protected() -> Vec<u8> {
    const SECTOR: usize = 512;
    const STREAM: usize = 4096; // shorter ones would need the mini stream
    const END_OF_CHAIN: u32 = 0xffff_fffe;
    const FREE: u32 = 0xffff_ffff;
    let stream_sectors = u32::try_from(STREAM / SECTOR).unwrap();

    // Sector 0 is the FAT, sector 1 the directory, then the two streams.
    let first = 2;
    let second = first + stream_sectors;
    let mut fat = vec![0xffff_fffd, END_OF_CHAIN];
    for start in [first, second] {
        fat.extend(start + 1..start + stream_sectors);
        fat.push(END_OF_CHAIN);
    }
    fat.resize(SECTOR / 4, FREE);

    let mut header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    header.extend([0; 16]);
    for short in [0x3e_u16, 3, 0xfffe, 9, 6, 0, 0, 0] {
        header.extend(short.to_le_bytes());
    }
    // No directory count, one FAT sector, directory at 1, no transaction, mini cut-off, no mini FAT, no DIFAT, FAT at 0.
    for long in [0, 1, 1, 0, 4096, END_OF_CHAIN, 0, END_OF_CHAIN, 0, 0] {
        header.extend(long.to_le_bytes());
    }
    header.resize(SECTOR, 0xff);

    let mut bytes = header;
    bytes.extend(fat.into_iter().flat_map(u32::to_le_bytes));
    bytes.extend(directory_entry("Root Entry", 5, 1, END_OF_CHAIN, 0));
    bytes.extend(directory_entry("EncryptionInfo", 2, 2, first, STREAM));
    bytes.extend(directory_entry("EncryptedPackage", 2, FREE, second, STREAM));
    bytes.resize(3 * SECTOR, 0);
    bytes.extend((0..2 * STREAM).map(|at| u8::try_from(at * 37 % 251).unwrap()));
    bytes
}

/// An entry of 128 bytes; `next` is its child for the root and its right sibling for a stream.
fn directory_entry(name: &str, kind: u8, next: u32, start: u32, length: usize) -> Vec<u8> {
    const NONE: u32 = 0xffff_ffff;
    let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let name_length = u16::try_from(entry.len() + 2).unwrap();
    entry.resize(64, 0);
    entry.extend(name_length.to_le_bytes());
    entry.extend([kind, 1]);
    let (right, child) = if kind == 5 {
        (NONE, next)
    } else {
        (next, NONE)
    };
    for id in [NONE, right, child] {
        entry.extend(id.to_le_bytes());
    }
    entry.extend([0; 36]);
    entry.extend(start.to_le_bytes());
    entry.extend((length as u64).to_le_bytes());
    entry
}
