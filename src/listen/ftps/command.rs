//! Pure. Command lines: bytes from a control connection come in, commands or the fault in them come out.
//!
//! Nothing here trusts the peer: a line is cut at 4 KB, and an argument with NUL, CR or invalid UTF-8 is a fault of that one line.

use jiff::Timestamp;

use crate::listen::ftps::listing::instant_of;
use crate::secret::Secret;

/// Bytes in a command line without its end.
pub(super) const LINE_LIMIT_BYTES: usize = 4096;

/// A line without its end (CR LF, or LF alone).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// Longer than the limit, and thrown away.
    TooLong,
}

/// Cuts a byte stream into lines; holds no more than one line and what came with its end.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    overlong: bool,
}

impl Lines {
    /// Adds what was received.
    pub(super) fn push(&mut self, received: &[u8]) {
        self.bytes.extend_from_slice(received);
    }

    /// The next whole line.
    pub(super) fn take(&mut self) -> Option<Line> {
        let Some(end) = self.bytes.iter().position(|b| *b == b'\n') else {
            if self.bytes.len() > LINE_LIMIT_BYTES + 1 {
                self.bytes.clear();
                self.overlong = true;
            }
            return None;
        };
        let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if std::mem::take(&mut self.overlong) || line.len() > LINE_LIMIT_BYTES {
            return Some(Line::TooLong);
        }
        Some(Line::Whole(line))
    }

    /// Forgets everything received: what follows AUTH in clear must not be taken for something said inside TLS.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.overlong = false;
    }
}

/// What a client asks for. Paths are as sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Abor,
    Allo(u64),
    Appe(String),
    Auth,
    /// Free bytes (draft-peterson-streamlined-ftp-command-extensions).
    Avbl,
    Cdup,
    /// SITE CHMOD.
    Chmod,
    /// A client's name, which changes nothing.
    Clnt,
    Cwd(String),
    Dele(String),
    Epsv(Family),
    EpsvAll,
    Feat,
    Help,
    Lang,
    List(Option<String>),
    Mdtm(String),
    /// A file's time (draft-somers-ftp-mfxx).
    Mfmt(Timestamp, String),
    Mkd(String),
    Mlsd(Option<String>),
    Mlst(Option<String>),
    Mode,
    Nlst(Option<String>),
    Noop,
    OptsMlst(String),
    OptsUtf8,
    Pass(Secret<String>),
    Pasv,
    Pbsz,
    Prot(Protection),
    Pwd,
    Quit,
    Rest(u64),
    Retr(String),
    Rmd(String),
    Rnfr(String),
    Rnto(String),
    /// SITE QUOTA.
    Quota,
    Size(String),
    Stat,
    Stor(String),
    Stru,
    Syst,
    Type(Type),
    User(String),
}

/// The address family EPSV asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Same,
    V4,
    V6,
}

/// What PROT asks for on data connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    Private,
    /// In clear, or a level that TLS does not have.
    Weaker,
}

/// What TYPE says about the bytes. They are stored as sent in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Ascii,
    Image,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No such command.
    Unknown,
    /// A command of FTP that is not served here.
    NotServed,
    /// Active mode, which is not served yet.
    ActiveMode,
    /// The argument makes no sense.
    Argument,
    /// The argument makes sense, but only other ones are served.
    Parameter,
    /// Over 4 KB.
    TooLong,
    /// Another protocol: a browser or a scanner.
    Foreign,
}

/// Words that other protocols begin a line with. No command of FTP has these names, so a request smuggled in by a browser ends the session.
const FOREIGN: [&str; 11] = [
    "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE", "EHLO", "HELO",
];

/// Commands of the RFCs and of common clients that are not served here.
const NOT_SERVED: [&str; 22] = [
    "ACCT", "ADAT", "CCC", "CONF", "COMB", "CSID", "DSIZ", "ENC", "HASH", "HOST", "MFCT", "MFF",
    "MIC", "REIN", "SITE", "SMNT", "STOU", "THMB", "XCRC", "XMD5", "XSHA1", "XSHA256",
];

