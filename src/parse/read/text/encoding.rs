//! Pure. Which encoding a text has, and the text itself as UTF-8, chunk by chunk. A whole file decides: one wrong byte at its end counts.
//!
//! The order: a byte order mark, zeros (UTF-16 without a mark), clean UTF-8, nearly clean UTF-8 (its faulty rows are refused later), what was
//! agreed, and a guess that the report names. Bytes that mean nothing in a code page come out as [`WRONG`], so that their cells are refused too.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    Decoder, DecoderResult, Encoding, ISO_2022_JP, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE,
    WINDOWS_1252, WINDOWS_1257, WINDOWS_1258,
};

use simdutf8::basic::from_utf8;

use crate::parse::finding::{Finding, Severity, code};

/// No byte of UTF-8.
const WRONG: u8 = 0xff;
const CHUNK_BYTES: usize = 64 * 1024;
/// Looked at for the zeros of UTF-16.
const HEAD_BYTES: u64 = 16 * 1024;
/// Given to the guesser: lines with letters beyond ASCII, which are all that it learns from.
const GUESS_BYTES: usize = 512 * 1024;
/// Too few to tell Latvian from French.
const FEW_RUNS: u64 = 10;

/// What was found out.
#[derive(Debug)]
pub(in crate::parse::read) struct Choice {
    pub(in crate::parse::read) encoding: &'static Encoding,
    /// Where the text begins, behind its mark.
    start: u64,
    /// What the report should say about it.
    pub(in crate::parse::read) note: Option<Finding>,
    /// Somewhere a backslash stands before a quote.
    pub(super) escapes: bool,
}

/// Judges the text that begins at `start`, which is behind a mark of UTF-8 if it is not 0. The inner error is the refusal.
pub(in crate::parse::read) fn judge<R: Read + Seek>(
    input: &mut R,
    start: u64,
    agreed: Option<&str>,
) -> io::Result<Result<Choice, Finding>> {
    input.seek(SeekFrom::Start(start))?;
    let mut head = Vec::new();
    input.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    if start == 0 {
        let marked = |encoding, length| {
            Ok(Ok(Choice {
                encoding,
                start: length,
                note: None,
                escapes: true,
            }))
        };
        match utf_16(&head) {
            Some(encoding)
                if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) =>
            {
                return marked(encoding, 2);
            }
            Some(encoding) => return marked(encoding, 0),
            None => {}
        }
    }
    drop(head);
    let scan = Scan::of(input, start)?;
    let choice = |encoding, note| Choice {
        encoding,
        start,
        note,
        escapes: scan.escapes,
    };
    let agreed = agreed.and_then(|label| Encoding::for_label(label.as_bytes()));
    if let Some(agreed) = agreed.filter(|agreed| *agreed == ISO_2022_JP && scan.escape_codes) {
        return Ok(Ok(choice(agreed, None)));
    }
    if scan.valid {
        let note = agreed
            .filter(|agreed| *agreed != UTF_8 && !scan.ascii)
            .map(|agreed| {
                Finding::file(
                    code::ENCODING_CHOSEN,
                    format!(
                        "The file is UTF-8, although {} is agreed; it was read as UTF-8.",
                        agreed.name()
                    ),
                    "Nothing, if it stays like this: then take `encoding` out of this data source.",
                )
                .with_severity(Severity::Info)
            });
        return Ok(Ok(choice(UTF_8, note)));
    }
    let runs = Runs::of(input, start)?;
    if start > 0 || runs.nearly_all_valid() || agreed == Some(UTF_8) {
        return Ok(Ok(choice(UTF_8, None)));
    }
    let single_bytes = |encoding: &&'static Encoding| {
        ![UTF_16LE, UTF_16BE, REPLACEMENT, ISO_2022_JP].contains(encoding)
    };
    if let Some(agreed) = agreed.filter(single_bytes) {
        return Ok(Ok(choice(agreed, None)));
    }
    let guessed = runs.guessed();
    Ok(Ok(choice(guessed, Some(told(guessed)))))
}

