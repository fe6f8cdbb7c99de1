//! The real child process, with files that mean no harm and limits that are low.

use std::io::Write as _;
use std::path::PathBuf;

use rosterd::import::reader::{Ending, Frames, Reader};
use rosterd::parse::agreement::Agreement;
use rosterd::parse::finding::code;
use rosterd::parse::limits::ReadLimits;
use rosterd::parse::wire::Frame;

use crate::forge::workbook;
use crate::harness::test_file;

fn reader(limits: ReadLimits) -> Reader {
    Reader::new(PathBuf::from(env!("CARGO_BIN_EXE_rosterd")), limits)
}

/// How many frames come, but for the layout.
fn count(frames: &mut Frames) -> usize {
    frames
        .filter(|frame| !matches!(frame, Frame::Layout(_)))
        .count()
}

/// Reads `bytes` in a child; header and rows count as frames.
async fn read(bytes: &[u8], limits: ReadLimits) -> (usize, Ending) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let read = reader(limits).read(file, Agreement::default(), count).await;
    read.unwrap()
}

#[tokio::test]
async fn a_good_file_is_read_to_its_end() {
    let (frames, ending) = read(b"employee_id,name\n1,Ada\n2,Grace\n", ReadLimits::default()).await;
    assert_eq!((frames, ending), (3, Ending::Complete { rows: 2 }));
    let (frames, ending) = read(&workbook::good(), ReadLimits::default()).await;
    assert_eq!((frames, ending), (2, Ending::Complete { rows: 1 }));
    let old = std::fs::read(test_file("fixtures/staff.xls")).unwrap();
    let (frames, ending) = read(&old, ReadLimits::default()).await;
    assert!(frames > 2, "{frames}");
    assert!(
        matches!(ending, Ending::Complete { rows: 2.. }),
        "{ending:?}"
    );
}

#[tokio::test]
async fn a_file_that_takes_more_memory_than_allowed_is_refused_for_that() {
    let limits = ReadLimits {
        memory_bytes: 20_000_000,
        ..ReadLimits::default()
    };
    let (_, ending) = read(&workbook::good(), limits).await;
    assert_eq!(ending, Ending::Complete { rows: 1 });
    // All of them are held until the last row has been read.
    let text = format!("<si><t>{}</t></si>", "x".repeat(1000));
    let greedy = workbook::with_strings("", &text.repeat(28_000));
    match read(&greedy, limits).await {
        (0, Ending::Refused(finding)) => {
            assert_eq!(finding.code, code::READER_DIED);
            assert!(finding.message.contains("20 MB"), "{finding:?}");
        }
        other => panic!("{other:?}"),
    }
    let (_, ending) = read(&greedy, ReadLimits::default()).await;
    assert_eq!(ending, Ending::Complete { rows: 1 });
}

#[tokio::test]
async fn who_stops_listening_is_not_waited_for() {
    let mut file = tempfile::tempfile().unwrap();
    writeln!(file, "employee_id").unwrap();
    file.write_all("1\n".repeat(1_000_000).as_bytes()).unwrap();
    let reader = reader(ReadLimits::default());
    let (first, ending) = reader
        .read(file, Agreement::default(), Iterator::next)
        .await
        .unwrap();
    assert!(matches!(first, Some(Frame::Layout(_))));
    assert_eq!(ending, Ending::Abandoned);
}
