//! From the frames of one file to the draft of its changes, on the blocking pool.

use crate::import::Progress;
use crate::import::reader::Frames;
use crate::parse::check::columns::{MappedColumns, Mapping, Saved, resolve};
use crate::parse::check::drift::Shape;
use crate::parse::check::{Checked, Checker};
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::limits::ReadLimits;
use crate::parse::row::RawRow;
use crate::parse::wire::{Decoded, Frame};
use crate::report::findings::Findings;
use crate::roster::diff::{Diff, Draft};
use crate::roster::forgotten::Forgotten;

/// Rows between two words about progress.
const STRIDE: u64 = 1_000;

/// What the rows of a file came to.
#[derive(Debug)]
pub(super) struct Reading {
    /// None: the file as a whole is refused, and the findings say why.
    pub(super) draft: Option<Draft>,
    pub(super) findings: Findings,
    /// The form of the file; none where it has no header, or one that is refused.
    pub(super) shape: Option<Shape>,
    /// What its columns came to; none where it has no header.
    pub(super) columns: Option<MappedColumns>,
}

/// Takes every frame. `diff` knows the people of the data source already, `saved` is what the last accepted file was mapped to, and whoever is `forgotten` is left out.
pub(super) fn consume(
    frames: &mut Frames,
    mapping: &Mapping,
    saved: &Saved,
    limits: &ReadLimits,
    forgotten: Option<&Forgotten>,
    mut diff: Diff,
    progress: Option<&Progress>,
) -> Reading {
    let mut findings = Findings::default();
    let mut checker: Option<Checker> = None;
    let mut shape: Option<Shape> = None;
    let mut columns = None;
    let mut layout = None;
    let mut rows = 0;
    let mut row = RawRow::default();
    while let Some(decoded) = frames.next_into(&mut row) {
        match (decoded, &mut checker) {
            (Decoded::Row, Some(checker)) => {
                rows += 1;
                if rows % STRIDE == 0 {
                    progress.inspect(|tell| tell(rows));
                }
                let admitted = checker.admit(&row, |checker, row| {
                    take(row, checker, forgotten, &mut diff, &mut findings);
                });
                if let Err(fault) = admitted {
                    findings.push(fault);
                    return refused(findings, columns);
                }
            }
            (Decoded::Frame(Frame::Layout(found)), _) => layout = Some(found),
            (Decoded::Frame(Frame::Note(note)), _) => findings.push(note),
            (Decoded::Frame(Frame::Header(header)), None) => {
                let resolved = resolve(mapping, saved, &header);
                columns = Some(resolved.mapped());
                match Checker::with(mapping, saved, resolved, limits) {
                    Ok((made, notes)) => {
                        shape = layout
                            .take()
                            .map(|layout| Shape::new(layout, &header.labels));
                        findings.extend(notes);
                        checker = Some(made);
                    }
                    Err(faults) => {
                        findings.extend(faults);
                        return refused(findings, columns);
                    }
                }
            }
            // Frames come in order, or the decoder has refused them.
            _ => {}
        }
    }
    if let Some(checker) = &mut checker {
        checker.finish(|checker, row| take(row, checker, forgotten, &mut diff, &mut findings));
        findings.extend(checker.notes());
        let mapped = checker.mapped();
        if let Some(shape) = &mut shape {
            shape.habits = checker.habits();
            shape.forms = checker.forms();
            shape.rows = rows;
            shape.remember(mapped.clone());
        }
        if let Some(columns) = &mut columns {
            columns.columns = mapped;
        }
    }
    progress.inspect(|tell| tell(rows));
    let draft = diff.finish(|finding| findings.push(finding));
    Reading {
        draft: Some(draft),
        findings,
        shape,
        columns,
    }
}

/// Of a file that is refused as a whole.
fn refused(findings: Findings, columns: Option<MappedColumns>) -> Reading {
    Reading {
        draft: None,
        findings,
        shape: None,
        columns,
    }
}

fn take(
    row: &RawRow,
    checker: &mut Checker,
    forgotten: Option<&Forgotten>,
    diff: &mut Diff,
    findings: &mut Findings,
) {
    let verbatim = checker.verbatim(row);
    if verbatim.is_some_and(|verbatim| diff.recognise(row.row, verbatim)) {
        return;
    }
    let verbatim = verbatim.map(|verbatim| verbatim.hash);
    match checker.check(row) {
        Checked::Record(record, _) if forgotten.is_some_and(|it| it.has(record.key())) => {
            diff.leave_out(record.row, record.key());
            findings.push(left_out(record.row));
        }
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

fn left_out(row: u64) -> Finding {
    Finding::row(
        row,
        None,
        code::FORGOTTEN_PERSON,
        "The person of this row was erased on request, so the row was left out.",
        "Have the person taken out of the export; an administrator can let the person return.",
    )
    .with_severity(Severity::Info)
}
