//! Pure. Runs as text for a person at a terminal.

use jiff::Timestamp;

use crate::parse::check::columns::{Found, MappedColumns};
use crate::parse::finding::Finding;
use crate::report::run::{Outcome, Run, RunDocument, RunKind};
use crate::roster::diff::Counts;
use crate::roster::person::Change;

/// Findings and changes that the text shows before it says how many more there are.
pub const SHOWN: u32 = 20;
/// Changes of a run that waits for a person: whoever decides wants to know who would go.
pub const SHOWN_HELD: u32 = 100;
/// Characters of a header up to which the words behind it stand below each other.
const WIDEST: usize = 40;

/// A table of runs.
pub fn runs(runs: &[Run]) -> String {
    if runs.is_empty() {
        return "No import runs yet.\n".to_owned();
    }
    let head = [
        "RUN",
        "STARTED",
        "TENANT",
        "SOURCE",
        "OUTCOME",
        "JOINED",
        "CHANGED",
        "LEFT",
        "REFUSED ROWS",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(runs.iter().map(|run| {
        [
            run.id.clone().unwrap_or_default(),
            run.started_at
                .map_or_else(|| "-".to_owned(), |at| format!("{at:.0}")),
            format!("{}/{}", run.tenant, run.environment),
            run.source.clone(),
            match run.kind {
                RunKind::Delivery => run.outcome.as_str().to_owned(),
                kind => format!("{} ({})", run.outcome.as_str(), kind.as_str()),
            },
            run.counts.joiners.to_string(),
            run.counts.movers.to_string(),
            run.counts.leavers.to_string(),
            run.counts.refused_rows.to_string(),
        ]
    }));
    let waiting = runs.iter().filter_map(|run| {
        let (reason, id) = (
            run.reason.as_deref().unwrap_or_default(),
            run.id.as_deref()?,
        );
        let state = match run.outcome {
            Outcome::Held => "waits for a person",
            _ => "failed",
        };
        let look = match run.outcome {
            Outcome::Held => format!(" `rosterd run {id}` shows it."),
            _ => String::new(),
        };
        Some(format!("{id} {state}: {reason}{look} {}", remedy(run)?))
    });
    table(&lines) + &text(&waiting.collect::<Vec<_>>())
}

/// What to do about a run that waits for somebody.
fn remedy(run: &Run) -> Option<String> {
    let id = run.id.as_deref()?;
    match run.outcome {
        Outcome::Failed => Some(format!("Mend that, then run `rosterd retry {id}`.")),
        Outcome::Held => Some(format!(
            "Look at who would go, then run `rosterd approve {id}` or `rosterd reject {id}`."
        )),
        _ => None,
    }
}

/// One run, with its first findings and changes.
pub fn run(document: &RunDocument) -> String {
    let shown = match document.run.outcome {
        Outcome::Held => SHOWN_HELD,
        _ => SHOWN,
    };
    showing(document, shown)
}

/// One run, with all of its changes that are in the document.
pub fn run_in_full(document: &RunDocument) -> String {
    showing(document, u32::MAX)
}

fn showing(document: &RunDocument, most_changes: u32) -> String {
    let mut lines = document.mapping.as_ref().map(mapping).unwrap_or_default();
    let findings = document.findings_total.max(document.findings.len() as u64);
    if findings > 0 {
        lines.push(format!("\nFindings: {findings}"));
        lines.extend(document.findings.iter().take(SHOWN as usize).map(finding));
        lines.extend(rest(findings, SHOWN, "--json shows what is kept"));
    }
    if !document.changes.is_empty() {
        let title = match document.run.outcome {
            Outcome::Held => "Changes if it is approved",
            Outcome::DryRun => "Changes if it is applied",
            _ => "Changes",
        };
        let changes = document.changes_total.max(document.changes.len() as u64);
        lines.push(format!("\n{title}: {changes}"));
        let shown = document.changes.iter().take(most_changes as usize);
        lines.extend(shown.map(change));
        let how = match &document.run.id {
            Some(id) => format!("`rosterd run {id} --all` shows them"),
            None => "--json shows them".to_owned(),
        };
        lines.extend(rest(changes, most_changes, &how));
    }
    summary(&document.run) + &text(&lines)
}

/// Which column holds which field, and what is left.
fn mapping(mapping: &MappedColumns) -> Vec<String> {
    let mut lines = vec![format!("\nColumns: {} fields", mapping.columns.len())];
    let quoted = |header: &str| format!("\"{header}\"");
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0).min(WIDEST);
    let columns = || mapping.columns.iter();
    let fields = widest(&mut columns().map(|it| it.field_name().len()));
    let headers = widest(&mut columns().map(|it| quoted(&it.header).chars().count()));
    lines.extend(columns().map(|column| {
        let how = match column.found {
            Found::Configured => "named in the configuration",
            Found::Saved => "as in the last accepted file",
            Found::Synonym => "a known header",
            Found::Derived => "taken out of \"Last, First\"",
        };
        let (field, header) = (column.field_name(), quoted(&column.header));
        format!("  {field:<fields$}  {header:<headers$}  {how}")
    }));
    if !mapping.unused.is_empty() {
        let shown = mapping.unused.iter().take(SHOWN as usize);
        let shown: Vec<_> = shown.map(|header| quoted(header)).collect();
        let more = match mapping.unused.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        lines.push(format!("Not used: {}{more}", shown.join(", ")));
    }
    if !mapping.suggestions.is_empty() {
        lines.push("Perhaps, to be written under [data_source.columns] if it is right:".to_owned());
        let suggestions = mapping.suggestions.iter();
        lines.extend(suggestions.map(|suggestion| format!("  {}", suggestion.line)));
    }
    lines
}