fn told(guessed: &'static Encoding) -> Finding {
    Finding::file(
        code::ENCODING_CHOSEN,
        format!(
            "The file is not UTF-8 and does not say what it is; it was read as {}, which is a guess: letters with accents may be wrong.",
            guessed.name()
        ),
        "Export it as UTF-8, or set `encoding` of this data source to what the sender writes.",
    )
    .with_severity(Severity::Warning)
}

/// Whether bytes are the beginning of a text in UTF-16: by its mark, or because ASCII in it has a zero in every pair.
pub(in crate::parse::read) fn utf_16(head: &[u8]) -> Option<&'static Encoding> {
    if head.starts_with(&[0xff, 0xfe]) {
        return Some(UTF_16LE);
    }
    if head.starts_with(&[0xfe, 0xff]) {
        return Some(UTF_16BE);
    }
    let (mut high, mut low, mut bytes) = (0_usize, 0_usize, 0_usize);
    for pair in head.chunks_exact(2) {
        match pair {
            // A character that no text has.
            [0, 0] => return None,
            [0, _] => high += 1,
            [_, 0] => low += 1,
            // Two characters of a text in single bytes, or one of few Chinese ones.
            [
                b'\t' | b'\n' | b'\r' | b' '..=b'~',
                b'\t' | b'\n' | b'\r' | b' '..=b'~',
            ] => bytes += 1,
            _ => {}
        }
    }
    // Delimiters, digits and line ends are ASCII in every language.
    let enough = |zeros: usize| zeros > 2 && zeros > head.len() / 32 && bytes <= zeros * 2;
    // Some letters and halves of pictures have their zero on the other side.
    if high <= low / 16 && enough(low) {
        Some(UTF_16LE)
    } else if low <= high / 16 && enough(high) {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// What the bytes of the whole file are, found at the speed of memory.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four things that have nothing to do with each other"
)]
struct Scan {
    ascii: bool,
    valid: bool,
    /// ESC, with which ISO-2022-JP changes its alphabet.
    escape_codes: bool,
    escapes: bool,
}

impl Scan {
    fn of<R: Read + Seek>(input: &mut R, start: u64) -> io::Result<Self> {
        let mut scan = Self {
            ascii: true,
            valid: true,
            escape_codes: false,
            escapes: false,
        };
        let mut backslash = false;
        // Up to three bytes of a character whose end is in the next chunk.
        let mut kept = 0;
        let mut buffer = vec![0; CHUNK_BYTES];
        input.seek(SeekFrom::Start(start))?;
        loop {
            let room = buffer.get_mut(kept..).unwrap_or_default();
            let read = retried(|| input.read(room))?;
            let (old, end) = (kept, kept + read);
            let chunk = buffer.get(..end).unwrap_or_default();
            if read == 0 {
                scan.valid &= chunk.is_empty();
                return Ok(scan);
            }
            kept = 0;
            let fresh = chunk.get(old..).unwrap_or_default();
            scan.habits(fresh, &mut backslash);
            if !(old == 0 && chunk.is_ascii()) {
                scan.ascii = false;
                if from_utf8(chunk).is_err()
                    && let Err(error) = std::str::from_utf8(chunk)
                {
                    if error.error_len().is_none() {
                        let from = error.valid_up_to();
                        kept = end - from;
                        buffer.copy_within(from..end, 0);
                    } else {
                        scan.valid = false;
                    }
                }
            }
            if !scan.valid && scan.escapes {
                return Ok(scan);
            }
        }
    }

    fn habits(&mut self, chunk: &[u8], backslash: &mut bool) {
        if self.ascii && !self.escape_codes {
            self.escape_codes = memchr::memchr(0x1b, chunk).is_some();
        }
        if !self.escapes {
            self.escapes = *backslash && chunk.first() == Some(&b'"')
                || memchr::memchr_iter(b'\\', chunk).any(|at| chunk.get(at + 1) == Some(&b'"'));
            *backslash = chunk.last() == Some(&b'\\');
        }
    }
}

/// The runs of bytes beyond ASCII, of a file that is not clean UTF-8.
struct Runs {
    valid: u64,
    all: u64,
    /// Bytes of the longest one.
    longest: usize,
    sample: Vec<u8>,
}

