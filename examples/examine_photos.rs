//! Looks at every photo of a folder as the child process does, and prints how many there were and how long it took: `examine_photos FOLDER [conform|each]`.
//!
//! With `each`, one line a photo: its name, and the codes of what was found. For `benches/readers/photos.py`.

use std::io::{Write as _, stdout};
use std::time::Instant;

use anyhow::Context as _;
use rosterd::parse::finding::Severity;
use rosterd::parse::photo::{Wish, examine};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("which folder?")?;
    let how = arguments.next().unwrap_or_default();
    let wish = if how == "conform" {
        Wish::Conform
    } else {
        Wish::Tell
    };
    let mut paths: Vec<_> = std::fs::read_dir(&folder)?
        .map(|entry| entry.map(|it| it.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let mut out = stdout().lock();
    let (mut refused, mut conformed) = (0, 0);
    let start = Instant::now();
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let examined = examine(&name, &std::fs::read(path)?, wish);
        let is_refused = examined
            .findings
            .iter()
            .any(|it| it.severity == Severity::Error);
        refused += u64::from(is_refused);
        conformed += u64::from(examined.conformed.is_some());
        if how == "each" {
            let codes: Vec<_> = examined
                .findings
                .iter()
                .map(|it| it.code.as_str())
                .collect();
            writeln!(out, "{name}\t{}", codes.join(" "))?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    writeln!(
        out,
        "{{\"photos\": {}, \"refused\": {refused}, \"conformed\": {conformed}, \"seconds\": {seconds:.3}}}",
        paths.len()
    )?;
    Ok(())
}
