//! Reads a table as a run does, in a child process, and checks every row, without a database: `read_file FILE`. For `benches/readers/tables.py`.
//!
//! `read_file FILE calamine` goes through the cells of a workbook's first sheet with calamine's streaming reader instead, and checks nothing.

use std::fs::File;
use std::io::{BufReader, Write as _, stdout};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use calamine::{DataRef, Reader as _, Xlsx};
use rosterd::import::reader::{CHILD_COMMAND, Ending, Frames, Reader, child_main};
use rosterd::parse::agreement::Agreement;
use rosterd::parse::check::columns::Mapping;
use rosterd::parse::check::{Checked, Checker};
use rosterd::parse::field::Field;
use rosterd::parse::limits::ReadLimits;
use rosterd::parse::row::RawRow;
use rosterd::parse::wire::{Decoded, Frame};

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().context("which file?")?;
    if file == CHILD_COMMAND {
        return Ok(child_main(arguments));
    }
    match arguments.next().as_deref() {
        Some("calamine") => calamine(Path::new(&file))?,
        _ => read(Path::new(&file))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> anyhow::Result<()> {
    let reader = Reader::new(std::env::current_exe()?, ReadLimits::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let read = reader.read(File::open(file)?, Agreement::default(), Counts::of);
    let (counts, ending) = runtime.block_on(read)?;
    anyhow::ensure!(matches!(ending, Ending::Complete { .. }), "{ending:?}");
    writeln!(
        stdout().lock(),
        "{{\"rows\": {}, \"refused\": {}}}",
        counts.rows,
        counts.refused
    )?;
    Ok(())
}

#[derive(Default)]
struct Counts {
    rows: u64,
    refused: u64,
}

impl Counts {
    fn of(frames: &mut Frames) -> Self {
        let limits = ReadLimits::default();
        let mapping = Mapping {
            required: vec![Field::EmployeeId],
            ..Mapping::default()
        };
        let mut counts = Self::default();
        let mut checker = None;
        let mut row = RawRow::default();
        while let Some(decoded) = frames.next_into(&mut row) {
            match (decoded, &mut checker) {
                (Decoded::Frame(Frame::Header(header)), None) => {
                    checker = Checker::new(&mapping, &header, &limits).ok().map(|it| it.0);
                }
                (Decoded::Row, Some(checker)) => {
                    let admitted = checker.admit(&row, |checker, row| counts.take(checker, row));
                    if admitted.is_err() {
                        return counts;
                    }
                }
                _ => {}
            }
        }
        if let Some(checker) = &mut checker {
            checker.finish(|checker, row| counts.take(checker, row));
        }
        counts
    }

    fn take(&mut self, checker: &mut Checker, row: &RawRow) {
        self.rows += 1;
        if matches!(checker.check(row), Checked::Refused { .. }) {
            self.refused += 1;
        }
    }
}

fn calamine(file: &Path) -> anyhow::Result<()> {
    let mut book = Xlsx::new(BufReader::new(File::open(file)?))?;
    let names = book.sheet_names();
    let mut cells = book.worksheet_cells_reader(names.first().context("no sheet")?)?;
    let (mut count, mut length) = (0_u64, 0_usize);
    while let Some(cell) = cells.next_cell()? {
        count += 1;
        length += match cell.get_value() {
            DataRef::String(text) => text.len(),
            DataRef::SharedString(text) => text.len(),
            _ => 1,
        };
    }
    writeln!(
        stdout().lock(),
        "{{\"cells\": {count}, \"length\": {length}}}"
    )?;
    Ok(())
}