impl Runs {
    fn of<R: Read + Seek>(input: &mut R, start: u64) -> io::Result<Self> {
        let mut runs = Self {
            valid: 0,
            all: 0,
            longest: 0,
            sample: Vec::new(),
        };
        input.seek(SeekFrom::Start(start))?;
        let mut input = BufReader::with_capacity(CHUNK_BYTES, input);
        let mut run = Vec::new();
        loop {
            let chunk = input.fill_buf()?;
            if chunk.is_empty() {
                runs.end(&mut run);
                return Ok(runs);
            }
            if runs.sample.len() < GUESS_BYTES && !chunk.is_ascii() {
                runs.sample.extend_from_slice(chunk);
            }
            for part in chunk.chunk_by(|before, byte| before.is_ascii() == byte.is_ascii()) {
                if part.is_ascii() {
                    runs.end(&mut run);
                } else if run.len() < CHUNK_BYTES {
                    run.extend_from_slice(part);
                }
            }
            let length = chunk.len();
            input.consume(length);
        }
    }

    fn end(&mut self, run: &mut Vec<u8>) {
        if !run.is_empty() {
            self.all += 1;
            self.longest = self.longest.max(run.len());
            self.valid += u64::from(std::str::from_utf8(run).is_ok());
            run.clear();
        }
    }

    /// UTF-8 into which something else was written here and there. In no code page do letters come out as UTF-8 nine times of ten.
    fn nearly_all_valid(&self) -> bool {
        self.valid.saturating_mul(10) >= self.all.saturating_mul(9)
    }

    fn guessed(&self) -> &'static Encoding {
        // Without letters there is nothing to guess by: quotes, dashes and the euro stand at the same places in all code pages of Windows.
        if self.longest == 1 && self.sample.iter().all(|byte| *byte < 0xc0) {
            return WINDOWS_1252;
        }
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        detector.feed(&self.sample, true);
        let guess = detector.guess(None, Utf8Detection::Deny);
        // The guesser takes a few French or German letters among typographic quotes for Baltic ones.
        if self.all < FEW_RUNS && [WINDOWS_1257, WINDOWS_1258].contains(&guess) {
            return WINDOWS_1252;
        }
        guess
    }
}

/// Does `read` again when a signal has come between.
fn retried(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// The text as UTF-8, but for bytes that are wrong in its encoding.
#[derive(Debug)]
pub(super) enum Decoded<R> {
    /// As it stands.
    Plain(BufReader<R>),
    Recoded(Recoded<R>),
}

impl<R: Read + Seek> Decoded<R> {
    /// Begins at the beginning.
    pub(super) fn open(mut input: R, choice: &Choice) -> io::Result<Self> {
        input.seek(SeekFrom::Start(choice.start))?;
        Ok(if choice.encoding == UTF_8 {
            Self::Plain(BufReader::with_capacity(CHUNK_BYTES, input))
        } else {
            Self::Recoded(Recoded::new(input, choice.encoding, CHUNK_BYTES))
        })
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let taken = self.fill_buf()?.read(out)?;
        self.consume(taken);
        Ok(taken)
    }
}

impl<R: Read> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Plain(input) => input.fill_buf(),
            Self::Recoded(input) => input.filled(),
        }
    }

    fn consume(&mut self, taken: usize) {
        match self {
            Self::Plain(input) => input.consume(taken),
            Self::Recoded(input) => input.at = (input.at + taken).min(input.end),
        }
    }
}

/// A text in another encoding on its way to UTF-8.
pub(super) struct Recoded<R> {
    input: R,
    decoder: Decoder,
    raw: Vec<u8>,
    raw_at: usize,
    raw_end: usize,
    text: Vec<u8>,
    at: usize,
    end: usize,
    last: bool,
    done: bool,
}

impl<R> std::fmt::Debug for Recoded<R> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Recoded")
            .field("encoding", &self.decoder.encoding().name())
            .finish_non_exhaustive()
    }
}

