//! Pure. Where TLS records end in a stream of bytes (RFC 8446 section 5.1): a connection that ended inside one was cut, whatever its tenant accepts.

/// Bytes before the body of a record: its type, its version and how long the body is.
const HEADER_BYTES: usize = 5;

/// Follows a stream from record to record.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Seen of the header of this record.
    header_bytes: usize,
    /// Of the body still to come; before the header is whole, what of the length was seen.
    body_bytes: usize,
}

impl Records {
    /// Passes by what was received.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.header_bytes < HEADER_BYTES {
                self.header_bytes += 1;
                if self.header_bytes >= HEADER_BYTES - 1 {
                    self.body_bytes = self.body_bytes << 8 | usize::from(*first);
                }
                bytes = rest;
            } else {
                let passed = self.body_bytes.min(bytes.len());
                self.body_bytes -= passed;
                bytes = bytes.get(passed..).unwrap_or_default();
            }
            if self.header_bytes == HEADER_BYTES && self.body_bytes == 0 {
                *self = Self::default();
            }
        }
    }

    /// Whether all that began has ended.
    pub(super) fn is_between(&self) -> bool {
        self.header_bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_between_records_exactly_where_one_ends_however_it_is_cut() {
        let mut stream = Vec::new();
        let mut ends = vec![0];
        for body in [300, 1, 0, 16_640] {
            stream.extend([23, 3, 3]);
            stream.extend(u16::try_from(body).unwrap().to_be_bytes());
            stream.extend(vec![7; body]);
            ends.push(stream.len());
        }
        for piece in [1, 2, 3, 7, 64, 100_000] {
            let mut records = Records::default();
            let mut at = 0;
            for bytes in stream.chunks(piece) {
                records.pass(bytes);
                at += bytes.len();
                assert_eq!(records.is_between(), ends.contains(&at), "{at} by {piece}");
            }
        }
    }
}
