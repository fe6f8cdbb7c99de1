//! What a sender must be able to do, each tried in the same way with every client.

use std::path::{Path, PathBuf};

use super::seat::Seat;
use super::{Act, Answer, Cell, Client, NameForm, No};
use crate::harness::staff::Staff;
use crate::harness::{photo, wait_until};

/// A column of the table, in the order in which they are tried: a later one may build on what an earlier one has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    LogIn,
    WrongPassword,
    Upload,
    Overwrite,
    Download,
    List,
    SizeAndTime,
    KeepTime,
    TemporaryName,
    WrongName,
    Delete,
    Photos,
    Ten,
    Big,
    Resume,
    OverQuota,
    ExitCode,
    Names,
}

const FILE: &str = "/data/employees.csv";
/// 2023-11-14 22:13:20 UTC.
const LONG_AGO: i64 = 1_700_000_000;

impl Feature {
    pub(crate) const ALL: [Self; 18] = [
        Self::LogIn,
        Self::WrongPassword,
        Self::Upload,
        Self::Overwrite,
        Self::Download,
        Self::List,
        Self::SizeAndTime,
        Self::KeepTime,
        Self::TemporaryName,
        Self::WrongName,
        Self::Delete,
        Self::Photos,
        Self::Ten,
        Self::Big,
        Self::Resume,
        Self::OverQuota,
        Self::ExitCode,
        Self::Names,
    ];

    /// The head of its column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::LogIn => "logs in",
            Self::WrongPassword => "wrong password",
            Self::Upload => "upload",
            Self::Overwrite => "overwrite",
            Self::Download => "download",
            Self::List => "list",
            Self::SizeAndTime => "size, time",
            Self::KeepTime => "keeps time",
            Self::TemporaryName => "rename",
            Self::WrongName => "wrong name",
            Self::Delete => "delete",
            Self::Photos => "photos",
            Self::Ten => "ten files",
            Self::Big => "50 MB",
            Self::Resume => "resume",
            Self::OverQuota => "quota",
            Self::ExitCode => "exit code",
            Self::Names => "names",
        }
    }

    /// What its cell promises.
    pub(crate) fn promise(self) -> &'static str {
        match self {
            Self::LogIn => {
                "logs in with `host|user`, or with `host+user` where the client refuses the pipe"
            }
            Self::WrongPassword => "is refused with an error that says so",
            Self::Upload => "`employees.csv` becomes the roster, and the client reports success",
            Self::Overwrite => "the next night's file under the same name becomes the roster",
            Self::Download => "the file comes back byte for byte",
            Self::List => "shows names and sizes",
            Self::SizeAndTime => "tells size and modification time right",
            Self::KeepTime => "the file keeps the time that it has at the sender's",
            Self::TemporaryName => {
                "a file sent under a temporary name counts when it gets its real one"
            }
            Self::WrongName => {
                "a name that nobody expects is refused, and the client shows which one is expected"
            }
            Self::Delete => "removes a file",
            Self::Photos => "makes a folder below `/images` and fills it with a folder of photos",
            Self::Ten => "ten files in one session",
            Self::Big => "50 MB up and down, unchanged",
            Self::Resume => "goes on with an upload that was cut, under a temporary name",
            Self::OverQuota => {
                "an upload over quota is refused, and the client shows how much is free"
            }
            Self::ExitCode => {
                "a refused upload never ends in exit code 0 or without an exception: the night is not lost unnoticed"
            }
            Self::Names => "folders and files with spaces and letters beyond ASCII",
        }
    }

    /// Tries it. What a client cannot do is a cell; what rosterd does not do is a panic.
    pub(crate) fn check(self, client: &mut dyn Client, seat: &Seat<'_>) -> Cell {
        let tried = match self {
            Self::LogIn => log_in(client, seat),
            Self::WrongPassword => wrong_password(seat),
            Self::Upload => upload(client, seat, 5),
            Self::Overwrite => upload(client, seat, 6),
            Self::Download => download(client, seat),
            Self::List => list(client, seat),
            Self::SizeAndTime => size_and_time(client, seat),
            Self::KeepTime => keep_time(client, seat),
            Self::TemporaryName => temporary_name(client, seat),
            Self::WrongName => wrong_name(client, seat),
            Self::Delete => delete(client, seat),
            Self::Photos => photos(client, seat),
            Self::Ten => ten(client, seat),
            Self::Big => big(client, seat),
            Self::Resume => resume(client, seat),
            Self::OverQuota => over_quota(seat),
            Self::ExitCode => exit_code(seat),
            Self::Names => names(client, seat),
        };
        match tried {
            Ok(cell) => cell,
            Err(No::Cannot(why)) => Cell::Cannot(why),
            Err(No::Refused(said)) => Cell::Fails(said),
        }
    }
}

