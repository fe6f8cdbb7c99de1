//! Pure. The summary: one page about a run for whoever sent the file, to be read in a browser or printed. It stands alone, and has no script and nobody's data.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::parse::finding::{Finding, Severity};
use crate::report::run::{Outcome, Run};
use crate::roster::diff::Counts;

/// Rows that are named of one kind of finding.
const ROWS: usize = 6;
/// Kinds of findings; a page is to stay one.
const KINDS: usize = 20;
const STYLE: &str = include_str!("summary.css");

/// The files that the page names.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// Where all findings are listed; none if there are none.
    pub error_file: Option<&'a str>,
    pub receipt: &'a str,
}

/// Findings of one kind.
struct Kind<'a> {
    first: &'a Finding,
    count: usize,
    rows: Vec<u64>,
}

/// What an outcome is called, what it means, and what follows from it.
struct Words {
    tone: &'static str,
    name: &'static str,
    headline: &'static str,
    next: &'static str,
}

/// The page about `run`, which had `total` findings; its times are told as the clocks of `zone` had them.
pub fn summary(
    run: &Run,
    findings: &[Finding],
    total: u64,
    zone: &TimeZone,
    beside: Beside<'_>,
) -> Vec<u8> {
    let words = words(run.outcome);
    let mut page = String::with_capacity(16 * 1024);
    let file_name = run.file_name.as_deref().unwrap_or("rosterd");
    let title = format!("{file_name}: {}", words.name);
    page.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    line(
        &mut page,
        format_args!("<title>{}</title>", escaped(&title)),
    );
    line(
        &mut page,
        format_args!("<style>\n{STYLE}</style>\n</head>\n<body>"),
    );
    line(&mut page, format_args!("<main class=\"{}\">", words.tone));
    head(&mut page, run, &words, zone);
    people(&mut page, run);
    problems(&mut page, findings, total, beside.error_file);
    foot(&mut page, run, beside);
    page.push_str("</main>\n</body>\n</html>\n");
    page.into_bytes()
}

fn head(page: &mut String, run: &Run, words: &Words, zone: &TimeZone) {
    line(
        page,
        format_args!("<p class=\"outcome\">{}</p>", words.name),
    );
    line(page, format_args!("<h1>{}</h1>", words.headline));
    line(page, format_args!("<p class=\"next\">{}</p>", words.next));
    if let Some(reason) = &run.reason {
        line(
            page,
            format_args!("<p class=\"reason\">{}</p>", escaped(reason)),
        );
    }
    page.push_str("<dl class=\"facts\">\n");
    let facts = [
        ("File", run.file_name.clone()),
        ("Data source", Some(run.source.clone())),
        (
            "Tenant",
            Some(format!("{}, {}", run.tenant, run.environment)),
        ),
        ("Looked at", run.finished_at.map(|at| moment(at, zone))),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            line(
                page,
                format_args!("<dt>{name}</dt><dd>{}</dd>", escaped(&value)),
            );
        }
    }
    page.push_str("</dl>\n");
}

fn people(page: &mut String, run: &Run) {
    let Counts {
        rows,
        refused_rows,
        skipped,
        collapsed,
        ..
    } = run.counts;
    if rows == 0 {
        return;
    }
    let is_done = matches!(run.outcome, Outcome::Applied | Outcome::NoChange);
    let is_possible = matches!(run.outcome, Outcome::Held | Outcome::DryRun);
    let title = match (is_done, is_possible) {
        (true, _) => "People",
        (_, true) => "What the file would do",
        _ => "Rows",
    };
    line(page, format_args!("<h2>{title}</h2>"));
    if is_done || is_possible {
        changes(page, &run.counts, is_done);
    }
    let mut parts = vec![format!("{} read", grouped(rows))];
    for (count, word) in [
        (refused_rows, "refused: their people stay as they are"),
        (skipped, "left out"),
        (collapsed, "identical copies, counted once"),
    ] {
        if count > 0 {
            parts.push(format!("{} {word}", grouped(count)));
        }
    }
    line(
        page,
        format_args!("<p class=\"rows\">Rows: {}.</p>", parts.join("; ")),
    );
}

fn changes(page: &mut String, counts: &Counts, is_done: bool) {
    let Counts {
        joiners,
        movers,
        leavers,
        unchanged,
        ..
    } = *counts;
    page.push_str("<ul class=\"people\">\n");
    for (count, done, would) in [
        (joiners, "joined", "would join"),
        (movers, "changed", "would change"),
        (leavers, "left", "would leave"),
        (unchanged, "unchanged", "unchanged"),
    ] {
        let word = if is_done { done } else { would };
        line(
            page,
            format_args!("<li><b>{}</b><span>{word}</span></li>", grouped(count)),
        );
    }
    page.push_str("</ul>\n");
}