impl Command {
    /// Reads a line.
    pub(super) fn parse(line: &Line) -> Result<Self, Fault> {
        let Line::Whole(line) = line else {
            return Err(Fault::TooLong);
        };
        let (verb, argument) = split(line);
        let verb = verb.to_ascii_uppercase();
        let verb = std::str::from_utf8(&verb).map_err(|_| Fault::Unknown)?;
        let argument = match argument {
            Some(argument) if argument.contains(&0) || argument.contains(&b'\r') => {
                return Err(Fault::Argument);
            }
            Some(argument) => std::str::from_utf8(argument).map_err(|_| Fault::Argument)?,
            None => "",
        };
        Self::read(verb, argument)
    }

    fn read(verb: &str, argument: &str) -> Result<Self, Fault> {
        Ok(match verb {
            "ABOR" => Self::Abor,
            "ALLO" => Self::Allo(number(argument.split(' ').next().unwrap_or_default())?),
            "APPE" => Self::Appe(path(argument)?),
            "AUTH" => match argument.trim().to_ascii_uppercase().as_str() {
                "TLS" | "SSL" | "TLS-C" | "TLS-P" => Self::Auth,
                "" => return Err(Fault::Argument),
                _ => return Err(Fault::Parameter),
            },
            "AVBL" => Self::Avbl,
            "CDUP" | "XCUP" => Self::Cdup,
            "CLNT" => Self::Clnt,
            "CWD" | "XCWD" => Self::Cwd(path(argument)?),
            "DELE" => Self::Dele(path(argument)?),
            "EPRT" | "PORT" | "LPRT" => return Err(Fault::ActiveMode),
            "EPSV" => match argument.trim().to_ascii_uppercase().as_str() {
                "" => Self::Epsv(Family::Same),
                "1" => Self::Epsv(Family::V4),
                "2" => Self::Epsv(Family::V6),
                "ALL" => Self::EpsvAll,
                _ => return Err(Fault::Parameter),
            },
            "FEAT" => Self::Feat,
            "HELP" => Self::Help,
            "LANG" => match argument.trim().to_ascii_uppercase().as_str() {
                "" | "EN" | "EN-US" | "EN-GB" => Self::Lang,
                _ => return Err(Fault::Parameter),
            },
            "LIST" => Self::List(listed_path(argument)),
            "MDTM" => Self::Mdtm(path(argument)?),
            "MFMT" => {
                let (time, name) = argument.split_once(' ').ok_or(Fault::Argument)?;
                Self::Mfmt(instant_of(time).ok_or(Fault::Argument)?, path(name)?)
            }
            "MKD" | "XMKD" => Self::Mkd(path(argument)?),
            "MLSD" => Self::Mlsd(optional_path(argument)),
            "MLST" => Self::Mlst(optional_path(argument)),
            "MODE" => only(argument, &["S"]).map(|()| Self::Mode)?,
            "NLST" => Self::Nlst(listed_path(argument)),
            "NOOP" => Self::Noop,
            "OPTS" => return options(argument),
            "PASS" => Self::Pass(Secret::new(argument.to_owned())),
            "PASV" => Self::Pasv,
            "PBSZ" => number(argument.trim()).map(|_| Self::Pbsz)?,
            "PROT" => match argument.trim().to_ascii_uppercase().as_str() {
                "P" => Self::Prot(Protection::Private),
                "C" | "S" | "E" => Self::Prot(Protection::Weaker),
                "" => return Err(Fault::Argument),
                _ => return Err(Fault::Parameter),
            },
            "PWD" | "XPWD" => Self::Pwd,
            "QUIT" => Self::Quit,
            "REST" => Self::Rest(number(argument.trim())?),
            "RETR" => Self::Retr(path(argument)?),
            "RMD" | "XRMD" => Self::Rmd(path(argument)?),
            "RNFR" => Self::Rnfr(path(argument)?),
            "RNTO" => Self::Rnto(path(argument)?),
            // lftp's mirror sends it after each upload and fails if it is refused.
            "SITE" if argument.to_ascii_uppercase().starts_with("CHMOD ") => Self::Chmod,
            "SITE" if argument.trim().eq_ignore_ascii_case("QUOTA") => Self::Quota,
            "SIZE" => Self::Size(path(argument)?),
            "STAT" if argument.trim().is_empty() => Self::Stat,
            "STAT" => return Err(Fault::Parameter),
            "STOR" => Self::Stor(path(argument)?),
            "STRU" => only(argument, &["F"]).map(|()| Self::Stru)?,
            "SYST" => Self::Syst,
            "TYPE" => match argument.trim().to_ascii_uppercase().as_str() {
                "A" | "A N" => Self::Type(Type::Ascii),
                "I" | "L 8" | "L8" => Self::Type(Type::Image),
                "" => return Err(Fault::Argument),
                _ => return Err(Fault::Parameter),
            },
            "USER" => Self::User(path(argument)?),
            verb if FOREIGN.contains(&verb) => return Err(Fault::Foreign),
            verb if NOT_SERVED.contains(&verb) => return Err(Fault::NotServed),
            _ => return Err(Fault::Unknown),
        })
    }
}

