//! Pure. Markup as UTF-8, whatever it is written in: by its byte order mark, by what it declares, or by what its bytes can be.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use memchr::memmem;

use crate::parse::finding::Finding;
use crate::parse::read::table::Stop;
use crate::parse::read::text::{judge, utf_16};

const HEAD_BYTES: u64 = 4 * 1024;
const BUFFER_BYTES: usize = 32 * 1024;

/// What the markup is written in, and what the report should say about that.
pub(super) fn encoding_of<R: Read + Seek>(
    input: &mut R,
    agreed: Option<&str>,
) -> Result<(&'static Encoding, Option<Finding>), Stop> {
    input.seek(SeekFrom::Start(0))?;
    let mut head = Vec::new();
    input.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    let marked = Encoding::for_bom(&head).map(|(encoding, _)| encoding);
    if let Some(encoding) = marked.or_else(|| utf_16(&head)).or_else(|| declared(&head)) {
        return Ok((encoding, None));
    }
    let choice = judge(input, 0, agreed)??;
    Ok((choice.encoding, choice.note))
}

/// `charset=` of a page, `encoding=` of XML. Either of them stands in ASCII, so UTF-16 it is not.
fn declared(head: &[u8]) -> Option<&'static Encoding> {
    let value = |name: &[u8]| {
        let at = memmem::find(head, name)?;
        let rest = head.get(at + name.len()..)?.trim_ascii_start();
        let rest = rest.strip_prefix(b"=")?.trim_ascii_start();
        let quote = matches!(rest, [b'"' | b'\'', ..]);
        let rest = rest.get(usize::from(quote)..)?;
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"-_:.".contains(byte));
        rest.get(..length.count())
    };
    let encoding = value(b"charset").or_else(|| value(b"encoding"))?;
    let encoding = Encoding::for_label(encoding)?;
    Some(if encoding == UTF_16LE || encoding == UTF_16BE {
        UTF_8
    } else {
        encoding
    })
}

/// UTF-8 from another encoding, without a byte order mark. What cannot be decoded becomes U+FFFD.
pub(super) struct Decoded<R> {
    input: BufReader<R>,
    decoder: Decoder,
    text: Vec<u8>,
    taken: usize,
    is_done: bool,
}

impl<R: Read + Seek> Decoded<R> {
    /// All of `input`, from its beginning.
    pub(super) fn new(mut input: R, encoding: &'static Encoding) -> io::Result<Self> {
        input.seek(SeekFrom::Start(0))?;
        Ok(Self {
            input: BufReader::with_capacity(BUFFER_BYTES, input),
            decoder: encoding.new_decoder_with_bom_removal(),
            text: Vec::new(),
            taken: 0,
            is_done: false,
        })
    }

    fn fill(&mut self) -> io::Result<()> {
        self.text.resize(4 * BUFFER_BYTES, 0);
        self.taken = 0;
        let mut written = 0;
        while written == 0 && !self.is_done {
            let buffer = io::BufRead::fill_buf(&mut self.input)?;
            let last = buffer.is_empty();
            let (result, read, wrote, _) =
                self.decoder.decode_to_utf8(buffer, &mut self.text, last);
            io::BufRead::consume(&mut self.input, read);
            written = wrote;
            self.is_done = last && result == CoderResult::InputEmpty;
        }
        self.text.truncate(written);
        Ok(())
    }
}

impl<R: Read + Seek> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.text.len() {
            self.fill()?;
        }
        let rest = self.text.get(self.taken..).unwrap_or_default();
        let length = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..length), rest.get(..length)) {
            to.copy_from_slice(from);
        }
        self.taken += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn decoded(bytes: &[u8], agreed: Option<&str>) -> String {
        let mut input = Cursor::new(bytes);
        let (encoding, _) = encoding_of(&mut input, agreed).unwrap();
        let mut text = String::new();
        Decoded::new(input, encoding)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn markup_is_read_in_what_it_is_written_in() {
        let utf16 =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        assert_eq!(decoded(&utf16("\u{feff}<td>Zoë"), None), "<td>Zoë");
        assert_eq!(decoded(&utf16("<td>Zoë"), None), "<td>Zoë");
        assert_eq!(decoded("\u{feff}<td>Zoë".as_bytes(), None), "<td>Zoë");
        assert_eq!(decoded("<td>Zoë".as_bytes(), Some("cp1250")), "<td>Zoë");
        assert_eq!(decoded(b"<td>Zo\xeb", None), "<td>Zoë");
        assert_eq!(decoded(b"<td>\xa3", Some("iso-8859-2")), "<td>Ł");
        let page = b"<meta charset=\"iso-8859-2\"><td>\xa3";
        assert!(decoded(page, None).ends_with('Ł'));
        let page = b"<meta content='text/html; charset=iso-8859-2'><td>\xa3";
        assert!(decoded(page, None).ends_with('Ł'));
        let xml = b"<?xml version='1.0' encoding='windows-1250'?><a>\xa3";
        assert!(decoded(xml, None).ends_with('Ł'));
    }

    #[test]
    fn more_than_a_buffer_comes_out_whole() {
        let text = format!("<td>{}", "Zoë €".repeat(40_000));
        assert_eq!(decoded(text.as_bytes(), None), text);
        let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(&text);
        assert_eq!(decoded(&bytes, None), text);
    }
}
