//! Pure. Replies: a code and sentences of ours. Nothing the peer sent ever stands in one.

use std::borrow::Cow;

use super::command::Fault;

/// An answer on the control connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    code: u16,
    text: Cow<'static, str>,
    /// Between the first line and the last, each indented by a space (RFC 2389 section 3.2, RFC 3659 section 7.2).
    between: Vec<String>,
}

impl Reply {
    /// One line.
    pub(super) fn new(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            text: text.into(),
            between: Vec::new(),
        }
    }

    /// Several lines: `text`, then `between`, then an end.
    pub(super) fn listing(code: u16, text: &'static str, between: Vec<String>) -> Self {
        Self {
            code,
            text: Cow::Borrowed(text),
            between,
        }
    }

    /// The text to send. A control character would begin a line of its own, so none leaves.
    pub(super) fn encode(&self) -> String {
        let text: String = self
            .text
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
        let code = self.code;
        if self.between.is_empty() {
            return format!("{code} {text}\r\n");
        }
        let mut lines = format!("{code}-{text}\r\n");
        for line in &self.between {
            lines.push(' ');
            lines.extend(line.chars().map(|c| if c.is_control() { '?' } else { c }));
            lines.push_str("\r\n");
        }
        lines + &format!("{code} End\r\n")
    }

    /// The code.
    pub(super) fn code(&self) -> u16 {
        self.code
    }
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unknown => Self::new(500, "No such command"),
            Fault::NotServed => Self::new(502, "This command is not served here"),
            Fault::Argument => Self::new(501, "The argument is missing or malformed"),
            Fault::Algorithm => {
                Self::new(501, "SHA-256 is the only digest here: nothing was changed")
            }
            Fault::Parameter => Self::new(504, "This parameter is not served here"),
            Fault::TooLong => Self::new(501, "Command lines may have up to 4096 bytes"),
            Fault::Foreign => Self::new(421, "This is an FTP server"),
        }
    }
}

/// A path in double quotes, as in 257 (RFC 959 appendix II).
pub(super) fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('"', "\"\""))
}

/// PASV's reply: where to connect to.
pub(super) fn entering_passive([a, b, c, d]: [u8; 4], port: u16) -> Reply {
    let [high, low] = port.to_be_bytes();
    Reply::new(
        227,
        format!("Entering Passive Mode ({a},{b},{c},{d},{high},{low})"),
    )
}

/// EPSV's reply.
pub(super) fn entering_extended_passive(port: u16) -> Reply {
    Reply::new(229, format!("Entering Extended Passive Mode (|||{port}|)"))
}

/// FEAT's reply, which tells the truth: no REST STREAM, since an upload under a final name is whole or not at all.
pub(super) fn features(facts: &str, more: impl IntoIterator<Item = &'static str>) -> Reply {
    let mut features: Vec<String> = ["AUTH TLS", "AUTH SSL", "PBSZ", "PROT", "UTF8"]
        .map(str::to_owned)
        .to_vec();
    features.push(format!("MLST {facts}"));
    let always = [
        "SIZE",
        "MDTM",
        "MFMT",
        "MFF modify;",
        "HASH SHA-256*",
        "XSHA256",
        "AVBL",
        "EPSV",
        "TVFS",
        "CLNT",
        "HOST",
        "LANG EN*",
    ];
    features.extend(always.into_iter().chain(more).map(str::to_owned));
    Reply::listing(211, "Features:", features)
}

/// HELP's reply.
pub(super) fn help() -> Reply {
    let served = [
        "ABOR ALLO APPE AUTH AVBL CDUP CLNT CWD DELE EPRT EPSV FEAT HASH HELP HOST LANG",
        "LIST MDTM MFF MFMT MKD MLSD MLST MODE NLST NOOP OPTS PASS PASV PBSZ PORT PROT",
        "PWD QUIT REST RETR RMD RNFR RNTO SITE SIZE STAT STOR STRU SYST TYPE USER XSHA256",
    ];
    Reply::listing(214, "Commands:", served.map(str::to_owned).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reply: &Reply) -> String {
        reply.encode()
    }

    #[test]
    fn a_reply_is_one_line_or_a_block_that_ends_with_its_code() {
        assert_eq!(text(&Reply::new(200, "Done")), "200 Done\r\n");
        assert_eq!(
            text(&features("type*;size*;", Some("EPRT"))),
            "211-Features:\r\n AUTH TLS\r\n AUTH SSL\r\n PBSZ\r\n PROT\r\n UTF8\r\n MLST type*;size*;\r\n SIZE\r\n MDTM\r\n MFMT\r\n MFF modify;\r\n HASH SHA-256*\r\n XSHA256\r\n AVBL\r\n EPSV\r\n TVFS\r\n CLNT\r\n HOST\r\n LANG EN*\r\n EPRT\r\n211 End\r\n"
        );
    }

    #[test]
    fn nothing_in_a_reply_can_begin_a_line() {
        let hostile = "a\r\n230 Welcome\u{85}";
        assert_eq!(
            text(&Reply::new(553, hostile.to_owned())),
            "553 a??230 Welcome?\r\n"
        );
        assert_eq!(
            text(&Reply::listing(250, "Facts:", vec![hostile.to_owned()])),
            "250-Facts:\r\n a??230 Welcome?\r\n250 End\r\n"
        );
    }

    #[test]
    fn rest_stream_is_not_claimed() {
        assert!(!text(&features("", None)).contains("REST"));
    }

    #[test]
    fn passive_replies_are_in_the_form_clients_look_for() {
        assert!(
            text(&entering_passive([203, 0, 113, 7], 6980)).ends_with("(203,0,113,7,27,68)\r\n")
        );
        assert!(text(&entering_extended_passive(7000)).ends_with("(|||7000|)\r\n"));
    }

    #[test]
    fn quotes_in_a_path_are_doubled() {
        assert_eq!(quoted("/a\"b"), "\"/a\"\"b\"");
    }

    #[test]
    fn faults_have_the_codes_of_rfc_959() {
        let code = |fault: Fault| Reply::from(fault).code();
        assert_eq!(code(Fault::Unknown), 500);
        assert_eq!(code(Fault::TooLong), 501);
        assert_eq!(code(Fault::NotServed), 502);
        assert_eq!(code(Fault::Parameter), 504);
        assert_eq!(code(Fault::Foreign), 421);
    }
}
