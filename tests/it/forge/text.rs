//! Text files that are hostile or no text, and what is often sent under the name of a table.

use super::{Fate, Forged, forged};

const HEADER: &str = "Employee ID,Work Email\n";
const MEGA: usize = 1 << 20;

#[expect(clippy::too_many_lines, reason = "a table is read from top to bottom")]
pub(crate) fn all() -> Vec<Forged> {
    let csv = |name, fate, bytes| forged(name, "csv", fate, bytes);
    let xls = |name, text: &str| {
        forged(
            name,
            "xls",
            Fate::Refused("format-error"),
            text.as_bytes().to_vec(),
        )
    };
    let quote = Fate::Refused("unbalanced-quote");
    let wide = Fate::Refused("table-dimensions");
    let lines = |unit: &str, times: usize| [HEADER, &unit.repeat(times)].concat().into_bytes();
    vec![
        csv(
            "one line of 64 MB",
            Fate::RefusedSomehow,
            vec![b'a'; 64 * MEGA],
        ),
        csv(
            "one cell of 50 MB",
            Fate::Read,
            [HEADER.as_bytes(), b"E1,", &vec![b'x'; 50 * MEGA], b"\n"].concat(),
        ),
        csv(
            "one quoted cell of 50 MB",
            quote,
            [HEADER.as_bytes(), b"E1,\"", &vec![b'x'; 50 * MEGA], b"\"\n"].concat(),
        ),
        csv(
            "a million columns",
            wide,
            format!("Employee ID{}\n", ",x".repeat(1_000_000)).into_bytes(),
        ),
        csv(
            "a million columns in a row",
            wide,
            lines(&format!("E1{}\n", ",x".repeat(1_000_000)), 1),
        ),
        csv("quotes without end", quote, vec![b'"'; 20 * MEGA + 1]),
        csv(
            "an endless quoted cell of quotes",
            quote,
            [HEADER.as_bytes(), b"E1,\"", &vec![b'"'; 20 * MEGA]].concat(),
        ),
        csv(
            "a quote that swallows the rest",
            quote,
            [
                HEADER.as_bytes(),
                b"E1,\"x\n",
                "E2,y\n".repeat(MEGA).as_bytes(),
            ]
            .concat(),
        ),
        csv(
            "NULs from the first byte",
            Fate::Refused("format-error"),
            vec![0; MEGA],
        ),
        csv(
            "NULs in the header",
            Fate::Read,
            b"Employee ID\0,Work Email\nE1,a@b.example\n".to_vec(),
        ),
        csv(
            "NULs far behind",
            Fate::Read,
            [
                lines("E1,a@acme.example\n", 2000).as_slice(),
                &vec![0; MEGA],
            ]
            .concat(),
        ),
        csv(
            "more rows than allowed",
            wide,
            lines("E1,a@acme.example\n", 200_001),
        ),
        csv(
            "thirty million blank lines",
            Fate::Refused("no-rows"),
            lines("\n", 30_000_000),
        ),
        csv(
            "a million blank rows",
            Fate::Refused("no-rows"),
            lines(",\n", 1_000_000),
        ),
        csv(
            "ten million carriage returns",
            Fate::Refused("no-rows"),
            lines("\r", 10_000_000),
        ),
        csv(
            "bytes that are no text",
            Fate::Refused("missing-label"),
            b"Employee ID,\xff\xfe\nE1,\x80\x81\n".to_vec(),
        ),
        csv(
            "UTF-16 without people",
            Fate::Refused("no-rows"),
            utf16("\u{feff}Employee ID\tWork Email\r\n"),
        ),
        csv("nothing", Fate::Refused("blank-header"), Vec::new()),
        forged(
            "nothing, named .xlsx",
            "xlsx",
            Fate::Refused("blank-header"),
            Vec::new(),
        ),
        forged(
            "a web page named .xls",
            "xls",
            Fate::Refused("missing-label"),
            b"<html><body><table><tr><td>Employee ID</td></tr></table></body></html>".to_vec(),
        ),
        forged(
            "XML of Excel 2003 named .xls, with nothing in it",
            "xls",
            Fate::Refused("blank-header"),
            b"<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\"/>".to_vec(),
        ),
        xls(
            "a web archive named .xls",
            "MIME-Version: 1.0\nContent-Type: multipart/related\n",
        ),
        forged(
            "UTF-16 without people, named .xls",
            "xls",
            Fate::Refused("no-rows"),
            utf16("Employee ID\tWork Email\r\n"),
        ),
        forged(
            "CSV named .xls",
            "xls",
            Fate::Read,
            lines("E1,a@acme.example\n", 1),
        ),
        forged(
            "a CFB header and nothing else",
            "xls",
            Fate::RefusedSomehow,
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(),
        ),
        forged(
            "a ZIP header and nothing else",
            "xlsx",
            Fate::Refused("format-error"),
            b"PK\x03\x04".to_vec(),
        ),
    ]
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
