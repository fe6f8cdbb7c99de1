//! Damage to every fixture, through the real child with the limits that it has by default: whatever becomes of a file, it ends as read or as one clear
//! finding, in little memory and time. The same in process, and many more of them: `src/parse/read/tests/damage.rs`.
//!
//! Once each with a fixed seed in a normal test run; `tests/soak.sh` asks for more.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rosterd::import::reader::{Ending, Frames, Reader};
use rosterd::parse::agreement::Agreement;
use rosterd::parse::finding::code;
use rosterd::parse::limits::ReadLimits;

use crate::harness::test_file;
use crate::mangle::{Dice, damaged};
use crate::soak::asked;

/// Built for speed none takes a second; this is for a build without optimisation on a machine that has other things to do.
const DEADLINE: Duration = Duration::from_secs(55);
/// What a reader says who was ended, instead of coming to an end by itself.
const ENDED: [&str; 4] = [
    code::READER_DIED,
    code::READER_TIMEOUT,
    code::READER_CONTAINED,
    code::READER_GARBAGE,
];
/// Old workbooks are read by calamine, which some of them make abort: that is what the child is for, and it is one clear finding too.
const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// Old workbooks are few, and their reader is not ours.
const OLD_ONES: u64 = 10;

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.to_str().unwrap().contains(".snap"))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_damaged_file_ends_within_the_limits_of_its_reader() {
    let seed = asked("SEED", 5);
    let times = asked("DAMAGES", 1);
    let program = PathBuf::from(env!("CARGO_BIN_EXE_rosterd"));
    let reader = Reader::new(program, ReadLimits::default());
    let mut files = vec![test_file("fixtures/staff.xls")];
    for folder in ["text", "workbooks", "markup"] {
        files.extend(files_in(&test_file("fixtures").join(folder)));
    }
    assert!(files.len() > 140, "{} fixtures", files.len());
    let mut dice = Dice(seed);
    let (mut count, mut read, mut died, mut slowest) = (0_u64, 0_u64, 0_u64, Duration::ZERO);
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let whole = std::fs::read(&path).unwrap();
        let times = if whole.starts_with(COMPOUND) {
            times * OLD_ONES
        } else {
            times
        };
        for time in 0..times {
            let bytes = damaged(&whole, &mut dice);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let begun = Instant::now();
            let (_, ending) = reader
                .read(file, Agreement::default(), |frames: &mut Frames| {
                    frames.count()
                })
                .await
                .unwrap();
            let took = begun.elapsed();
            let which = format!("damage {time} with seed {seed} to {name}");
            assert!(took < DEADLINE, "{which}: {took:?}");
            match ending {
                Ending::Complete { .. } => read += 1,
                Ending::Refused(finding) => {
                    let is_told = !finding.message.is_empty() && !finding.remedy.is_empty();
                    assert!(is_told, "{which}: {finding:?}");
                    let was_ended = ENDED.contains(&finding.code.as_str());
                    died += u64::from(was_ended);
                    let may_be_ended = bytes.starts_with(COMPOUND);
                    assert!(may_be_ended || !was_ended, "{which}: {finding:?}");
                }
                Ending::Abandoned => panic!("{which}: nobody stopped listening"),
            }
            count += 1;
            slowest = slowest.max(took);
        }
    }
    println!(
        "soak: seed {seed}, {count} damaged files through a child, {read} read, {died} of the old workbooks ended their reader, the slowest in {slowest:?}, 0 without an end"
    );
}
