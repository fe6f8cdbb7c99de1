//! A process that a test starts, and what it answered.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process_group};

use super::{LOOK, PATIENCE};

/// A client at work in a process group of its own.
#[derive(Debug)]
pub(crate) struct Client(Child);

impl Client {
    /// Starts it.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        use std::os::unix::process::CommandExt as _;
        let child = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.unwrap_or_else(|error| missing(command.get_program(), &error)))
    }

    /// Its end of the pipes.
    pub(crate) fn process(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Kills it and all it started, without a chance to say goodbye.
    pub(crate) fn kill(mut self) {
        kill_process_group(Pid::from_child(&self.0), Signal::KILL).unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for its end. What a test took from the pipes is not in the reply.
    pub(crate) fn wait(mut self) -> Reply {
        drop(self.0.stdin.take());
        let stdout = self.0.stdout.take().map(read_in_background);
        let stderr = self.0.stderr.take().map(read_in_background);
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break Some(status);
            }
            if Instant::now() > deadline {
                kill_process_group(Pid::from_child(&self.0), Signal::KILL).ok();
                self.0.wait().unwrap();
                break None;
            }
            std::thread::sleep(LOOK);
        };
        let [stdout, stderr] = [stdout, stderr]
            .map(|reader| reader.map_or_else(Vec::new, |reader| reader.join().unwrap()));
        let reply = Reply {
            code: status.and_then(|status| status.code()).unwrap_or(-1),
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        };
        assert!(status.is_some(), "no end after {PATIENCE:?}: {reply:?}");
        reply
    }
}

fn read_in_background(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        bytes
    })
}

/// What a client or a command answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Reply {
    /// Runs a command to its end.
    pub(crate) fn to(command: &mut Command) -> Self {
        Client::spawn(command).wait()
    }

    /// Its stdout as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The reply, which must be a success.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.text(), self.stderr);
        self
    }

    /// The reply, which must be a failure whose messages hold `words`.
    #[track_caller]
    pub(crate) fn refused(self, words: &str) -> Self {
        let said = format!("{}\n{}", self.text(), self.stderr);
        assert_ne!(self.code, 0, "it should have failed: {said}");
        assert!(said.contains(words), "no {words:?} in: {said}");
        self
    }

    /// The delivery id in the reply to an upload.
    #[track_caller]
    pub(crate) fn delivery(&self) -> String {
        let said = format!("{}\n{}", self.text(), self.stderr);
        let id = said.split("delivery ").nth(1).map(|rest| {
            rest.chars()
                .take_while(|c| c.is_ascii_hexdigit() || *c == '-')
                .collect()
        });
        id.unwrap_or_else(|| panic!("no delivery id in: {said}"))
    }
}

fn missing(program: &OsStr, error: &std::io::Error) -> ! {
    panic!(
        "cannot run {}: {error}. tests/run.sh installs it, with all other clients that the tests drive",
        program.display()
    )
}
