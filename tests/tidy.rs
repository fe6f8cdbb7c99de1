//! Holds the rules of the house that no lint can: who may import what, what a file opens with, how long it may grow, what it may be called.

#![expect(
    clippy::unwrap_used,
    reason = "the allowance of .clippy.toml covers #[test] bodies only"
)]

use std::path::{Path, PathBuf};

/// A source file, cut into what ships and what tests it.
struct Source {
    /// Relative to `src/`, with slashes.
    name: String,
    text: String,
    /// `text` up to its unit tests, without comments and strings.
    code: String,
}

impl Source {
    fn is_pure(&self) -> bool {
        self.text.starts_with("//! Pure.")
    }

    /// Modules of unit tests, which may do what they like.
    fn is_test(&self) -> bool {
        self.name.ends_with("tests.rs") || self.name.contains("/tests/")
    }

    /// Every path that is imported or written out: `std::fs::File` for `use std::{fs::File, io}` too.
    fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        let mut rest = self.code.as_str();
        while let Some(at) = rest.find(|c: char| c == '_' || c.is_ascii_alphabetic()) {
            let before = rest[..at].chars().next_back();
            rest = &rest[at..];
            let end = path_end(rest);
            let path = &rest[..end];
            let starts_here =
                !matches!(before, Some(':' | '.' | '\'')) && !before.is_some_and(is_word);
            if path == "use" {
                let tree_end = rest.find(';').unwrap_or(rest.len());
                expand("", &rest[end..tree_end], &mut paths);
                rest = &rest[tree_end..];
                continue;
            }
            if starts_here && path.contains("::") {
                paths.push(path.trim_end_matches("::").to_owned());
            }
            rest = &rest[end.max(1)..];
        }
        paths
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

/// How far words joined by `::` reach.
fn path_end(text: &str) -> usize {
    let mut end = 0;
    loop {
        end += text[end..]
            .find(|c| !is_word(c))
            .unwrap_or(text.len() - end);
        if !text[end..].starts_with("::") {
            return end;
        }
        end += 2;
    }
}

/// Spells out a `use` tree.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let name = tree.split_whitespace().next().unwrap_or_default();
        paths.push(format!("{prefix}{name}"));
        return;
    };
    let prefix = format!("{prefix}{}", head.trim());
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start) = (0_i32, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[start..at].trim().is_empty() {
                    expand(&prefix, &group[start..at], paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Code without comments, string and character literals, lines kept.
fn bare(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = raw_string(rest) {
            raw
        } else if c == '"' {
            quoted(rest)
        } else if let Some(literal) = character(rest) {
            literal
        } else {
            bare.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        bare.extend(rest[..skip].chars().filter(|c| *c == '\n'));
        bare.push(' ');
        rest = &rest[skip..];
    }
    bare
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let body = hashes + 2;
    Some(
        text[body..]
            .find(&close)
            .map_or(text.len(), |end| body + end + close.len()),
    )
}

/// `'x'` or `'\n'`, but not the lifetime `'a`.
fn character(text: &str) -> Option<usize> {
    let after = text.strip_prefix('\'')?;
    if after.starts_with('\\') {
        return after[2..].find('\'').map(|end| end + 4);
    }
    let c = after.chars().next()?;
    after[c.len_utf8()..]
        .starts_with('\'')
        .then(|| c.len_utf8() + 2)
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.push(path.clone());
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = source_folder();
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let shipped = text
                .split("\n#[cfg(test)]\nmod ")
                .next()
                .unwrap_or_default();
            Source {
                name: path.strip_prefix(&root).unwrap().display().to_string(),
                code: bare(shipped),
                text,
            }
        })
        .collect()
}

/// All violations at once, so that one run tells everything.
#[track_caller]
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

fn begins(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let silent: Vec<_> = sources()
        .iter()
        .filter(|source| !source.text.starts_with("//! ") || source.text.starts_with("//! Stub"))
        .map(|source| format!("{}: no module documentation", source.name))
        .collect();
    assert_none(&silent);
}

#[test]
fn pure_files_touch_neither_files_nor_sockets_nor_the_clock() {
    let banned = [
        "tokio",
        "sqlx",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "std::time::SystemTime",
        "std::time::Instant",
        "tracing",
        "metrics",
        "crate::clock",
        "crate::telemetry",
        "crate::db",
        "jiff::Timestamp::now",
        "Timestamp::now",
        "Zoned::now",
        "SystemTime::now",
        "Instant::now",
    ];
    let mut violations = Vec::new();
    for source in sources().iter().filter(|source| source.is_pure()) {
        for path in source.paths() {
            // Addresses are values like any other; sockets are not.
            if path.starts_with("std::net::") && path.contains("Addr") {
                continue;
            }
            if banned.iter().any(|banned| begins(&path, banned)) {
                violations.push(format!("{} is pure and uses {path}", source.name));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn the_core_is_pure_and_imports_only_the_core() {
    let core = ["parse", "roster", "report"];
    let mut violations = Vec::new();
    for source in sources() {
        let stage = source.name.split(['/', '.']).next().unwrap_or_default();
        if !core.contains(&stage) || source.is_test() {
            continue;
        }
        if !source.is_pure() {
            violations.push(format!(
                "{} belongs to the core and is not pure",
                source.name
            ));
        }
        for path in source.paths() {
            let Some(module) = path.strip_prefix("crate::") else {
                continue;
            };
            let module = module.split("::").next().unwrap_or_default();
            // Who may deliver what is pure too, and gives the core its names.
            if !core.contains(&module) && module != "tenant" {
                violations.push(format!(
                    "{} belongs to the core and uses {path}",
                    source.name
                ));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn no_stage_imports_a_later_one() {
    // Who touches files must not know what becomes of them; only what writes history knows the database.
    let forbidden = [
        (
            "mailbox",
            &[
                "listen", "intake", "queue", "import", "photos", "db", "admin", "web",
            ][..],
        ),
        (
            "listen",
            &[
                "intake", "queue", "import", "photos", "db", "admin", "web", "roster", "report",
            ],
        ),
        (
            "intake",
            &["listen", "queue", "import", "photos", "admin", "web"],
        ),
        ("queue", &["listen", "import", "photos", "admin", "web"]),
        ("import", &["listen", "photos", "admin", "web"]),
        ("photos", &["listen", "notice", "admin", "web"]),
        (
            "notice",
            &[
                "listen", "intake", "queue", "import", "photos", "admin", "web",
            ],
        ),
        (
            "db",
            &[
                "listen", "intake", "queue", "import", "photos", "admin", "web",
            ],
        ),
    ];
    let mut violations = Vec::new();
    let sources = sources();
    // Values of a pure file belong to nobody's stage: the states of a job, what a delivery is called.
    let is_pure = |path: &str| {
        let file = path.trim_start_matches("crate::").split("::");
        let file = file.take(2).collect::<Vec<_>>().join("/");
        sources
            .iter()
            .any(|source| source.is_pure() && source.name == format!("{file}.rs"))
    };
    for source in &sources {
        let stage = source.name.split(['/', '.']).next().unwrap_or_default();
        let Some((_, later)) = forbidden.iter().find(|(name, _)| *name == stage) else {
            continue;
        };
        for path in source.paths() {
            let is_later = later
                .iter()
                .any(|later| begins(&path, &format!("crate::{later}")));
            if is_later && !is_pure(&path) {
                violations.push(format!("{} uses {path}", source.name));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn one_foreign_crate_has_one_home() {
    let homes = [
        ("rustls", &["listen/tls", "listen/ftps/", "notice/"][..]),
        ("tokio_rustls", &["listen/tls", "listen/ftps/", "notice/"]),
        ("hmac", &["notice/"]),
        ("rcgen", &["listen/tls"]),
        ("russh", &["listen/sftp/", "listen/host_key.rs"]),
        ("notify", &["intake/watch.rs"]),
        ("calamine", &["parse/"]),
        ("zip", &["parse/"]),
        ("encoding_rs", &["parse/", "config/"]),
        ("chardetng", &["parse/"]),
        ("html5gum", &["parse/"]),
        ("quick_xml", &["parse/"]),
        ("pgp", &["parse/", "config/"]),
        ("image", &["parse/photo"]),
        ("zune_jpeg", &["parse/photo"]),
        ("fast_image_resize", &["parse/photo"]),
        ("exif", &["parse/photo"]),
        ("landlock", &["import/"]),
        ("seccompiler", &["import/"]),
        ("csv", &["parse/", "report/", "export/"]),
        ("sqlx", &["db/", "daemon/"]),
        ("axum", &["web/"]),
        ("argon2", &["listen/hashing.rs", "config/login.rs"]),
        ("metrics", &["telemetry.rs"]),
        ("metrics_exporter_prometheus", &["telemetry.rs", "web/"]),
        ("clap", &["admin/", "main.rs"]),
        ("indicatif", &["admin/"]),
        ("rlimit", &["import/reader", "daemon/"]),
        (
            "anyhow",
            &["main.rs", "daemon/", "admin/", "import/", "queue/"],
        ),
    ];
    let mut violations = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for path in source.paths() {
            let home = homes.iter().find(|(name, _)| begins(&path, name));
            let Some((_, home)) = home else { continue };
            if !home.iter().any(|home| source.name.starts_with(home)) {
                violations.push(format!(
                    "{} uses {path}, which lives in {home:?}",
                    source.name
                ));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn tasks_are_spawned_in_one_place() {
    let mut violations = Vec::new();
    for source in sources().iter().filter(|source| source.name != "tasks.rs") {
        for path in source.paths() {
            if path == "tokio::spawn" || path == "tokio::task::spawn" {
                violations.push(format!("{} uses {path}", source.name));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn what_is_shipped_has_no_fail_points() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    assert!(!manifest.contains("\ndefault = "), "no feature by default");
    // Everywhere else a point is a call that does nothing; who asks for the feature would do something.
    let askers: Vec<_> = sources()
        .iter()
        .filter(|source| source.text.contains("\"failpoints\""))
        .map(|source| source.name.clone())
        .collect();
    assert_eq!(askers, ["failpoint.rs"]);
    let source = std::fs::read_to_string(source_folder().join("failpoint.rs")).unwrap();
    let (always, armed) = source.split_once("mod armed").unwrap();
    assert!(!bare(always).contains("std::env"), "reads the environment");
    assert!(bare(armed).contains("std::env"));
}

#[test]
fn nothing_has_a_name_that_says_nothing() {
    let empty = [
        "utils", "util", "common", "helpers", "helper", "models", "types", "manager", "misc",
    ];
    let mut paths = Vec::new();
    walk(&source_folder(), &mut paths);
    walk(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"),
        &mut paths,
    );
    let violations: Vec<_> = paths
        .iter()
        .filter(|path| {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            stem.is_some_and(|stem| empty.contains(&stem))
        })
        .map(|path| format!("{}: what is it for?", path.display()))
        .collect();
    assert_none(&violations);
}

#[test]
fn no_file_outgrows_its_room() {
    // Unit tests do not count here: past half of a file they move out of it.
    let violations: Vec<_> = sources()
        .iter()
        .map(|source| (source, source.code.lines().count()))
        .filter(|(_, lines)| *lines > 600)
        .map(|(source, lines)| format!("{}: {lines} lines", source.name))
        .collect();
    assert_none(&violations);
}

#[test]
fn this_file_reads_code_as_the_compiler_does() {
    let source = |code: &str| Source {
        name: String::new(),
        text: String::new(),
        code: bare(code),
    };
    let paths = source(
        "use std::{fs::{self, File as Open}, io};\n// tokio::spawn\nfn f<'a>(x: &'a str) -> char { let s = \"sqlx::query\"; \
         let r = r#\"std::env \"quoted\" \"#; super::csv::read(':'); tokio::time::sleep(x); '\\'' }",
    )
    .paths();
    assert_eq!(
        paths,
        [
            "std::fs::self",
            "std::fs::File",
            "std::io",
            "super::csv::read",
            "tokio::time::sleep"
        ]
    );
}
