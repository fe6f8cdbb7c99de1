//! Whose fault it is that a child ended before its file did.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use rustix::process::Signal;

use crate::import::reader::ReaderError;
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

/// The finding about the file, or the error of ours.
pub(super) fn blame(
    status: ExitStatus,
    said: &str,
    limits: &ReadLimits,
) -> Result<Finding, ReaderError> {
    let by = |signal: Signal| status.signal() == Some(signal.as_raw());
    if by(Signal::XCPU) {
        return Ok(Finding::file(
            code::READER_TIMEOUT,
            "Reading this file took longer than allowed, so it was stopped.",
            "Send fewer rows, or export CSV (UTF-8), which is read fastest; or have `import_time` under [limits] raised.",
        ));
    }
    if by(Signal::SYS) {
        tracing::warn!(
            "a file has tried to make its reader do what no reader does, and its reader was ended: take whoever sent it for attacked; the kernel's audit log has the system call (type=1326)"
        );
        return Ok(Finding::file(
            code::READER_CONTAINED,
            "Reading this file made the reader attempt something that reading never needs, so it was stopped.",
            "Have the computer that it comes from checked for malware, and export the file anew.",
        ));
    }
    // A child that lies here only chooses the other text.
    if by(Signal::ABORT) && said.contains("memory allocation") {
        return Ok(Finding::file(
            code::READER_DIED,
            format!(
                "Reading this file takes more memory than the {} MB that are allowed, so it was stopped.",
                limits.memory_bytes / 1_000_000
            ),
            "Export CSV (UTF-8), which takes hardly any; or, if the file is as large as it should be, have `import_memory` under [limits] raised.",
        ));
    }
    match status.signal() {
        Some(signal) if !BROKEN.into_iter().any(by) => Err(ReaderError::Killed { signal }),
        _ => Ok(Finding::file(
            code::READER_DIED,
            "The file is damaged in a way that broke the program that was reading it.",
            "Open it, save it under a new name and send that, or export CSV (UTF-8).",
        )),
    }
}