type Tried = Result<Cell, No>;

fn log_in(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    let said = client.perform(Act::List("/"))?;
    for folder in ["data", "errors", "images", "reports"] {
        assert!(said.contains(folder), "no {folder} in: {said}");
    }
    if seat.kind.name_form == NameForm::Pipe {
        return Ok(Cell::Works);
    }
    let mut piped = (seat.kind.make)(seat.with_form(NameForm::Pipe));
    match piped.perform(Act::List("/")) {
        Err(No::Refused(_)) => Ok(Cell::WorksBut(
            "with `host+user`: it refuses a pipe in a name".to_owned(),
        )),
        other => panic!("it takes the pipe after all: {other:?}"),
    }
}

fn wrong_password(seat: &Seat<'_>) -> Tried {
    let mut stranger = (seat.kind.make)(seat.with_password("wrong"));
    let said = refusal(stranger.perform(Act::List("/")))?;
    let words = ["530", "denied", "ogin", "uth", "assword"];
    if words.iter().any(|word| said.contains(word)) {
        return Ok(Cell::Works);
    }
    assert!(said.contains("Connection reset"), "{said}");
    Ok(Cell::WorksBut(
        "it says \"connection reset\" whatever the reason; the system's ssh told it more"
            .to_owned(),
    ))
}

/// What the client shows of a refusal.
fn refusal(answer: Answer) -> Result<String, No> {
    match answer {
        Err(No::Refused(said)) => Ok(said),
        Err(cannot) => Err(cannot),
        Ok(said) => panic!("it takes a refusal for a success: {said}"),
    }
}

fn upload(client: &mut dyn Client, seat: &Seat<'_>, people: usize) -> Tried {
    let staff = Staff::of(people);
    let file = seat.file("employees.csv", staff.csv());
    let applied = seat.applied();
    client.perform(Act::Put(&file, FILE))?;
    seat.wait_for_roster(applied + 1, &staff);
    assert_eq!(std::fs::read(seat.on_disk(FILE)).unwrap(), staff.csv());
    Ok(Cell::Works)
}

/// The file that a client finds: what it has sent itself, or, when it cannot send, what another one has.
fn present(seat: &Seat<'_>) -> Vec<u8> {
    std::fs::read(seat.on_disk(FILE)).unwrap_or_else(|_| {
        let bytes = Staff::of(3).csv();
        seat.daemon().deliver(&seat.tenant, FILE, &bytes);
        bytes
    })
}

fn download(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    let bytes = present(seat);
    let back = seat.folder().join("back.csv");
    client.perform(Act::Get(FILE, &back))?;
    assert_eq!(std::fs::read(back).unwrap(), bytes);
    Ok(Cell::Works)
}

fn list(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    let size = present(seat).len();
    let said = client.perform(Act::List("/data"))?;
    assert_listed(&said, "employees.csv", size);
    Ok(Cell::Works)
}

#[track_caller]
fn assert_listed(said: &str, name: &str, size: usize) {
    let size = size.to_string();
    let is_it = |line: &str| line.contains(name) && line.split_whitespace().any(|it| it == size);
    assert!(
        said.lines().any(is_it),
        "no line with {name} and {size} in: {said}"
    );
}

