//! One night at a large customer: 100,000 people in 30 columns, 1 % changed, 0.2 % left, 0.2 % joined; read, checked, compared and applied.
//!
//! `cargo bench` runs the real binary as an admin would (`rosterd import`, which reads in a child process, applies to SQLite with full
//! synchronisation and writes receipt and error file), and takes wall time and peak memory of the whole thing from outside.
//! `cargo bench -- ROWS RUNS` for other sizes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at the first surprise and prints its figures"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const HEADER: &str = "Employee ID,First Name,Last Name,Work Email,Job Title,Department,Division,Company,Cost Center,Location,Manager ID,Employment Status,\
Employment Type,Hire Date,Birth Date,Gender,Work Phone,Mobile Phone,Address Line 1,City,State,Postal Code,Country,Annual Pay,Currency,\
Custom 1,Custom 2,Custom 3,Custom 4,Custom 5\n";

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let rows = numbers.next().unwrap_or(100_000);
    let runs = numbers.next().unwrap_or(7);
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path());
    let file = folder.path().join("employees.csv");

    let size_bytes = write_night(&file, rows, 0);
    let first = import(folder.path(), &file);
    println!(
        "{rows} rows x 30 columns, {} MB; medians of {runs} nights",
        size_bytes / 1_000_000
    );
    println!(
        "first import (everybody joins): {:.2} s, peak {} MB + reader {} MB",
        first.wall.as_secs_f64(),
        first.peak_mb,
        first.reader_peak_mb
    );

    let mut nights: Vec<Night> = (1..=runs)
        .map(|night| {
            write_night(&file, rows, night);
            import(folder.path(), &file)
        })
        .collect();
    nights.sort_by_key(|night| night.wall);
    let median = &nights[nights.len() / 2];
    let (best, worst) = (&nights[0], &nights[nights.len() - 1]);
    println!(
        "1 % changed: median {:.2} s (best {:.2}, worst {:.2}), peak {} MB + reader {} MB",
        median.wall.as_secs_f64(),
        best.wall.as_secs_f64(),
        worst.wall.as_secs_f64(),
        nights.iter().map(|night| night.peak_mb).max().unwrap(),
        nights
            .iter()
            .map(|night| night.reader_peak_mb)
            .max()
            .unwrap(),
    );
}

struct Night {
    wall: Duration,
    peak_mb: u64,
    reader_peak_mb: u64,
}

/// Imports `file` and watches the peak memory of the command and of the child that reads for it.
fn import(folder: &Path, file: &Path) -> Night {
    let started = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"))
        .args(["import", "--tenant", "bench", "--config"])
        .arg(folder.join("rosterd.toml"))
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut peak_mb, mut reader_peak_mb) = (0, 0);
    let status = loop {
        if let Some(status) = command.try_wait().unwrap() {
            break status;
        }
        peak_mb = peak_mb.max(peak_of(command.id()));
        for child in children_of(command.id()) {
            reader_peak_mb = reader_peak_mb.max(peak_of(child));
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let wall = started.elapsed();
    assert!(status.success(), "the import ended with {status}");
    Night {
        wall,
        peak_mb,
        reader_peak_mb,
    }
}

fn peak_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

fn children_of(process: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else {
        return Vec::new();
    };
    threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|children| {
            children
                .split_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

fn configure(folder: &Path) {
    std::fs::create_dir(folder.join("tenants")).unwrap();
    std::fs::write(
        folder.join("rosterd.toml"),
        "[server]\nhosts = [\"localhost\"]\nstate_dir = \"var\"\ntenants = \"tenants\"\n[database]\nurl = \"sqlite://var/rosterd.db\"\n\
[sftp]\nlisten = [\"127.0.0.1:0\"]\nhost_keys = [\"host_key\"]\ngenerate = true\n",
    )
    .unwrap();
    std::fs::write(
        folder.join("tenants/bench.toml"),
        "name = \"bench\"\n[[data_source]]\nname = \"employees\"\nfile_name = \"employees.csv\"\ngo_live = \"at_once\"\n[data_source.safeguard]\nmax_leavers = 100000\n",
    )
    .unwrap();
}

/// Writes the file of a night: people `night * joiners ..` with every hundredth changed.
fn write_night(file: &Path, rows: usize, night: usize) -> u64 {
    let turnover = rows / 500;
    let mut text = String::with_capacity(rows * 300);
    text.push_str(HEADER);
    for person in night * turnover..night * turnover + rows {
        let title = if person % 100 == night % 100 {
            format!("Grade {night}")
        } else {
            "Machinist".to_owned()
        };
        let (department, city, manager) = (person % 40, person % 17, person / 10);
        writeln!(
            text,
            "{person:06},Given{person},Family{},person{person}@bench.example,{title},Department {department},Division {},Bench Ltd,CC{department:04},Site {city},{manager:06},Active,\
Full time,20{:02}-0{}-1{},19{:02}-1{}-0{},X,+61 3 5550 {:04},+61 4 5550 {:04},{} Long Street,City {city},VIC,3{:03},AU,{}.00,AUD,a{person},b{department},c{city},,e",
            person % 5000,
            department / 8,
            person % 25,
            person % 9 + 1,
            person % 10,
            60 + person % 40,
            person % 3,
            person % 9 + 1,
            person % 10_000,
            (person * 7) % 10_000,
            person % 300,
            person % 1000,
            50_000 + person % 70_000,
        )
        .unwrap();
    }
    std::fs::write(file, &text).unwrap();
    text.len() as u64
}
