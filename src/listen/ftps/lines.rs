//! Pure. Lines: bytes from a control connection come in wherever the packets were cut, command lines come out. A line is cut at 4 KB.

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