fn size_and_time(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    let size = present(seat).len();
    // Of the last months, since older times are shown to the day only.
    let yesterday = time_of(&seat.on_disk(FILE)) - 86_400;
    set_time(&seat.on_disk(FILE), yesterday);
    let said = client.perform(Act::Stat(FILE))?;
    let told: Vec<i64> = said
        .split_whitespace()
        .map(|number| {
            number
                .parse()
                .unwrap_or_else(|_| panic!("no number: {said}"))
        })
        .collect();
    let [told_size, told_time] = told[..] else {
        panic!("not a size and a time: {said}")
    };
    let grain = seat.kind.time_grain_secs;
    let expected = yesterday.div_euclid(grain) * grain;
    assert_eq!((told_size, told_time), (size.try_into().unwrap(), expected));
    if grain > 1 {
        return Ok(Cell::WorksBut("it shows the minute, no second".to_owned()));
    }
    Ok(Cell::Works)
}

fn set_time(file: &Path, seconds: i64) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds.try_into().unwrap());
    let file = std::fs::File::options().write(true).open(file).unwrap();
    file.set_modified(time).unwrap();
}

fn time_of(file: &Path) -> i64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(file).unwrap().mtime()
}

fn keep_time(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    let file = seat.file("employees.csv", Staff::of(7).csv());
    set_time(&file, LONG_AGO);
    client.perform(Act::Keep(&file, FILE))?;
    let there = seat.on_disk(FILE);
    wait_until("the time that it has at the sender's", || {
        time_of(&there) == LONG_AGO
    });
    Ok(Cell::Works)
}

fn temporary_name(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    let staff = Staff::of(8);
    let file = seat.file("employees.csv", staff.csv());
    // What was sent before may still be on its way.
    seat.daemon().wait_for_empty_spool();
    client.perform(Act::Put(&file, "/data/employees.csv.tmp"))?;
    assert_ne!(std::fs::read(seat.on_disk(FILE)).ok(), Some(staff.csv()));
    if seat.on_disk(FILE).try_exists().unwrap() && !client_moves_over(seat) {
        client.perform(Act::Delete(FILE))?;
    }
    client.perform(Act::Rename("/data/employees.csv.tmp", FILE))?;
    assert_eq!(std::fs::read(seat.on_disk(FILE)).unwrap(), staff.csv());
    wait_until("the roster", || seat.daemon().roster(&seat.tenant) == staff);
    Ok(Cell::Works)
}

/// FTP moves over what is there; version 3 of SFTP does not, unless by OpenSSH's extension.
fn client_moves_over(seat: &Seat<'_>) -> bool {
    seat.kind.port != crate::harness::Port::Sftp
}

fn wrong_name(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    let file = seat.file("staff.csv", Staff::of(2).csv());
    let said = refusal(client.perform(Act::Put(&file, "/data/staff.csv")))?;
    assert!(!seat.on_disk("/data/staff.csv").try_exists().unwrap());
    Ok(shown(&said, "employees.csv", &["553", "ermission denied"]))
}

/// Our sentence with `word`, or the code alone.
#[track_caller]
fn shown(said: &str, word: &str, codes: &[&str]) -> Cell {
    if said.contains(word) {
        return Cell::Works;
    }
    let code = codes.iter().find(|code| said.contains(*code));
    match code {
        Some(&"553" | &"552") => {
            Cell::WorksBut("it shows the code of the reply, not its text".to_owned())
        }
        Some(_) => {
            Cell::WorksBut("it shows words of its own for the status, not our sentence".to_owned())
        }
        None => panic!("neither {word} nor {codes:?} in: {said}"),
    }
}

fn delete(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    present(seat);
    client.perform(Act::Delete(FILE))?;
    assert!(!seat.on_disk(FILE).try_exists().unwrap());
    Ok(Cell::Works)
}

/// A folder of so many photos.
fn album(seat: &Seat<'_>, name: &str, count: u8) -> PathBuf {
    for number in 1..=count {
        let photo = format!("{name}/{}.bmp", Staff::id(usize::from(number)));
        seat.file(&photo, photo::bmp(number));
    }
    seat.folder().join(name)
}

fn assert_album(seat: &Seat<'_>, folder: &str, count: u8) {
    for number in 1..=count {
        let photo = format!("{folder}/{}.bmp", Staff::id(usize::from(number)));
        seat.wait_for_file(&photo, &photo::bmp(number));
    }
}