/// What a run came to, without findings and changes.
pub fn summary(run: &Run) -> String {
    let outcome = match run.would {
        Some(would) => format!("dry run: would be {}", would.as_str()),
        None => run.outcome.as_str().to_owned(),
    };
    let place = format!("{}/{}, {}", run.tenant, run.environment, run.source);
    let time = |at: Option<Timestamp>| at.map(|at| format!("{at:.0}"));
    let lines = [
        ("run", run.id.clone()),
        ("kind", kind(run)),
        ("file", run.file_name.clone()),
        ("tenant", Some(place)),
        ("outcome", Some(outcome)),
        ("reason", run.reason.clone()),
        ("to do", remedy(run)),
        ("started", time(run.started_at)),
        ("finished", time(run.finished_at)),
        ("people", Some(people(&run.counts))),
        ("rows", Some(rows(&run.counts))),
    ];
    let told = lines
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    text(
        &told
            .map(|(name, value)| format!("{name:<9} {value}"))
            .collect::<Vec<_>>(),
    )
}

/// Of what it is a run, where it is not of a file that has come in by itself.
fn kind(run: &Run) -> Option<String> {
    let about = run.about.as_deref();
    let by = run.asked_by.as_deref();
    (run.kind != RunKind::Delivery).then(|| {
        let about = about.map(|about| format!(" of {about}"));
        let by = by.map(|by| format!(", asked for by {by}"));
        let [about, by] = [about, by].map(Option::unwrap_or_default);
        format!("{}{about}{by}", run.kind.as_str())
    })
}

fn people(counts: &Counts) -> String {
    let Counts {
        joiners,
        movers,
        leavers,
        unchanged,
        ..
    } = counts;
    format!("{joiners} joined, {movers} changed, {leavers} left, {unchanged} unchanged")
}

fn rows(counts: &Counts) -> String {
    let Counts {
        rows,
        refused_rows,
        skipped,
        collapsed,
        ..
    } = counts;
    format!("{rows} read, {refused_rows} refused, {skipped} skipped, {collapsed} identical copies")
}

fn finding(finding: &Finding) -> String {
    let place = match (finding.row, &finding.column) {
        (Some(row), Some(column)) => format!("row {row}, {column}"),
        (Some(row), None) => format!("row {row}"),
        (None, Some(column)) => column.clone(),
        (None, None) => "file".to_owned(),
    };
    let Finding {
        message, remedy, ..
    } = finding;
    let severity = finding.severity.as_str();
    format!("  {severity:<7} {place}: {message} {remedy}")
}

