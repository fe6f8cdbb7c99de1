//! `docs/clients.md`: the table and what the users of each client should know.

use std::fmt::Write as _;
use std::path::Path;

use super::feature::Feature;
use super::{Cell, Family, Row};
use crate::harness::Port;

const HEAD: &str = "# Clients

What the programs and libraries that HR systems send with can do here. The tests make this page: each mark is a run of the real client against the real
server (`tests/it/clients`; `ROSTERD_WRITE_DOCS=1 cargo test --test it -- every_client` writes it anew).

✓ works. – is a limit of the client's own; a number leads to the note below the table.
";

pub(crate) fn render(families: &[&Family], rows: &[Row]) -> String {
    let mut page = HEAD.to_owned();
    for (title, is_sftp) in [("FTPS", false), ("SFTP", true)] {
        let rows: Vec<&Row> = rows
            .iter()
            .filter(|row| (row.kind.port == Port::Sftp) == is_sftp)
            .collect();
        write!(page, "\n## {title}\n\n").unwrap();
        table(&mut page, &rows);
    }
    page.push_str("\n## What the columns promise\n\n");
    for feature in Feature::ALL {
        writeln!(page, "- **{}**: {}", feature.title(), feature.promise()).unwrap();
    }
    page.push_str(
        "\n## Settings\n\nThe login name is `host|user`, or `user` alone; `host+user` where a client refuses the pipe.\n",
    );
    for family in families {
        write!(page, "\n### {}\n\n{}\n", family.title, family.advice).unwrap();
    }
    page
}

fn table(page: &mut String, rows: &[&Row]) {
    let mut notes: Vec<&str> = Vec::new();
    let titles = Feature::ALL.map(Feature::title).join(" | ");
    writeln!(page, "| | {titles} |").unwrap();
    writeln!(page, "|---|{}", ":-:|".repeat(Feature::ALL.len())).unwrap();
    for row in rows {
        let cells = row.cells.iter().map(|cell| {
            let (mark, note) = match cell {
                Cell::Works => return "✓".to_owned(),
                Cell::WorksBut(note) => ("✓", note),
                Cell::Cannot(note) => ("–", note),
                Cell::Fails(note) => ("✗", note),
            };
            let known = notes.iter().position(|known| known == note);
            let number = known.unwrap_or_else(|| {
                notes.push(note);
                notes.len() - 1
            });
            format!("{mark} <sup>{}</sup>", number + 1)
        });
        let cells = cells.collect::<Vec<_>>().join(" | ");
        writeln!(page, "| {} | {cells} |", row.kind.name).unwrap();
    }
    page.push('\n');
    for (number, note) in notes.iter().enumerate() {
        writeln!(page, "{}. {note}", number + 1).unwrap();
    }
}

/// Compares a page with the one that is committed, or writes it.
pub(crate) fn compare(page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients.md");
    if std::env::var_os("ROSTERD_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differences: Vec<String> = lines_of_one(&committed, page, '-')
        .chain(lines_of_one(page, &committed, '+'))
        .collect();
    assert!(
        committed == page,
        "docs/clients.md is not what the runs say; ROSTERD_WRITE_DOCS=1 writes it anew:\n{}",
        differences.join("\n")
    );
}

fn lines_of_one<'a>(one: &'a str, other: &'a str, sign: char) -> impl Iterator<Item = String> + 'a {
    one.lines()
        .filter(|line| !other.lines().any(|it| it == *line))
        .map(move |line| format!("{sign} {line}"))
}
