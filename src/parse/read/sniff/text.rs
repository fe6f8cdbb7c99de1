//! Pure. What kind of text a file is: cells with something between them, a page or a spreadsheet in markup, or something that is refused by name.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use encoding_rs::{Encoding, UTF_8};
use memchr::memmem;

use crate::parse::finding::{Finding, code};
use crate::parse::read::sniff::{Format, HEAD_BYTES, refused};
use crate::parse::read::text::utf_16;

/// What begins a page, by the name of its first tags. A letter behind one of these names another tag.
const PAGE_TAGS: [&str; 13] = [
    "!doctype html",
    "html",
    "head",
    "body",
    "meta",
    "title",
    "style",
    "table",
    "div",
    "center",
    "font",
    "p",
    "br",
];

/// Judges the first bytes of a file that is in no container.
pub(super) fn text(head: &[u8]) -> Result<Format, Finding> {
    if head.starts_with(&[0xff, 0xfe, 0, 0]) || head.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(Finding::file(
            code::ENCODING_ERROR,
            "The file is text in UTF-32, which hardly any program writes or reads.",
            "Export it as UTF-8: in Excel that is \"CSV UTF-8 (comma delimited)\".",
        ));
    }
    let (encoding, start) = match Encoding::for_bom(head) {
        Some((encoding, length)) => (encoding, length),
        None => (utf_16(head).unwrap_or(UTF_8), 0),
    };
    let body = head.get(start..).unwrap_or_default();
    let (decoded, _) = encoding.decode_without_bom_handling(body);
    let beginning = decoded.trim_start();
    if beginning.is_empty() && u64::try_from(head.len()).is_ok_and(|length| length < HEAD_BYTES) {
        return Err(Finding::file(
            code::BLANK_HEADER,
            "The file holds nothing but blanks.",
            "Look at the export in your HR system: it wrote nothing.",
        ));
    }
    if is_binary(&decoded) {
        return Err(refused("binary data"));
    }
    if let Some(markup) = markup(beginning, body) {
        return markup;
    }
    if let Some(what) = other(beginning) {
        return Err(refused(what));
    }
    Ok(Format::Text {
        // The reader of text looks for the mark of UTF-16 itself.
        start: if encoding == UTF_8 {
            u64::try_from(start).unwrap_or_default()
        } else {
            0
        },
    })
}

/// Text has hardly any control characters; the end-of-file mark of DOS is one of them.
fn is_binary(decoded: &str) -> bool {
    let controls = decoded
        .bytes()
        .filter(|byte| matches!(byte, 0..=8 | 14..=25 | 27..=31))
        .count();
    controls > decoded.len() / 20
}

