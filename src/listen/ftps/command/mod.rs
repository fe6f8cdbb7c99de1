//! Pure. Command lines come in, commands or the fault in them come out.
//!
//! Nothing here trusts the peer: an argument with NUL, CR or invalid UTF-8 is a fault of that one line.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

use jiff::Timestamp;

use crate::listen::ftps::lines::Line;
use crate::listen::ftps::listing::instant_of;
use crate::secret::Secret;

/// What a client asks for. Paths are as sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Abor,
    Allo(u64),
    Appe(String),
    Auth,
    /// Free bytes (draft-peterson-streamlined-ftp-command-extensions).
    Avbl(Option<String>),
    Cdup,
    /// SITE CHMOD.
    Chmod,
    /// A client's name, which changes nothing.
    Clnt,
    Cwd(String),
    Dele(String),
    Eprt(Endpoint),
    Epsv(Family),
    EpsvAll,
    Feat,
    /// draft-bryan-ftpext-hash.
    Hash(String),
    Help,
    /// RFC 7151.
    Host(String),
    Lang,
    List(Option<String>),
    Mdtm(String),
    /// A file's time, by MFMT or MFF (draft-somers-ftp-mfxx).
    Mfmt(Timestamp, String),
    Mkd(String),
    Mlsd(Option<String>),
    Mlst(Option<String>),
    Mode,
    Nlst(Option<String>),
    Noop,
    OptsHash,
    OptsMlst(String),
    OptsUtf8,
    Pass(Secret<String>),
    Pasv,
    Pbsz,
    Port(SocketAddrV4),
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
    Stat(Option<String>),
    Stor(String),
    Stru,
    Syst,
    Type(Type),
    User(String),
    Xsha256(String),
}

/// Where EPRT wants the data connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    At(SocketAddr),
    /// Of a network protocol that is neither IPv4 nor IPv6.
    OtherFamily,
}

