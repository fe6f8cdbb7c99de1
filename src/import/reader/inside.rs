//! The child's side: its whole life.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::import::reader::restrict::restrict;
use crate::import::reader::{OUR_FAULT, Request};
use crate::parse::read::read;

/// The whole life of the child: limits itself, reads stdin, writes frames to stdout. `arguments` are what the parent gave behind [`super::CHILD_COMMAND`].
pub fn child_main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    // The message of a panic may hold what stands in a cell; its place does not.
    std::panic::set_hook(Box::new(|panic| {
        if let Some(place) = panic.location() {
            say(&format!("panicked at {place}"));
        }
    }));
    let [request, parent] = [arguments.next(), arguments.next()].map(Option::unwrap_or_default);
    match child(&request, &parent) {
        Ok(()) => ExitCode::SUCCESS,
        // The parent has heard enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::from(OUR_FAULT)
        }
    }
}

fn child(request: &str, parent: &str) -> io::Result<()> {
    let Request { limits, agreement } = serde_json::from_str(request)?;
    end_with(parent)?;
    // Files and not the library's own handles: those would look for line ends, and cannot seek.
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    restrict(&limits)?;
    let output = BufWriter::with_capacity(64 * 1024, output);
    read(input, &limits, &agreement, output)
}

/// Ends this process when its parent ends, however that happens. The signal comes at the end of the thread that started this process, which is one
/// that lives as long as the parent.
fn end_with(parent: &str) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before.
    if getppid().is_none_or(|pid| pid.as_raw_pid().to_string() != parent) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    Ok(())
}

/// To the parent's log.
fn say(words: &str) {
    let written = writeln!(io::stderr(), "{words}");
    // There is no one left to tell.
    drop(written);
}
