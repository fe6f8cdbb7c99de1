//! Hostile files against the real child process: each is refused within seconds, and nothing happens to the parent.

use std::io::{Cursor, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rosterd::import::reader::{Ending, Reader};
use rosterd::parse::finding::{Finding, code};
use rosterd::parse::limits::ReadLimits;
use rosterd::parse::wire::Frame;
use rust_xlsxwriter::Workbook;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// Reads `bytes` in a child; header and rows count as frames.
async fn read(bytes: &[u8], limits: ReadLimits) -> (usize, Ending) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let reader = Reader::new(PathBuf::from(env!("CARGO_BIN_EXE_rosterd")), limits);
    reader.read(file, |frames| frames.count()).await.unwrap()
}

async fn refusal(bytes: &[u8], limits: ReadLimits) -> Finding {
    let started = Instant::now();
    let (_, ending) = read(bytes, limits).await;
    assert!(started.elapsed() < Duration::from_secs(20), "{ending:?}");
    match ending {
        Ending::Refused(finding) => finding,
        other => panic!("{other:?}"),
    }
}

fn workbook(row: u32, column: u16) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.write(0, 0, "employee_id").unwrap();
    sheet.write(row, column, "x").unwrap();
    workbook.save_to_buffer().unwrap()
}

/// The same workbook with one part of it replaced.
fn with_part(workbook: Vec<u8>, part: &str, content: impl Fn(&mut dyn std::io::Write)) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(workbook)).unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for at in 0..archive.len() {
        let member = archive.by_index_raw(at).unwrap();
        if member.name().unwrap() == part {
            drop(member);
            writer
                .start_file(part, SimpleFileOptions::default())
                .unwrap();
            content(&mut writer);
        } else {
            writer.raw_copy_file(member).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

#[tokio::test]
async fn a_good_file_is_read_to_its_end() {
    let (frames, ending) = read(b"employee_id,name\n1,Ada\n2,Grace\n", ReadLimits::default()).await;
    assert_eq!((frames, ending), (3, Ending::Complete { rows: 2 }));
    let (frames, ending) = read(&workbook(1, 0), ReadLimits::default()).await;
    assert_eq!((frames, ending), (2, Ending::Complete { rows: 1 }));
}

#[tokio::test]
async fn a_cell_at_the_far_corner_refuses_the_workbook() {
    let finding = refusal(&workbook(1_048_575, 16_383), ReadLimits::default()).await;
    assert_eq!(finding.code, code::TABLE_DIMENSIONS);
}

#[tokio::test]
async fn shared_strings_that_claim_to_be_a_milliard_refuse_the_workbook() {
    let liar = with_part(workbook(1, 0), "xl/sharedStrings.xml", |out| {
        out.write_all(
            br#"<?xml version="1.0"?><sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
                count="1000000000" uniqueCount="1000000000"><si><t>x</t></si></sst>"#,
        )
        .unwrap();
    });
    let finding = refusal(&liar, ReadLimits::default()).await;
    assert_eq!(finding.code, code::READER_DIED);
}

#[tokio::test]
async fn a_small_workbook_with_a_gigabyte_in_it_refuses_itself() {
    let spaces = vec![b' '; 1 << 20];
    let bomb = with_part(workbook(1, 0), "xl/sharedStrings.xml", |out| {
        out.write_all(
            br#"<?xml version="1.0"?><sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>"#,
        )
        .unwrap();
        for _ in 0..1024 {
            out.write_all(&spaces).unwrap();
        }
        out.write_all(b"</t></si></sst>").unwrap();
    });
    assert!(bomb.len() < 2_000_000);
    let finding = refusal(&bomb, ReadLimits::default()).await;
    assert_eq!(finding.code, code::READER_DIED);
}

#[tokio::test]
async fn a_reading_that_takes_too_long_is_ended() {
    let limits = ReadLimits {
        time: Duration::from_micros(1),
        ..ReadLimits::default()
    };
    let file = format!("employee_id\n{}", "1\n".repeat(100_000));
    let finding = refusal(file.as_bytes(), limits).await;
    assert_eq!(finding.code, code::READER_TIMEOUT);
}

#[tokio::test]
async fn who_stops_listening_is_not_waited_for() {
    let mut file = tempfile::tempfile().unwrap();
    writeln!(file, "employee_id").unwrap();
    file.write_all("1\n".repeat(1_000_000).as_bytes()).unwrap();
    let reader = Reader::new(
        PathBuf::from(env!("CARGO_BIN_EXE_rosterd")),
        ReadLimits::default(),
    );
    let (first, ending) = reader.read(file, Iterator::next).await.unwrap();
    assert!(matches!(first, Some(Frame::Header(_))));
    assert_eq!(ending, Ending::Abandoned);
}
