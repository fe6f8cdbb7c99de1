//! Whose fault it is that a child ended before its file did.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use rustix::process::Signal;

use crate::import::reader::{OUR_FAULT, ReaderError};
use crate::parse::finding::{Finding, code};
use crate::parse::limits::ReadLimits;

/// Signals that a process sends to itself, so to say: the file has broken it.
const BROKEN: [Signal; 7] = [
    Signal::ABORT,
    Signal::BUS,
    Signal::FPE,
    Signal::ILL,
    Signal::SEGV,
    Signal::TRAP,
    Signal::XFSZ,
];

/// Why a child has ended, when that is the doing of what it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It has used up its CPU time.
    Slow,
    /// It has attempted what no reader needs.
    Contained,
    Memory,
    Broken,
}

/// The cause, or the error of ours.
pub(super) fn cause(status: ExitStatus, said: &str) -> Result<Cause, ReaderError> {
    let by = |signal: Signal| status.signal() == Some(signal.as_raw());
    if status.code() == Some(i32::from(OUR_FAULT)) {
        return Err(ReaderError::Child);
    }
    if by(Signal::XCPU) {
        return Ok(Cause::Slow);
    }
    if by(Signal::SYS) {
        tracing::warn!(
            "a file has tried to make its reader do what no reader does, and its reader was ended: take whoever sent it for attacked; the kernel's audit log has the system call (type=1326)"
        );
        return Ok(Cause::Contained);
    }
    // A child that lies here only chooses the other text.
    if by(Signal::ABORT) && said.contains("memory allocation") {
        return Ok(Cause::Memory);
    }
    match status.signal() {
        Some(signal) if !BROKEN.into_iter().any(by) => Err(ReaderError::Killed { signal }),
        _ => Ok(Cause::Broken),
    }
}

/// What is told about a file that has ended its reader.
pub(super) fn of_file(cause: Cause, limits: &ReadLimits) -> Finding {
    match cause {
        Cause::Slow => Finding::file(
            code::READER_TIMEOUT,
            "Reading this file took longer than allowed, so it was stopped.",
            "Send fewer rows, or export CSV (UTF-8), which is read fastest; or have `import_time` under [limits] raised.",
        ),
        Cause::Contained => Finding::file(
            code::READER_CONTAINED,
            "Reading this file made the reader attempt something that reading never needs, so it was stopped.",
            "Have the computer that it comes from checked for malware, and export the file anew.",
        ),
        Cause::Memory => Finding::file(
            code::READER_DIED,
            format!(
                "Reading this file takes more memory than the {} MB that are allowed, so it was stopped.",
                limits.memory_bytes / 1_000_000
            ),
            "Export CSV (UTF-8), which takes hardly any; or, if the file is as large as it should be, have `import_memory` under [limits] raised.",
        ),
        Cause::Broken => Finding::file(
            code::READER_DIED,
            "The file is damaged in a way that broke the program that was reading it.",
            "Open it, save it under a new name and send that, or export CSV (UTF-8).",
        ),
    }
}

/// What is told about a photo that has ended the child that looked at it, or gets no other answer.
pub(super) fn of_photo(cause: Cause) -> Finding {
    match cause {
        Cause::Slow => Finding::file(
            code::PHOTO_TOO_LARGE,
            "Looking at this picture takes longer than allowed, so it was stopped.",
            SCALE_DOWN,
        ),
        Cause::Contained => Finding::file(
            code::READER_CONTAINED,
            "Looking at this picture made the reader attempt something that looking at it never needs, so it was stopped.",
            "Have the computer that it comes from checked for malware, and save the picture anew.",
        ),
        Cause::Memory => Finding::file(
            code::PHOTO_TOO_LARGE,
            "Looking at this picture takes more memory than allowed, so it was stopped.",
            SCALE_DOWN,
        ),
        Cause::Broken => Finding::file(
            code::PHOTO_DAMAGED,
            "The picture is damaged in a way that broke the program that was looking at it.",
            "Open it, save it as an ordinary JPEG under a new name and send that.",
        ),
    }
}

const SCALE_DOWN: &str = "Scale it down to 100 x 128 pixels and save it as an ordinary JPEG.";