fn problems(page: &mut String, findings: &[Finding], total: u64, error_file: Option<&str>) {
    page.push_str("<h2>What was found</h2>\n");
    if total == 0 {
        page.push_str("<p>Nothing is wrong with the file.</p>\n");
        return;
    }
    let kinds = kinds(findings);
    page.push_str("<table>\n<thead><tr><th></th><th>What and where</th><th>What to do</th><th class=\"count\">How often</th></tr></thead>\n<tbody>\n");
    for kind in kinds.iter().take(KINDS) {
        let Finding {
            severity,
            message,
            remedy,
            code,
            ..
        } = kind.first;
        let severity = severity.as_str();
        let place = place(kind);
        line(
            page,
            format_args!(
                "<tr><td><span class=\"mark {severity}\">{severity}</span></td><td>{}<small>{}{}</small></td><td>{}</td><td class=\"count\">{}</td></tr>",
                escaped(message),
                escaped(&place),
                escaped(code),
                escaped(remedy),
                grouped(kind.count as u64)
            ),
        );
    }
    page.push_str("</tbody>\n</table>\n");
    let more = kinds.len().saturating_sub(KINDS);
    let more = if more > 0 {
        format!("{more} other kinds of findings are not shown here. ")
    } else {
        String::new()
    };
    if let Some(error_file) = error_file {
        let listed = findings.len() as u64;
        let all = match total {
            1 => "The finding stands".to_owned(),
            total if total > listed => format!(
                "The first {} of {} findings stand",
                grouped(listed),
                grouped(total)
            ),
            total => format!("All {} findings stand", grouped(total)),
        };
        line(
            page,
            format_args!(
                "<p class=\"rows\">{more}{all} in <a href=\"{0}\">{0}</a>, row by row.</p>",
                escaped(error_file)
            ),
        );
    }
}

fn foot(page: &mut String, run: &Run, beside: Beside<'_>) {
    let delivery = run.delivery.as_deref().unwrap_or("-");
    let id = run.id.as_deref().unwrap_or("-");
    line(
        page,
        format_args!(
            "<footer>Delivery {}. Import run {}. SHA-256 of the file: {}. For programs: <a href=\"{4}\">{4}</a>. Written by rosterd as of {3}; a later outcome of this delivery replaces this page.</footer>",
            escaped(delivery),
            escaped(id),
            escaped(run.sha256.as_deref().unwrap_or("-")),
            run.finished_at
                .map_or_else(|| "now".to_owned(), |at| format!("{at:.0}")),
            escaped(beside.receipt),
        ),
    );
}

const fn words(outcome: Outcome) -> Words {
    let (tone, name, headline, next) = match outcome {
        Outcome::Applied => (
            "good",
            "Applied",
            "The roster is as the file says.",
            "Nothing is to be done, unless a row was refused.",
        ),
        Outcome::NoChange => (
            "good",
            "No change",
            "The file says what the roster says already.",
            "Nothing is to be done, unless a row was refused.",
        ),
        Outcome::Held => (
            "wait",
            "Held",
            "Nothing was changed: a person has to look at this file first.",
            "An administrator approves or rejects it. If the file is wrong, send a corrected one: it takes the place of this one.",
        ),
        Outcome::DryRun => (
            "wait",
            "Dry run",
            "Nothing was changed: this data source is not live yet.",
            "Look at what the file would do. An administrator publishes the data source; the files after that are applied.",
        ),
        Outcome::Refused => (
            "bad",
            "Refused",
            "Nothing was changed: this file cannot be used.",
            "Correct what is said below, and send the file again under the same name.",
        ),
        Outcome::Superseded => (
            "plain",
            "Superseded",
            "Nothing was changed: a newer file has taken the place of this one.",
            "Nothing is to be done.",
        ),
        Outcome::Failed => (
            "bad",
            "Failed",
            "Nothing was changed: the file could not be imported.",
            "The fault is not in the file. Whoever runs this server has to mend it; sending the file again does no harm.",
        ),
        Outcome::Queued | Outcome::Running => (
            "plain",
            "Under way",
            "The file is being looked at.",
            "This page will be replaced.",
        ),
    };
    Words {
        tone,
        name,
        headline,
        next,
    }
}