/// Markup of a kind that is read, or that has a name.
fn markup(beginning: &str, body: &[u8]) -> Option<Result<Format, Finding>> {
    let tag = |text: &str| {
        text.chars()
            .take(64)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    let mut rest = beginning;
    // A declaration, comments and processing instructions may stand before the first tag.
    while let Some(behind) = prologue(rest) {
        rest = behind.trim_start();
    }
    let first = tag(rest.strip_prefix('<')?);
    let name = first
        .split_once(':')
        .map_or(first.as_str(), |(_, name)| name);
    let is = |text: &str, wanted: &str| {
        let behind = text.strip_prefix(wanted);
        behind.is_some_and(|behind| !behind.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    let is_xml = beginning.starts_with("<?xml");
    if is(name, "workbook") && memmem::find(body, b"office:spreadsheet").is_some()
        || is_wide_workbook(beginning)
    {
        return Some(Ok(Format::SpreadsheetMl));
    }
    if PAGE_TAGS.iter().any(|page| is(&first, page)) {
        return Some(Ok(Format::Html));
    }
    is_xml.then(|| Err(refused("an XML document of another kind than Excel's")))
}

/// The namespace of XML Spreadsheet 2003 where the text is not in bytes of one each.
fn is_wide_workbook(beginning: &str) -> bool {
    beginning.contains("Workbook")
        && beginning.contains("urn:schemas-microsoft-com:office:spreadsheet")
}

/// What is behind a comment, a declaration or a processing instruction; none if the text begins with something else.
fn prologue(text: &str) -> Option<&str> {
    let (open, close) = if text.starts_with("<!--") {
        ("<!--", "-->")
    } else if text.starts_with("<?") {
        ("<?", "?>")
    } else {
        return None;
    };
    let inner = text.strip_prefix(open)?;
    inner.split_once(close).map(|(_, behind)| behind)
}

/// Texts with a name of their own that hold no table, or not in a way that is read.
fn other(beginning: &str) -> Option<&'static str> {
    let begins = |text: &str| {
        let head = beginning.get(..text.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(text))
    };
    let mut lines = beginning.lines();
    let first = lines.next().unwrap_or_default();
    let second = lines.next().unwrap_or_default();
    let is_header = |line: &str| {
        let name = line.split(':').next().unwrap_or_default();
        [
            "mime-version",
            "from",
            "date",
            "subject",
            "content-type",
            "return-path",
            "received",
            "message-id",
        ]
        .iter()
        .any(|header| name.eq_ignore_ascii_case(header) && line.len() > name.len())
    };
    if begins("mime-version:")
        || is_header(first) && (is_header(second) || second.starts_with([' ', '\t']))
    {
        let page = beginning.contains("multipart/related") || beginning.contains("text/html");
        Some(if page {
            "a web archive (MHTML)"
        } else {
            "an e-mail"
        })
    } else if begins("{\"") || begins("[{") || begins("{\n") || begins("{\r") {
        Some("a JSON document")
    } else if begins("{\\rtf") {
        Some("a rich text document")
    } else if begins("BEGIN:VCARD") {
        Some("an address card (vCard)")
    } else if begins("ID;P")
        && ["P;", "F;", "B;", "C;", "O;", "NN;"]
            .iter()
            .any(|record| second.starts_with(record))
    {
        // A header of ID;PERSNR;NAME begins like this too, which Excel itself stumbles over.
        Some("a symbolic link file (SYLK)")
    } else if first == "TABLE" && second == "0,1" {
        Some("a data interchange file (DIF)")
    } else if begins("-----BEGIN PGP") {
        Some("encrypted with PGP")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn text_is_text_with_and_without_a_mark() {
        assert_eq!(text(b"id,name\n1,a\n"), Ok(Format::Text { start: 0 }));
        assert_eq!(text(b"\xef\xbb\xbfid\n"), Ok(Format::Text { start: 3 }));
        assert_eq!(
            text(b"id;name\n1;M\xfcller\n"),
            Ok(Format::Text { start: 0 })
        );
        // One NUL that a program forgot makes no binary file.
        let stray = format!("id,name\n{}2,b\0\n", "1,Ada Lovelace\n".repeat(20));
        assert_eq!(text(stray.as_bytes()), Ok(Format::Text { start: 0 }));
        assert_eq!(
            text(b"ID;PERSNR;NAME\n1;2;Ada\n"),
            Ok(Format::Text { start: 0 })
        );
        assert_eq!(text(b"<5 years;id\n1;2\n"), Ok(Format::Text { start: 0 }));
        assert_eq!(text(b"from:,to\n1,2\n"), Ok(Format::Text { start: 0 }));
    }

    #[test]
    fn pages_are_known_whatever_stands_before_their_table() {
        for page in [
            "<table><tr><td>id</td></tr></table>",
            "  <!DOCTYPE html>\n<html>",
            "\u{feff}<HTML xmlns:x=\"urn:schemas-microsoft-com:office:excel\">",
            "<!-- Report 7 --><html>",
            "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"x\"><html>",
            "<meta http-equiv=\"Content-Type\" content=\"text/html\"><table>",
            "<style>td{}</style><table>",
        ] {
            assert_eq!(text(page.as_bytes()), Ok(Format::Html), "{page}");
        }
        assert_eq!(
            text(&utf16("\u{feff}<html><table><tr><td>id")),
            Ok(Format::Html)
        );
    }

    #[test]
    fn spreadsheets_of_2003_are_known_by_their_namespace() {
        let book = "<?xml version='1.0'?>\n<?mso-application progid='Excel.Sheet'?>\n<Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'>";
        assert_eq!(text(book.as_bytes()), Ok(Format::SpreadsheetMl));
        let prefixed = book.replace("<Workbook xmlns", "<ss:Workbook xmlns:ss");
        assert_eq!(text(prefixed.as_bytes()), Ok(Format::SpreadsheetMl));
        assert_eq!(
            text(&utf16(&format!("\u{feff}{book}"))),
            Ok(Format::SpreadsheetMl)
        );
    }

    #[test]
    fn a_stranger_is_refused_by_name() {
        for (bytes, word) in [
            (&b"\x01\x02\x03\x04\x05\x06"[..], "binary"),
            (b"id,na\0me\n1,2\n3,4\n", "binary"),
            (b"<?xml version=\"1.0\"?><employees/>", "XML"),
            (b"{\"employees\": []}", "JSON"),
            (
                b"MIME-Version: 1.0\nContent-Type: multipart/related",
                "MHTML",
            ),
            (
                b"From: <Saved by Excel>\nSubject: x\nContent-Type: multipart/related;",
                "MHTML",
            ),
            (b"Date: today\nSubject: staff\n\nHello", "e-mail"),
            (b"ID;PWXL;N;E\r\nP;PGeneral\r\n", "SYLK"),
            (b"TABLE\r\n0,1\r\n\"EXCEL\"\r\n", "DIF"),
            (b"BEGIN:VCARD\nVERSION:3.0", "vCard"),
        ] {
            let finding = text(bytes).unwrap_err();
            assert!(finding.message.contains(word), "{}", finding.message);
            assert_eq!(finding.code, code::FORMAT_ERROR);
        }
    }

    #[test]
    fn utf_32_is_refused_with_what_to_do() {
        let utf32: Vec<u8> = "\u{feff}id,name\n"
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect();
        let finding = text(&utf32).unwrap_err();
        assert_eq!(finding.code, code::ENCODING_ERROR);
        assert!(finding.remedy.contains("UTF-8"));
    }

    #[test]
    fn utf_16_is_text() {
        for bytes in [utf16("\u{feff}id,name\n1,Ada\n"), utf16("id,name\n1,Ada\n")] {
            assert_eq!(text(&bytes), Ok(Format::Text { start: 0 }));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(head in 0..4_usize, tail: Vec<u8>) {
            let begin = [&b""[..], b"<!--", b"<?xml ?><", b"\xff\xfe"][head];
            drop(text(&[begin, &tail].concat()));
        }
    }
}