/// Who it is about, and which fields change.
pub fn change(change: &Change) -> String {
    let fields: Vec<_> = change
        .fields
        .iter()
        .map(|(field, _)| field.name())
        .collect();
    let kind = change.kind.as_str();
    let name = change.name.as_deref().unwrap_or_default();
    let fields = match fields.as_slice() {
        [] => String::new(),
        fields => format!("({})", fields.join(", ")),
    };
    let words = [change.employee_id.as_str(), name, &fields];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!("  {kind:<7} {}", words.join("  "))
}

fn rest(all: u64, shown: u32, how: &str) -> Option<String> {
    let more = all.checked_sub(u64::from(shown)).filter(|more| *more > 0)?;
    Some(format!("  … and {more} more ({how})"))
}

/// The lines, each ended, without characters that would steer a terminal.
pub fn text(lines: &[String]) -> String {
    let ended: String = lines
        .iter()
        .flat_map(|line| [line.as_str(), "\n"])
        .collect();
    let printable = |c: char| {
        if c.is_control() && c != '\n' {
            '\u{fffd}'
        } else {
            c
        }
    };
    ended.chars().map(printable).collect()
}

/// One line, without characters that would steer a terminal, to be ended by whoever prints it.
pub fn line(line: &str) -> String {
    text(&[line.to_owned()]).trim_end().to_owned()
}

/// Columns as wide as their widest cell, two blanks between them.
pub fn table<const N: usize>(lines: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or(0)
    });
    let line = |line: &[String; N]| {
        let cells = line.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    text(&lines.iter().map(line).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::Outcome;
    use crate::report::run::tests::{example, mapping};

    #[test]
    fn a_run_reads_well_at_a_terminal() {
        insta::assert_snapshot!(run(&example()));
    }

    #[test]
    fn a_dry_run_shows_what_each_column_came_to() {
        let document = RunDocument {
            mapping: Some(mapping()),
            ..example()
        };
        insta::assert_snapshot!(run(&document));
    }

    #[test]
    fn runs_are_a_table() {
        let mut second = example().run;
        second.outcome = Outcome::Queued;
        second.started_at = None;
        insta::assert_snapshot!(runs(&[example().run, second]));
        assert_eq!(runs(&[]), "No import runs yet.\n");
    }

    #[test]
    fn a_held_run_shows_who_would_go_and_what_to_type() {
        let mut document = example();
        document.run.outcome = Outcome::Held;
        document.run.reason = Some("30 of 31 people would leave.".to_owned());
        document.changes = vec![
            Change {
                kind: crate::roster::person::ChangeKind::Leaver,
                employee_id: "E1".to_owned(),
                name: Some("Ada Li".to_owned()),
                fields: crate::roster::person::FieldChanges::default(),
            };
            130
        ];
        document.changes_total = 130;
        let first = run(&document);
        assert_eq!(first.matches("leaver  E1  Ada Li").count(), 100);
        assert!(
            first.contains("… and 30 more (`rosterd run 0193-run --all` shows them)"),
            "{first}"
        );
        assert_eq!(run_in_full(&document).matches("leaver  E1").count(), 130);
        for text in [first, runs(&[document.run])] {
            assert!(
                text.contains("`rosterd approve 0193-run` or `rosterd reject 0193-run`"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_run_that_somebody_asked_for_says_so() {
        let mut undo = example().run;
        undo.kind = RunKind::Undo;
        undo.about = Some("0192-run".to_owned());
        undo.asked_by = Some("ada as root".to_owned());
        undo.file_name = None;
        let told = summary(&undo);
        assert!(
            told.contains("kind      undo of 0192-run, asked for by ada as root\n"),
            "{told}"
        );
        assert!(!told.contains("file"), "{told}");
        assert!(runs(&[undo]).contains("applied (undo)"));
    }

    #[test]
    fn a_failed_run_says_what_to_do() {
        let mut failed = example().run;
        failed.outcome = Outcome::Failed;
        failed.reason = Some("The disk was full.".to_owned());
        let todo = format!("`rosterd retry {}`", failed.id.clone().unwrap());
        for text in [summary(&failed), runs(&[failed])] {
            assert!(text.contains("The disk was full."), "{text}");
            assert!(text.contains(&todo), "{text}");
        }
    }
}