/// The address family EPSV asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Same,
    V4,
    V6,
    Other,
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
    /// The argument makes no sense.
    Argument,
    /// A digest that is not SHA-256.
    Algorithm,
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
const NOT_SERVED: [&str; 20] = [
    "ACCT", "ADAT", "CCC", "CONF", "COMB", "CSID", "DSIZ", "ENC", "LPRT", "LPSV", "MFCT", "MIC",
    "REIN", "SITE", "SMNT", "STOU", "THMB", "XCRC", "XMD5", "XSHA1",
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
            "ALLO" => Self::Allo(allocation(argument)?),
            "APPE" => Self::Appe(path(argument)?),
            "AUTH" => match argument.trim().to_ascii_uppercase().as_str() {
                "TLS" | "SSL" | "TLS-C" | "TLS-P" => Self::Auth,
                "" => return Err(Fault::Argument),
                _ => return Err(Fault::Parameter),
            },
            "AVBL" => Self::Avbl(optional_path(argument)),
            "CDUP" | "XCUP" => Self::Cdup,
            "CLNT" => Self::Clnt,
            "CWD" | "XCWD" => Self::Cwd(path(argument)?),
            "DELE" => Self::Dele(path(argument)?),
            "EPRT" => Self::Eprt(endpoint(argument.trim())?),
            "EPSV" => match argument.trim().to_ascii_uppercase().as_str() {
                "" => Self::Epsv(Family::Same),
                "1" => Self::Epsv(Family::V4),
                "2" => Self::Epsv(Family::V6),
                "ALL" => Self::EpsvAll,
                other => number(other).map(|_| Self::Epsv(Family::Other))?,
            },
            "FEAT" => Self::Feat,
            "HASH" => Self::Hash(path(argument)?),
            "HELP" => Self::Help,
            "HOST" => Self::Host(path(argument.trim())?),
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
            "MFF" => facts(argument)?,
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
            "PORT" => Self::Port(host_and_port(argument.trim())?),
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
            "STAT" if argument.trim().is_empty() => Self::Stat(None),
            // With nothing but options it is about the working folder.
            "STAT" => Self::Stat(listed_path(argument).or_else(|| Some(".".to_owned()))),
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
            "XSHA256" => Self::Xsha256(path(argument)?),
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

/// The six numbers of PORT.
fn host_and_port(argument: &str) -> Result<SocketAddrV4, Fault> {
    let numbers = argument
        .split(',')
        .map(|text| number(text).and_then(|it| u8::try_from(it).map_err(|_| Fault::Argument)))
        .collect::<Result<Vec<u8>, Fault>>()?;
    let [a, b, c, d, high, low] = numbers.as_slice() else {
        return Err(Fault::Argument);
    };
    match u16::from_be_bytes([*high, *low]) {
        0 => Err(Fault::Argument),
        port => Ok(SocketAddrV4::new(Ipv4Addr::new(*a, *b, *c, *d), port)),
    }
}

/// `|1|203.0.113.7|6275|`; the first character parts the rest (RFC 2428 section 2).
fn endpoint(argument: &str) -> Result<Endpoint, Fault> {
    let delimiter = argument.chars().next().filter(char::is_ascii_graphic);
    let parts: Vec<&str> = argument.split(delimiter.ok_or(Fault::Argument)?).collect();
    let ["", family, address, port, ""] = parts.as_slice() else {
        return Err(Fault::Argument);
    };
    let port = match u16::try_from(number(port)?) {
        Ok(port) if port > 0 => port,
        _ => return Err(Fault::Argument),
    };
    let address = match *family {
        "1" => address.parse::<Ipv4Addr>().map(Into::into),
        "2" => address.parse::<Ipv6Addr>().map(Into::into),
        other => return number(other).map(|_| Endpoint::OtherFamily),
    };
    let address = address.map_err(|_| Fault::Argument)?;
    Ok(Endpoint::At(SocketAddr::new(address, port)))
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

/// The size in ALLO; that of a record, which may follow, means nothing here.
fn allocation(argument: &str) -> Result<u64, Fault> {
    let words: Vec<&str> = argument
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect();
    match words.as_slice() {
        [size] => number(size),
        [size, r, record] if r.eq_ignore_ascii_case("R") => number(record).and(number(size)),
        _ => Err(Fault::Argument),
    }
}

/// `modify=20261122010203; name`: the time is the only fact that can be changed.
fn facts(argument: &str) -> Result<Command, Fault> {
    let (facts, name) = argument.split_once(' ').ok_or(Fault::Argument)?;
    let facts = facts.strip_suffix(';').ok_or(Fault::Argument)?;
    let facts: Vec<_> = facts.split(';').map(|fact| fact.split_once('=')).collect();
    let is_time = |(fact, _): &(&str, &str)| fact.eq_ignore_ascii_case("modify");
    match facts.as_slice() {
        [Some((_, time))] if facts.iter().flatten().all(is_time) => {
            let time = instant_of(time).ok_or(Fault::Argument)?;
            Ok(Command::Mfmt(time, path(name)?))
        }
        facts if facts.contains(&None) => Err(Fault::Argument),
        facts if facts.iter().flatten().all(is_time) => Err(Fault::Argument),
        _ => Err(Fault::Parameter),
    }
}

fn options(argument: &str) -> Result<Command, Fault> {
    let (name, value) = argument
        .trim()
        .split_once(' ')
        .unwrap_or((argument.trim(), ""));
    match name.to_ascii_uppercase().as_str() {
        "UTF8" | "UTF-8" if !value.trim().eq_ignore_ascii_case("OFF") => Ok(Command::OptsUtf8),
        "HASH" => match value.trim() {
            "" => Ok(Command::OptsHash),
            name if name.eq_ignore_ascii_case("SHA-256") => Ok(Command::OptsHash),
            _ => Err(Fault::Algorithm),
        },
        "MLST" => Ok(Command::OptsMlst(value.trim().to_owned())),
        "" => Err(Fault::Argument),
        _ => Err(Fault::Parameter),
    }
}

#[cfg(test)]
mod tests;
