//! The child's side: its whole life.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::failpoint;
use crate::import::reader::order::{self, Order, PhotoRequest};
use crate::import::reader::{OUR_FAULT, jail, restrict};
use crate::parse::photo::examine;
use crate::parse::read::read_sealed;
use crate::parse::wire::photo::{read_photo, write_answer};

/// The whole life of the child that reads a file: waits for its order at stdin, limits itself, reads the file, writes frames to stdout. `arguments` are
/// what the parent gave behind [`super::CHILD_COMMAND`].
pub fn child_main(arguments: impl Iterator<Item = String>) -> ExitCode {
    live(arguments, read)
}

/// The same of the child that looks at photos, which come over stdin one after the other.
pub fn photo_child_main(arguments: impl Iterator<Item = String>) -> ExitCode {
    live(arguments, look_at_photos)
}

fn live(
    mut arguments: impl Iterator<Item = String>,
    work: fn(UnixStream) -> io::Result<()>,
) -> ExitCode {
    // The message of a panic may hold what stands in a cell; its place does not.
    std::panic::set_hook(Box::new(|panic| {
        if let Some(place) = panic.location() {
            say(&format!("panicked at {place}"));
        }
    }));
    match begin(&arguments.next().unwrap_or_default()).and_then(work) {
        Ok(()) => ExitCode::SUCCESS,
        // The parent has heard enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::from(OUR_FAULT)
        }
    }
}

fn begin(parent: &str) -> io::Result<UnixStream> {
    end_with(parent)?;
    restrict::ahead()?;
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

fn read(socket: UnixStream) -> io::Result<()> {
    let Order {
        request,
        file,
        scratch,
    } = Order::receive(&socket)?;
    let pgp = request.agreement.pgp.as_ref();
    let written = scratch.as_ref().and(pgp).map_or(0, |pgp| pgp.plain_bytes);
    restrict::for_reading(&request.limits, written)?;
    jail::lock_in()?;
    failpoint::misbehave(|begin| file.read_at(begin, 0))?;
    let output = BufWriter::with_capacity(64 * 1024, File::from(OwnedFd::from(socket)));
    read_sealed(
        Bytes(file),
        scratch.map(Bytes),
        &request.limits,
        &request.agreement,
        output,
    )
}

fn look_at_photos(socket: UnixStream) -> io::Result<()> {
    let PhotoRequest { limits, wish } = order::receive(&socket)?;
    let mut output = BufWriter::new(File::from(OwnedFd::from(socket.try_clone()?)));
    let mut input = Bytes(File::from(OwnedFd::from(socket)));
    restrict::for_reading(&limits, 0)?;
    jail::lock_in()?;
    while let Some((name, bytes)) = read_photo(&mut input)? {
        failpoint::misbehave(|mut begin| begin.write(&bytes))?;
        write_answer(&mut output, examine(&name, &bytes, wish))?;
    }
    Ok(())
}

/// Bytes and nothing else: the library asks a [`File`] for more, with calls that the jail does not allow.
#[derive(Debug)]
struct Bytes(File);

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for Bytes {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
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