/// The findings by severity, code and column, the worst first and then the most frequent.
fn kinds(findings: &[Finding]) -> Vec<Kind<'_>> {
    let mut kinds: BTreeMap<(Severity, &str, Option<&str>), Kind<'_>> = BTreeMap::new();
    for finding in findings {
        let key = (
            finding.severity,
            finding.code.as_str(),
            finding.column.as_deref(),
        );
        let kind = kinds.entry(key).or_insert(Kind {
            first: finding,
            count: 0,
            rows: Vec::new(),
        });
        kind.count += 1;
        kind.rows.extend(finding.row);
    }
    let mut kinds: Vec<_> = kinds.into_values().collect();
    kinds.sort_by_key(|kind| (kind.first.severity, std::cmp::Reverse(kind.count)));
    kinds
}

/// Column and rows, with a separator behind them if there is either.
fn place(kind: &Kind<'_>) -> String {
    let mut place = String::new();
    if let Some(column) = &kind.first.column {
        push(&mut place, format_args!("column {column} · "));
    }
    let rows: Vec<_> = kind.rows.iter().take(ROWS).map(u64::to_string).collect();
    let word = if kind.rows.len() == 1 { "row" } else { "rows" };
    if !rows.is_empty() {
        push(&mut place, format_args!("{word} {}", rows.join(", ")));
        let more = kind.rows.len() - rows.len();
        if more > 0 {
            push(
                &mut place,
                format_args!(" and {} more", grouped(more as u64)),
            );
        }
        place.push_str(" · ");
    }
    place
}

fn moment(at: Timestamp, zone: &TimeZone) -> String {
    let there = at.to_zoned(zone.clone());
    there.strftime("%-d %B %Y, %H:%M:%S %Z").to_string()
}

/// A number with a comma before every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Text as HTML, in elements and in quoted attributes; what would steer a reader's direction of writing goes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' => html.push(' '),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                html.push('\u{fffd}');
            }
            c if c.is_control() => html.push('\u{fffd}'),
            c => html.push(c),
        }
    }
    html
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    push(page, text);
    page.push('\n');
}

/// Memory takes every write.
fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::tests::example;

    fn page(run: &Run, findings: &[Finding], total: u64) -> String {
        let zone = TimeZone::get("Australia/Melbourne").unwrap();
        let beside = Beside {
            error_file: (total > 0).then_some("0193-delivery.errors.csv"),
            receipt: "0193-delivery.receipt.json",
        };
        String::from_utf8(summary(run, findings, total, &zone, beside)).unwrap()
    }

    /// Without the part that is the same everywhere.
    fn body(page: &str) -> &str {
        page.split_once("<body>").unwrap().1
    }

    #[test]
    fn an_applied_file_reads_well_r2_30() {
        let document = example();
        insta::assert_snapshot!(body(&page(&document.run, &document.findings, 1)));
    }

    #[test]
    fn a_refused_file_says_why_and_groups_what_is_wrong_with_its_rows() {
        let mut run = example().run;
        run.outcome = Outcome::Refused;
        run.reason = Some("Every row of the file was refused, so nothing was changed.".to_owned());
        let row = |row| Finding::row(row, Some("Start"), "type-error", "No date.", "Mend it.");
        let mut findings: Vec<_> = (2..2002).map(row).collect();
        findings.push(
            Finding::file("encoding-chosen", "Read as windows-1252.", "")
                .with_severity(Severity::Info),
        );
        insta::assert_snapshot!(body(&page(&run, &findings, 12_001)));
    }

    #[test]
    fn nothing_of_a_file_becomes_markup_and_the_page_loads_nothing() {
        let mut run = example().run;
        run.file_name = Some("<script>alert(1)</script>\u{202e}.csv".to_owned());
        let finding = Finding::row(2, Some("\"><img src=x>"), "x", "<b>&", "</table>");
        let page = page(&run, &[finding], 1);
        for bad in [
            "<script",
            "<img",
            "<b>&",
            "</table><",
            "\u{202e}",
            "http://",
            "https://",
        ] {
            assert!(!body(&page).contains(bad), "{bad}");
        }
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;\u{fffd}.csv"));
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn the_same_run_makes_the_same_page_to_the_byte() {
        let document = example();
        let again = document.clone();
        assert_eq!(
            page(&document.run, &document.findings, 1),
            page(&again.run, &again.findings, 1)
        );
    }

    #[test]
    fn every_outcome_has_a_page_and_numbers_read_well() {
        for outcome in [
            Outcome::Held,
            Outcome::DryRun,
            Outcome::Superseded,
            Outcome::Failed,
            Outcome::NoChange,
        ] {
            let mut run = example().run;
            run.outcome = outcome;
            assert!(page(&run, &[], 0).contains("Nothing is wrong with the file."));
        }
        let numbers = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
    }
}