/// Parts the verb from its argument. Telnet's interrupt and synch before ABOR (`FF F4 FF F2`, RFC 959 section 4.1.3) are dropped.
fn split(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    let start = line
        .iter()
        .position(|b| !matches!(b, 0xf2 | 0xf4 | 0xff))
        .unwrap_or(line.len());
    let line = line.get(start..).unwrap_or_default();
    match line.iter().position(|b| *b == b' ') {
        Some(space) => (
            line.get(..space).unwrap_or_default(),
            line.get(space + 1..).filter(|rest| !rest.is_empty()),
        ),
        None => (line, None),
    }
}

fn path(argument: &str) -> Result<String, Fault> {
    optional_path(argument).ok_or(Fault::Argument)
}

fn optional_path(argument: &str) -> Option<String> {
    Some(argument.to_owned()).filter(|path| !path.is_empty())
}

/// The path behind options for `ls` such as `-la`, which clients send and which change nothing here.
fn listed_path(argument: &str) -> Option<String> {
    let mut rest = argument.trim_start();
    while rest.starts_with('-') {
        rest = rest
            .split_once(' ')
            .map_or("", |(_, rest)| rest.trim_start());
    }
    optional_path(rest)
}

/// A decimal number without a sign.
fn number(text: &str) -> Result<u64, Fault> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().map_err(|_| Fault::Argument)
    } else {
        Err(Fault::Argument)
    }
}

fn only(argument: &str, served: &[&str]) -> Result<(), Fault> {
    let argument = argument.trim();
    if argument.is_empty() {
        Err(Fault::Argument)
    } else if served.iter().any(|one| argument.eq_ignore_ascii_case(one)) {
        Ok(())
    } else {
        Err(Fault::Parameter)
    }
}

