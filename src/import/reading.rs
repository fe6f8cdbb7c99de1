//! From the frames of one file to the draft of its changes, on the blocking pool.

use crate::import::Progress;
use crate::parse::check::columns::Mapping;
use crate::parse::check::drift::Shape;
use crate::parse::check::{Checked, Checker};
use crate::parse::limits::ReadLimits;
use crate::parse::row::RawRow;
use crate::parse::wire::Frame;
use crate::report::findings::Findings;
use crate::roster::diff::{Diff, Draft};

/// Rows between two words about progress.
const STRIDE: u64 = 1_000;

/// What the rows of a file came to.
#[derive(Debug)]
pub(super) struct Reading {
    /// None: the file as a whole is refused, and the findings say why.
    pub(super) draft: Option<Draft>,
    pub(super) findings: Findings,
    /// The form of the file; none where it has no header.
    pub(super) shape: Option<Shape>,
}

/// Takes every frame. `diff` knows the people of the data source already.
pub(super) fn consume(
    mut frames: impl Iterator<Item = Frame>,
    mapping: &Mapping,
    limits: &ReadLimits,
    mut diff: Diff,
    progress: Option<&Progress>,
) -> Reading {
    let mut findings = Findings::default();
    let mut checker: Option<Checker> = None;
    let mut shape: Option<Shape> = None;
    let mut layout = None;
    let mut rows = 0;
    for frame in frames.by_ref() {
        match (frame, &mut checker) {
            (Frame::Layout(found), _) => layout = Some(found),
            (Frame::Note(note), _) => findings.push(note),
            (Frame::Header(header), None) => match Checker::new(mapping, &header, limits) {
                Ok((made, notes)) => {
                    shape = layout
                        .take()
                        .map(|layout| Shape::new(layout, &header.labels));
                    findings.extend(notes);
                    checker = Some(made);
                }
                Err(faults) => {
                    findings.extend(faults);
                    return Reading {
                        draft: None,
                        findings,
                        shape: None,
                    };
                }
            },
            (Frame::Row(row), Some(checker)) => {
                rows += 1;
                if rows % STRIDE == 0 {
                    progress.inspect(|tell| tell(rows));
                }
                let mut next = match checker.admit(row) {
                    Ok(next) => next,
                    Err(fault) => {
                        findings.push(fault);
                        return Reading {
                            draft: None,
                            findings,
                            shape: None,
                        };
                    }
                };
                while let Some(row) = next {
                    take(&row, checker, &mut diff, &mut findings);
                    next = checker.released();
                }
            }
            // Frames come in order, or the decoder has refused them.
            _ => {}
        }
    }
    if let Some(checker) = &mut checker {
        checker.finish();
        while let Some(row) = checker.released() {
            take(&row, checker, &mut diff, &mut findings);
        }
        findings.extend(checker.notes());
        if let Some(shape) = &mut shape {
            shape.habits = checker.habits();
            shape.rows = rows;
        }
    }
    progress.inspect(|tell| tell(rows));
    let draft = diff.finish(|finding| findings.push(finding));
    Reading {
        draft: Some(draft),
        findings,
        shape,
    }
}

fn take(row: &RawRow, checker: &mut Checker, diff: &mut Diff, findings: &mut Findings) {
    let verbatim = checker.verbatim(row);
    if verbatim.is_some_and(|verbatim| diff.recognise(row.row, verbatim)) {
        return;
    }
    let verbatim = verbatim.map(|verbatim| verbatim.hash);
    match checker.check(row) {
        Checked::Record(record, notes) => {
            diff.record(&record, verbatim.filter(|_| notes.is_empty()));
            findings.extend(notes);
        }
        Checked::Refused {
            row,
            key,
            findings: faults,
        } => {
            findings.extend(faults);
            diff.refused(row, &key);
        }
        Checked::Blank => {}
    }
}
