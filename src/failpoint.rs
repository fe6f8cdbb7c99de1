//! Named fail points: places where a test kills the daemon, makes a step fail, or holds it. They exist only with the cargo feature `failpoints`;
//! without it [`pass`] is an empty function and nothing reads the environment.
//!
//! The variable `ROSTERD_FAILPOINTS` is read once and holds rules, parted by `;`:
//!
//! ```text
//! SpoolLink=kill           at every passing of the point: SIGKILL to ourselves, so nothing is flushed
//! SpoolLink@2=kill         at the second passing only
//! StagedWrite=enospc       the step fails; so does eio
//! Diffed=hold:/a/file      makes the file, and waits there until somebody has removed it
//! *=note:/a/file           adds the names of the points that are passed to the file, a line each
//! ```
//!
//! Of several rules for one point all that fit are carried out, in their order, until one fails. A rule that makes no sense ends the process.
//!
//! The crate `fail` was looked at first: it cannot kill the process, knows no passing by its number, and brings a second `rand`.

/// Declares the points, so that the list of all of them is whole by itself.
macro_rules! points {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A place on the path of a file, named after the step that comes next. Steps are passed in this order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $($(#[$doc])* $name,)*
        }

        #[cfg(feature = "failpoints")]
        impl Point {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name, as rules have it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

points! {
    /// Bytes go into a staged file.
    StagedWrite,
    /// Bytes go into a file under its temporary name.
    TemporaryWrite,
    /// A file under its temporary name is made durable.
    TemporarySync,
    /// A staged file is made durable.
    StagedSync,
    /// An arrival gets its name in the spool.
    SpoolLink,
    /// A file takes its final name.
    FinalRename,
    /// A folder whose names have changed is made durable.
    FolderSync,
    /// The upload counts; the client does not know yet.
    FtpsReply,
    SftpReply,
    /// The client knows.
    FtpsReplied,
    SftpReplied,

    /// Intake takes an arrival up.
    Claim,
    /// Bytes go into the archive, where an empty file lies.
    ArchiveCopy,
    ArchiveSync,
    ArchiveFolderSync,
    /// The row of a delivery, and those that go with it.
    DeliveryRow,
    SeenRow,
    RunRow,
    JobRow,
    DeliveryCommit,
    /// A recorded arrival leaves the spool.
    Unspool,
    UnspoolSync,

    /// A worker takes a job.
    LeaseRow,
    LeaseCommit,
    /// The job is leased, its attempt counted.
    Leased,
    /// The archived copy is opened.
    ArchiveOpen,
    /// The child that reads the file runs.
    ChildStarted,
    RecordsRead,
    Diffed,
    /// The statements of the one transaction that applies a run.
    SettleJob,
    SettleHeld,
    SettleVersion,
    SettleJoiners,
    SettleStubs,
    SettleRevised,
    SettleRehashed,
    SettleAbsent,
    SettleLinks,
    SettleDue,
    SettleChanges,
    SettleRun,
    SettleFindings,
    SettleOlder,
    SettleCommit,
    Settled,

    /// The tenant is told.
    ErrorFileExpected,
    ErrorFile,
    ErrorJson,
    Summary,
    Receipt,
    /// A file of ours takes its place in a mailbox.
    DepositWrite,
    DepositSync,
    DepositRename,
    DepositFolderSync,
    /// The database learns that the tenant was told.
    Reported,
}

/// Passes a point, where blocking is allowed. An error is the step's.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub const fn pass(_: Point) -> std::io::Result<()> {
    Ok(())
}

/// Passes a point, where nothing may block.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn pass_async(_: Point) -> std::future::Ready<std::io::Result<()>> {
    std::future::ready(Ok(()))
}

/// In the child that reads a file: does what a taken-over child might do, if the file asks for it. `begin` reads how the file begins. Only where there
/// are fail points.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn misbehave(_: impl FnOnce(&mut [u8]) -> std::io::Result<usize>) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "failpoints")]
pub use armed::{pass, pass_async};
#[cfg(feature = "failpoints")]
pub use misdeeds::misbehave;

#[cfg(feature = "failpoints")]
mod armed {
    use std::fs::OpenOptions;
    use std::io::{self, Write as _};
    use std::path::PathBuf;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use rustix::io::Errno;
    use rustix::process::{Signal, getpid, kill_process};

    use super::Point;

    /// How often it is looked whether a hold is over.
    const LOOK: Duration = Duration::from_millis(2);

    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Act {
        Kill,
        Fail(Errno),
        Hold(PathBuf),
        Note(PathBuf),
    }

    /// What is to be done where.
    #[derive(Debug)]
    struct Rule {
        /// None: at all of them.
        point: Option<Point>,
        /// None: every time.
        passing: Option<u32>,
        passed: AtomicU32,
        act: Act,
    }

    impl Rule {
        fn parse(text: &str) -> Option<Self> {
            let (place, act) = text.split_once('=')?;
            let (name, passing) = match place.split_once('@') {
                Some((name, passing)) => (name, Some(passing.parse().ok()?)),
                None => (place, None),
            };
            let point = match name {
                "*" => None,
                name => Some(
                    Point::ALL
                        .iter()
                        .copied()
                        .find(|point| point.name() == name)?,
                ),
            };
            let act = match act.split_once(':') {
                None if act == "kill" => Act::Kill,
                None if act == "enospc" => Act::Fail(Errno::NOSPC),
                None if act == "eio" => Act::Fail(Errno::IO),
                Some(("hold", path)) => Act::Hold(path.into()),
                Some(("note", path)) => Act::Note(path.into()),
                _ => return None,
            };
            Some(Self {
                point,
                passing,
                passed: AtomicU32::new(0),
                act,
            })
        }

        /// What it does at this passing of `point`.
        fn at(&self, point: Point) -> Option<&Act> {
            if self.point.is_some_and(|it| it != point) {
                return None;
            }
            let passing = self.passed.fetch_add(1, Ordering::Relaxed) + 1;
            self.passing
                .is_none_or(|it| it == passing)
                .then_some(&self.act)
        }
    }

    fn rules() -> &'static [Rule] {
        static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
        RULES.get_or_init(|| {
            let text = std::env::var("ROSTERD_FAILPOINTS").unwrap_or_default();
            let rules = text.split(';').filter(|rule| !rule.is_empty());
            rules
                .map(|rule| Rule::parse(rule).unwrap_or_else(|| refuse(rule)))
                .collect()
        })
    }

    fn refuse(rule: &str) -> ! {
        tracing::error!("ROSTERD_FAILPOINTS holds a rule that makes no sense: {rule}");
        std::process::abort()
    }

    /// Passes a point, where blocking is allowed. An error is the step's.
    pub fn pass(point: Point) -> io::Result<()> {
        for act in rules().iter().filter_map(|rule| rule.at(point)) {
            begin(act, point)?;
            while is_held(act) {
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }

    /// Passes a point, where nothing may block.
    pub async fn pass_async(point: Point) -> io::Result<()> {
        for act in rules().iter().filter_map(|rule| rule.at(point)) {
            begin(act, point)?;
            while is_held(act) {
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    fn begin(act: &Act, point: Point) -> io::Result<()> {
        match act {
            Act::Kill => {
                kill_process(getpid(), Signal::KILL)?;
                // The signal takes this thread with it.
                loop {
                    std::thread::park();
                }
            }
            Act::Fail(errno) => Err((*errno).into()),
            Act::Hold(path) => std::fs::write(path, point.name()),
            Act::Note(path) => OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)?
                .write_all(format!("{}\n", point.name()).as_bytes()),
        }
    }

    fn is_held(act: &Act) -> bool {
        matches!(act, Act::Hold(path) if path.try_exists().unwrap_or(false))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_rule_says_where_when_and_what() {
            let rule = Rule::parse("SpoolLink@2=enospc").unwrap();
            let fails = [
                Point::SpoolLink,
                Point::Claim,
                Point::SpoolLink,
                Point::SpoolLink,
            ]
            .map(|point| rule.at(point).is_some());
            assert_eq!(fails, [false, false, true, false]);
            let rule = Rule::parse("*=hold:/x").unwrap();
            assert_eq!(rule.at(Point::Claim), Some(&Act::Hold("/x".into())));
            for bad in [
                "",
                "Claim",
                "Claim=",
                "claim=kill",
                "Claim@x=kill",
                "Claim=hold",
                "Claim=kill:x",
            ] {
                assert!(Rule::parse(bad).is_none(), "{bad}");
            }
        }
    }
}

/// What a child might do that a file has taken over. The file begins with `rosterd-misdeed:` and the name of one.
#[cfg(feature = "failpoints")]
mod misdeeds {
    use std::fs::File;
    use std::io;
    use std::net::UdpSocket;
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    /// Carries it out. An error says that it was not prevented from trying.
    pub fn misbehave(read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<()> {
        let mut begin = [0; 64];
        let length = read(&mut begin)?;
        let begin = String::from_utf8_lossy(begin.get(..length).unwrap_or_default());
        let mut words = begin.split_whitespace();
        if words.next() != Some("rosterd-misdeed:") {
            return Ok(());
        }
        match words.next().unwrap_or_default() {
            "open" => drop(File::open("/etc/passwd")),
            "write" => drop(File::create("/tmp/rosterd-misdeed")),
            "look" => drop(std::fs::metadata("/etc/passwd")),
            "list" => drop(std::fs::read_dir("/")),
            "remove" => drop(std::fs::remove_file("/tmp/rosterd-misdeed")),
            "connect" => drop(UnixStream::connect("/tmp/rosterd-misdeed")),
            "send" => drop(UdpSocket::bind("127.0.0.1:0")),
            "exec" => drop(Command::new("/bin/true").exec()),
            "fork" => drop(Command::new("/bin/true").spawn()),
            "thread" => drop(std::thread::Builder::new().spawn(|| ())),
            "signal" => drop(rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::TERM,
            )),
            "panic" => return Err(io::Error::other(oops().to_string())),
            "overflow" => return Err(io::Error::other(deeper(0).to_string())),
            "memory" => drop(std::hint::black_box(vec![1_u8; 1 << 30])),
            "small-memory" => {
                let mut held: Vec<Box<[u8; 1000]>> = Vec::new();
                loop {
                    held.push(Box::new(std::hint::black_box([1; 1000])));
                }
            }
            other => return Err(io::Error::other(format!("no such misdeed: {other}"))),
        }
        Err(io::Error::other("nothing has prevented it"))
    }

    fn oops() -> usize {
        let none: [u8; 0] = std::hint::black_box([]);
        1 / none.len()
    }

    fn deeper(depth: u64) -> u64 {
        let ballast = std::hint::black_box([depth; 512]);
        if std::hint::black_box(depth) == u64::MAX {
            return 0;
        }
        deeper(depth + 1) + ballast.iter().sum::<u64>()
    }
}