fn options(argument: &str) -> Result<Command, Fault> {
    let (name, value) = argument
        .trim()
        .split_once(' ')
        .unwrap_or((argument.trim(), ""));
    match name.to_ascii_uppercase().as_str() {
        "UTF8" | "UTF-8" if !value.trim().eq_ignore_ascii_case("OFF") => Ok(Command::OptsUtf8),
        "MLST" => Ok(Command::OptsMlst(value.trim().to_owned())),
        "" => Err(Fault::Argument),
        _ => Err(Fault::Parameter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[u8]) -> Result<Command, Fault> {
        Command::parse(&Line::Whole(line.to_vec()))
    }

    fn lines(received: &[&[u8]]) -> Vec<Line> {
        let mut lines = Lines::default();
        let mut whole = Vec::new();
        for bytes in received {
            lines.push(bytes);
            whole.extend(std::iter::from_fn(|| lines.take()));
        }
        whole
    }

    #[test]
    fn lines_end_in_cr_lf_or_lf_wherever_the_packets_are_cut() {
        let expected = [Line::Whole(b"NOOP".into()), Line::Whole(b"QUIT".into())];
        assert_eq!(lines(&[b"NOOP\r\nQUIT\n"]), expected);
        assert_eq!(lines(&[b"NO", b"OP\r", b"\nQUIT\r\n"]), expected);
    }

    #[test]
    fn a_line_over_4_kb_is_one_fault_and_the_next_line_is_read() {
        let long = vec![b'x'; 3000];
        assert_eq!(
            lines(&[&long, &long, &long, b"tail\r\nNOOP\r\n"]),
            [Line::TooLong, Line::Whole(b"NOOP".into())]
        );
        let mut just = vec![b'x'; LINE_LIMIT_BYTES];
        just.extend(b"\r\n");
        assert!(matches!(lines(&[&just]).as_slice(), [Line::Whole(_)]));
        just.insert(0, b'x');
        assert_eq!(lines(&[&just]), [Line::TooLong]);
        assert_eq!(Command::parse(&Line::TooLong), Err(Fault::TooLong));
    }

    #[test]
    fn an_endless_line_holds_no_memory() {
        let mut lines = Lines::default();
        for _ in 0..10_000 {
            lines.push(&[b'x'; 4096]);
            assert_eq!(lines.take(), None);
            assert!(lines.bytes.len() <= 2 * 4096);
        }
    }

    #[test]
    fn what_follows_auth_is_forgotten() {
        let mut lines = Lines::default();
        lines.push(b"AUTH TLS\r\nFEAT\r\nUS");
        assert_eq!(lines.take(), Some(Line::Whole(b"AUTH TLS".into())));
        lines.clear();
        assert_eq!(lines.take(), None);
    }

    #[test]
    fn verbs_are_read_in_any_case_r0_13() {
        for line in ["AUTH TLS", "auth ssl", "AUTH TLS-C", "Auth tls-p"] {
            assert_eq!(parse(line.as_bytes()), Ok(Command::Auth));
        }
        assert_eq!(parse(b"AUTH KERBEROS"), Err(Fault::Parameter));
        assert_eq!(parse(b"prot p"), Ok(Command::Prot(Protection::Private)));
        assert_eq!(parse(b"PROT C"), Ok(Command::Prot(Protection::Weaker)));
        assert_eq!(parse(b"type i"), Ok(Command::Type(Type::Image)));
        assert_eq!(parse(b"TYPE A N"), Ok(Command::Type(Type::Ascii)));
        assert_eq!(parse(b"TYPE E"), Err(Fault::Parameter));
        assert_eq!(parse(b"EPSV ALL"), Ok(Command::EpsvAll));
        assert_eq!(parse(b"EPSV 2"), Ok(Command::Epsv(Family::V6)));
        assert_eq!(parse(b"NOOP anything"), Ok(Command::Noop));
        assert_eq!(parse(b"XPWD"), Ok(Command::Pwd));
        assert_eq!(parse(b"OPTS UTF8 ON"), Ok(Command::OptsUtf8));
        assert_eq!(parse(b"opts utf8"), Ok(Command::OptsUtf8));
        assert_eq!(parse(b"OPTS HASH SHA-1"), Err(Fault::Parameter));
    }

    #[test]
    fn names_are_taken_as_they_stand_r0_17() {
        assert_eq!(
            parse(b"USER Secureftp.example.com|hr@acme.example"),
            Ok(Command::User(
                "Secureftp.example.com|hr@acme.example".to_owned()
            ))
        );
        assert_eq!(
            parse(b"PASS  two words "),
            Ok(Command::Pass(Secret::new(" two words ".to_owned())))
        );
        assert_eq!(
            parse("STOR é (2).csv".as_bytes()),
            Ok(Command::Stor("é (2).csv".to_owned()))
        );
        assert_eq!(
            parse(b"PASS"),
            Ok(Command::Pass(Secret::new(String::new())))
        );
        assert_eq!(parse(b"STOR"), Err(Fault::Argument));
        assert_eq!(parse(b"USER "), Err(Fault::Argument));
    }

    #[test]
    fn nul_cr_and_invalid_utf_8_are_faults_of_that_line() {
        assert_eq!(parse(b"STOR a\0b"), Err(Fault::Argument));
        assert_eq!(parse(b"STOR a\rb"), Err(Fault::Argument));
        assert_eq!(parse(b"STOR \xc0\xae"), Err(Fault::Argument));
        assert_eq!(parse(b"\x80\x81"), Err(Fault::Unknown));
        assert_eq!(parse(b""), Err(Fault::Unknown));
        assert_eq!(parse(b"\x16\x03\x01\x02"), Err(Fault::Unknown));
    }

    #[test]
    fn offsets_are_numbers_that_fit() {
        assert_eq!(
            parse(b"REST 18446744073709551615"),
            Ok(Command::Rest(u64::MAX))
        );
        for line in [
            "REST 18446744073709551616",
            "REST -1",
            "REST +1",
            "REST",
            "REST 1 2",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Fault::Argument), "{line}");
        }
        assert_eq!(parse(b"ALLO 100 R 10"), Ok(Command::Allo(100)));
    }

    #[test]
    fn the_time_of_mfmt_is_a_time_in_utc_and_the_rest_of_the_line_a_name() {
        let set = |line: &[u8]| parse(line);
        let instant = "2026-11-22T01:02:03Z".parse().unwrap();
        let expected = Ok(Command::Mfmt(instant, "/data/a b.csv".to_owned()));
        assert_eq!(set(b"MFMT 20261122010203 /data/a b.csv"), expected);
        assert_eq!(set(b"mfmt 20261122010203.999 /data/a b.csv"), expected);
        for line in [
            "MFMT",
            "MFMT 20261122010203",
            "MFMT 20261322010203 a",
            "MFMT 2026112201020 a",
            "MFMT yesterday a",
            "MFMT 20261122010203. a",
            "MFMT 20261122010203 ",
        ] {
            assert_eq!(set(line.as_bytes()), Err(Fault::Argument), "{line}");
        }
    }

    #[test]
    fn options_for_ls_are_dropped() {
        let list = |path: Option<&str>| Ok(Command::List(path.map(str::to_owned)));
        assert_eq!(parse(b"LIST"), list(None));
        assert_eq!(parse(b"LIST -la"), list(None));
        assert_eq!(parse(b"LIST -a -l /data"), list(Some("/data")));
        assert_eq!(parse(b"LIST my files"), list(Some("my files")));
    }

    #[test]
    fn telnet_bytes_before_abor_are_tolerated() {
        assert_eq!(parse(b"\xff\xf4\xff\xf2ABOR"), Ok(Command::Abor));
        assert_eq!(parse(b"\xf2ABOR"), Ok(Command::Abor));
    }

    #[test]
    fn other_protocols_other_commands_and_nonsense_are_told_apart() {
        assert_eq!(parse(b"GET / HTTP/1.1"), Err(Fault::Foreign));
        assert_eq!(parse(b"SITE CHMOD 777 x"), Ok(Command::Chmod));
        assert_eq!(parse(b"SITE EXEC ls"), Err(Fault::NotServed));
        assert_eq!(parse(b"site quota"), Ok(Command::Quota));
        assert_eq!(parse(b"LANG en"), Ok(Command::Lang));
        assert_eq!(parse(b"LANG tlh"), Err(Fault::Parameter));
        assert_eq!(parse(b"PORT 127,0,0,1,4,1"), Err(Fault::ActiveMode));
        assert_eq!(parse(b"FROBNICATE"), Err(Fault::Unknown));
        assert_eq!(parse(b"MODE Z"), Err(Fault::Parameter));
        assert_eq!(parse(b"STRU F"), Ok(Command::Stru));
        assert_eq!(parse(b"STAT /data"), Err(Fault::Parameter));
    }
}
