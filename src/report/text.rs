//! Pure. Runs as text for a person at a terminal.

use jiff::Timestamp;

use crate::parse::check::columns::{Found, MappedColumns};
use crate::parse::finding::Finding;
use crate::report::run::{Outcome, Run, RunDocument};
use crate::roster::diff::Counts;
use crate::roster::person::Change;

/// Findings and changes that the text shows before it says how many more there are.
pub const SHOWN: u32 = 20;
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
            run.outcome.as_str().to_owned(),
            run.counts.joiners.to_string(),
            run.counts.movers.to_string(),
            run.counts.leavers.to_string(),
            run.counts.refused_rows.to_string(),
        ]
    }));
    let failed = runs.iter().filter_map(|run| {
        let (reason, id) = (
            run.reason.as_deref().unwrap_or_default(),
            run.id.as_deref()?,
        );
        Some(format!("{id} failed: {reason} {}", remedy(run)?))
    });
    table(&lines) + &text(&failed.collect::<Vec<_>>())
}

/// What to do about a run that has failed on our side.
fn remedy(run: &Run) -> Option<String> {
    let id = run
        .id
        .as_deref()
        .filter(|_| run.outcome == Outcome::Failed)?;
    Some(format!("Mend that, then run `rosterd retry {id}`."))
}

/// One run in full.
pub fn run(document: &RunDocument) -> String {
    let mut lines = document.mapping.as_ref().map(mapping).unwrap_or_default();
    let findings = document.findings_total.max(document.findings.len() as u64);
    if findings > 0 {
        lines.push(format!("\nFindings: {findings}"));
        lines.extend(document.findings.iter().take(SHOWN as usize).map(finding));
        lines.extend(rest(findings));
    }
    if !document.changes.is_empty() {
        let title = match document.run.outcome {
            Outcome::Held => "Changes if it is approved",
            Outcome::DryRun => "Changes if it is applied",
            _ => "Changes",
        };
        let changes = document.changes_total.max(document.changes.len() as u64);
        lines.push(format!("\n{title}: {changes}"));
        lines.extend(document.changes.iter().take(SHOWN as usize).map(change));
        lines.extend(rest(changes));
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

fn change(change: &Change) -> String {
    let fields: Vec<_> = change
        .fields
        .iter()
        .map(|(field, _)| field.name())
        .collect();
    let (kind, fields) = (change.kind.as_str(), fields.join(", "));
    format!("  {kind:<7} {}  {fields}", change.employee_id)
        .trim_end()
        .to_owned()
}

fn rest(all: u64) -> Option<String> {
    let more = all.checked_sub(u64::from(SHOWN)).filter(|more| *more > 0)?;
    Some(format!("  … and {more} more (--json shows what is kept)"))
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
