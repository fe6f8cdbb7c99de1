//! Damage to every fixture, in process: whatever becomes of a file, it ends as read or as refused, and nothing panics or takes long.
//!
//! A few hundred times with a fixed seed in a normal test run; `tests/soak.sh` asks for many more. Memory is held in `tests/it/damaged_files.rs`, by the
//! child's own limits.

use std::time::{Duration, Instant};

use super::golden::fixtures;
use super::mangle::{Dice, damaged};
use crate::parse::laws;

/// Built for speed none takes a second; this is for a build without optimisation on a machine that has other things to do.
const DEADLINE: Duration = Duration::from_secs(20);
/// Those that unpack to tens of megabytes take too long to be broken over and over.
const BOMB: &str = "bomb";

/// What the environment asks for.
pub(in crate::parse::read) fn asked(name: &str, otherwise: u64) -> u64 {
    match std::env::var(format!("ROSTERD_SOAK_{name}")) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => otherwise,
    }
}

/// Says which damage it was, if a law is broken.
struct Told<'a>(&'a str, u64);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("broken by damage {} to {}", self.1, self.0);
        }
    }
}

/// Holds the law for so many damaged copies of each file; how many there were, and how long the slowest took.
fn held(of: &str, times: u64, law: impl Fn(&[u8], &mut Dice)) -> (u64, Duration) {
    let (mut count, mut slowest) = (0, Duration::ZERO);
    for (name, file) in fixtures(of) {
        if name.starts_with(BOMB) {
            continue;
        }
        for time in 0..times {
            // From the name too: no two files are broken in the same places.
            let seed = name
                .bytes()
                .fold(asked("SEED", 5) ^ (time << 32), |seed, byte| {
                    seed.wrapping_mul(31).wrapping_add(u64::from(byte))
                });
            let mut dice = Dice(seed);
            let bytes = damaged(&file, &mut dice);
            let _told = Told(&name, time);
            let begun = Instant::now();
            law(&bytes, &mut dice);
            let took = begun.elapsed();
            assert!(took < DEADLINE, "damage {time} to {name}: {took:?}");
            slowest = slowest.max(took);
            count += 1;
        }
    }
    (count, slowest)
}

#[test]
fn every_damaged_file_ends_as_read_or_as_one_finding() {
    let times = asked("DAMAGES", 3);
    let (mut count, mut slowest) = (0, Duration::ZERO);
    for of in ["text", "workbooks", "markup", "photos"] {
        let (files, longest) = held(of, times, |bytes, dice| match of {
            "photos" => laws::photos(bytes),
            "text" => {
                // Under everything that can be agreed about a text.
                let choice = u8::try_from(dice.below(8)).unwrap();
                laws::texts(&[&[choice], bytes].concat());
            }
            _ => laws::files(bytes),
        });
        count += files;
        slowest = slowest.max(longest);
    }
    let seed = asked("SEED", 5);
    println!(
        "soak: seed {seed}, {count} damaged files in process, the slowest in {slowest:?}, 0 broken laws"
    );
    assert!(count > 300 * times / 3, "only {count} were tried");
}

#[test]
fn the_same_number_does_the_same_damage() {
    let (_, file) = fixtures("workbooks").remove(0);
    let once = damaged(&file, &mut Dice(7));
    assert_eq!(once, damaged(&file, &mut Dice(7)));
    assert_ne!(once, file);
    assert_ne!(once, damaged(&file, &mut Dice(8)));
}