fn photos(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    let album = album(seat, "album", 3);
    client.perform(Act::Mirror(&album, "/images/new"))?;
    assert_album(seat, "/images/new", 3);
    Ok(Cell::Works)
}

fn ten(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    let album = album(seat, "ten", 10);
    client.perform(Act::PutAll(&album, "/images"))?;
    assert_album(seat, "/images", 10);
    Ok(Cell::Works)
}

fn big(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    let path = "/data/big.part";
    let back = seat.folder().join("big");
    client.perform(Act::Put(&seat.bench.big, path))?;
    client.perform(Act::Get(path, &back))?;
    let is_same = std::fs::read(&back).unwrap() == std::fs::read(&seat.bench.big).unwrap();
    assert!(is_same, "it comes back changed");
    std::fs::remove_file(back).unwrap();
    clear_away(client, path)
}

fn resume(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    let whole: Vec<u8> = (0..=250).cycle().take(300_000).collect();
    let path = "/data/cut.part";
    let half = seat.file("cut.part", &whole[..150_000]);
    client.perform(Act::Put(&half, path))?;
    let file = seat.file("cut.part", &whole);
    client.perform(Act::Resume(&file, path))?;
    let there = std::fs::read(seat.on_disk(path)).unwrap();
    assert!(there == whole, "{} bytes are not the whole", there.len());
    clear_away(client, path)
}

/// Removes what was tried with, where the client can.
fn clear_away(client: &mut dyn Client, path: &str) -> Tried {
    match client.perform(Act::Delete(path)) {
        Ok(_) | Err(No::Cannot(_)) => Ok(Cell::Works),
        Err(refused) => Err(refused),
    }
}

fn over_quota(seat: &Seat<'_>) -> Tried {
    let seat = seat.with_small_quota();
    let mut client = (seat.kind.make)(seat.clone());
    let file = seat.file("employees.csv", vec![b'x'; 4_000_000]);
    let said = refusal(client.perform(Act::Put(&file, FILE)))?;
    assert!(!seat.on_disk(FILE).try_exists().unwrap());
    Ok(shown(
        &said,
        "bytes free",
        &["552", "ailure", "/output error", "SSH layer"],
    ))
}

fn exit_code(seat: &Seat<'_>) -> Tried {
    let mut client = (seat.kind.make)(seat.clone());
    // A batch in which one of two is refused.
    let batch = seat.folder().join("batch");
    seat.file("batch/E00001.bmp", photo::bmp(1));
    seat.file("batch/notes.txt", b"x");
    refusal(client.perform(Act::PutAll(&batch, "/images")))?;
    if client.exit_code() == Some(0) {
        return Ok(Cell::Cannot(
            "it ends with 0 whatever happens: let the script look for `226` in what it says"
                .to_owned(),
        ));
    }
    Ok(Cell::Works)
}

fn names(client: &mut dyn Client, seat: &Seat<'_>) -> Tried {
    let folder = "/images/Été à Zürich";
    let (name, bytes) = ("Zoë Müller (1).bmp", photo::bmp(9));
    let path = format!("{folder}/{name}");
    let file = seat.file(name, &bytes);
    let back = seat.folder().join("Zoë back.bmp");
    match client.perform(Act::MakeFolder(folder)) {
        // It makes folders only with what is in them.
        Err(No::Cannot(_)) => {
            let album = seat.folder().join("Été à Zürich");
            seat.file(&format!("Été à Zürich/{name}"), &bytes);
            client.perform(Act::Mirror(&album, folder))?;
        }
        made => {
            made?;
            client.perform(Act::Put(&file, &path))?;
        }
    }
    seat.wait_for_file(&path, &bytes);
    match client.perform(Act::List(folder)) {
        Err(No::Cannot(_)) => {}
        said => assert_listed(&said?, name, bytes.len()),
    }
    client.perform(Act::Get(&path, &back))?;
    assert_eq!(std::fs::read(back).unwrap(), bytes);
    Ok(Cell::Works)
}