impl<R: Read> Recoded<R> {
    fn new(input: R, encoding: &'static Encoding, chunk: usize) -> Self {
        Self {
            input,
            decoder: encoding.new_decoder_without_bom_handling(),
            raw: vec![0; chunk],
            raw_at: 0,
            raw_end: 0,
            // What a decoder keeps back from the chunk before needs some room, too.
            text: vec![0; chunk.max(16)],
            at: 0,
            end: 0,
            last: false,
            done: false,
        }
    }

    fn filled(&mut self) -> io::Result<&[u8]> {
        while self.at == self.end && !self.done {
            if self.raw_at == self.raw_end && !self.last {
                self.raw_at = 0;
                self.raw_end = retried(|| self.input.read(&mut self.raw))?;
                self.last = self.raw_end == 0;
            }
            let raw = self.raw.get(self.raw_at..self.raw_end).unwrap_or_default();
            // Room is kept for one byte that is wrong.
            let room = self
                .text
                .split_last_mut()
                .map_or(&mut [][..], |(_, room)| room);
            let (result, read, written) = self
                .decoder
                .decode_to_utf8_without_replacement(raw, room, self.last);
            self.raw_at += read;
            self.at = 0;
            self.end = written;
            match result {
                DecoderResult::InputEmpty => self.done = self.last,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    if let Some(byte) = self.text.get_mut(self.end) {
                        *byte = WRONG;
                        self.end += 1;
                    }
                }
            }
        }
        Ok(self.text.get(self.at..self.end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn judged(bytes: &[u8], agreed: Option<&str>) -> (String, &'static str, Option<Severity>) {
        let mut input = Cursor::new(bytes);
        let choice = judge(&mut input, 0, agreed).unwrap().unwrap();
        let mut text = Vec::new();
        let mut decoded = Decoded::open(input, &choice).unwrap();
        decoded.read_to_end(&mut text).unwrap();
        (
            String::from_utf8_lossy(&text).into_owned(),
            choice.encoding.name(),
            choice.note.map(|note| note.severity),
        )
    }

    fn utf_16_of(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf_16_is_known_by_its_mark_or_by_its_zeros() {
        for text in ["id;name\r\n1;Zoë\r\n", "номер;имя\n1;Анна\n2;Ольга\n"] {
            for written in [text.to_owned(), format!("\u{feff}{text}")] {
                for (name, bytes) in [
                    ("UTF-16LE", utf_16_of(&written, u16::to_le_bytes)),
                    ("UTF-16BE", utf_16_of(&written, u16::to_be_bytes)),
                ] {
                    let found = (text.to_owned(), name, None);
                    assert_eq!(judged(&bytes, None), found);
                }
            }
        }
        for bytes in [&b"id,name\n1,a\0b\n"[..], b"a\0\0\0b\0\0\0", b"", b"\0a"] {
            assert_eq!(utf_16(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_letter_or_picture_with_a_zero_in_it_hides_no_utf_16() {
        let text = "id;name;city\r\n1;Ādams Bērziņš;Rīga\r\n2;Ada \u{1f600};Oslo\r\n";
        for (name, bytes) in [
            ("UTF-16LE", utf_16_of(text, u16::to_le_bytes)),
            ("UTF-16BE", utf_16_of(text, u16::to_be_bytes)),
        ] {
            assert_eq!(judged(&bytes, None), (text.to_owned(), name, None));
        }
    }

    #[test]
    fn clean_utf_8_wins_over_what_is_agreed_and_it_is_said() {
        let text = "id;name\n1;Zoë\n";
        let found = |note| (text.to_owned(), "UTF-8", note);
        assert_eq!(judged(text.as_bytes(), None), found(None));
        assert_eq!(
            judged(text.as_bytes(), Some("windows-1252")),
            found(Some(Severity::Info))
        );
        assert_eq!(judged(b"id\n1\n", Some("windows-1252")).2, None);
    }

    #[test]
    fn a_few_wrong_bytes_leave_a_file_utf_8_even_at_its_very_end() {
        let mut bytes = "Zoë;".repeat(40_000).into_bytes();
        bytes.push(0xeb);
        let (text, name, note) = judged(&bytes, Some("windows-1252"));
        assert_eq!((name, note), ("UTF-8", None));
        assert!(text.ends_with('\u{fffd}'));
    }

    #[test]
    fn what_is_not_utf_8_is_what_was_agreed_or_a_guess_that_is_named() {
        let cyrillic = encoding_rs::WINDOWS_1251
            .encode("Имя;Фамилия\nАнна;Каренина\n")
            .0;
        let (text, name, note) = judged(&cyrillic, Some("windows-1251"));
        assert_eq!(
            (text.as_str(), name, note),
            ("Имя;Фамилия\nАнна;Каренина\n", "windows-1251", None)
        );
        let (_, name, note) = judged(&cyrillic, None);
        assert_eq!((name, note), ("windows-1251", Some(Severity::Warning)));
        for (text, encoding) in [
            (
                "Vorname;Straße\nJörg;Große Straße 5\nZoë;Bäckerweg\n",
                WINDOWS_1252,
            ),
            (
                "姓名;部门\n王小明;销售部\n李雷;人力资源部\n",
                encoding_rs::GBK,
            ),
            (
                "氏名;部署\n山田太郎;営業部です\n鈴木さん;のことをする\n",
                encoding_rs::SHIFT_JIS,
            ),
        ] {
            let bytes = encoding.encode(text).0;
            let (read, _, note) = judged(&bytes, None);
            assert_eq!((read.as_str(), note), (text, Some(Severity::Warning)));
        }
        // No letter among them.
        let (text, name, _) = judged(b"id;note\n1;it\x92s \x80 5\n", None);
        assert_eq!(
            (text.as_str(), name),
            ("id;note\n1;it’s € 5\n", "windows-1252")
        );
        // Nobody can have meant these.
        for label in ["utf-16", "iso-2022-jp", "hz-gb-2312", "nonsense"] {
            assert_eq!(
                judged(b"id;name\n1;J\xf6rg\n", Some(label)).1,
                "windows-1252"
            );
        }
    }

    #[test]
    fn bytes_that_a_code_page_does_not_have_stay_wrong() {
        let mut input = Cursor::new(b"a;\x81\x20;b");
        let choice = judge(&mut input, 0, Some("shift_jis")).unwrap().unwrap();
        let mut text = Vec::new();
        let mut decoded = Decoded::open(input, &choice).unwrap();
        decoded.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"a;\xff ;b");
    }

    #[test]
    fn a_backslash_before_a_quote_is_seen_over_the_edge_of_a_chunk() {
        let escapes = |bytes: &[u8]| {
            let choice = judge(&mut Cursor::new(bytes), 0, None).unwrap().unwrap();
            choice.escapes
        };
        let mut bytes = vec![b'x'; CHUNK_BYTES - 1];
        bytes.extend_from_slice(b"\\\"");
        assert!(escapes(&bytes));
        assert!(!escapes(b"C:\\dir\\x,\"\"\n"));
    }

    proptest::proptest! {
        #[test]
        fn any_size_of_chunk_gives_the_same_text(bytes: Vec<u8>, chunk in 1..40_usize, which in 0..6_usize) {
            let encoding = [WINDOWS_1252, UTF_16LE, UTF_16BE, encoding_rs::SHIFT_JIS, encoding_rs::GB18030, encoding_rs::BIG5][which];
            let read = |chunk| {
                let mut text = Vec::new();
                let recoded = Recoded::new(bytes.as_slice(), encoding, chunk);
                Decoded::<&[u8]>::Recoded(recoded).read_to_end(&mut text).unwrap();
                text
            };
            proptest::prop_assert_eq!(read(chunk), read(1 << 16));
        }

        #[test]
        fn no_bytes_make_the_judge_panic(bytes: Vec<u8>, agreed in proptest::option::of("utf-8|utf-16|windows-1252|iso-2022-jp|x")) {
            drop(judge(&mut Cursor::new(bytes), 0, agreed.as_deref()).unwrap());
        }

        #[test]
        fn what_is_utf_8_is_read_as_it_stands(text in "[ -~\u{80}-\u{20ff}\n]{0,200}", agreed in proptest::option::of("utf-8|windows-1252")) {
            let (read, name, _) = judged(text.as_bytes(), agreed.as_deref());
            proptest::prop_assert_eq!((read.as_str(), name), (text.as_str(), "UTF-8"));
        }
    }
}
