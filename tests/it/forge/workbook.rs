//! Workbooks (.xlsx) by hand, because no library would write what these hold.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Fate, Forged, forged};

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

const SHEET: &str = "xl/worksheets/sheet1.xml";
const STRINGS: &str = "xl/sharedStrings.xml";
const STYLES: &str = "xl/styles.xml";

/// A header and one good row, in inline strings.
const ROWS: &str = "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>Employee ID</t></is></c><c r=\"B1\" t=\"inlineStr\"><is><t>Work Email</t></is></c></row>\
    <row r=\"2\"><c r=\"A2\" t=\"inlineStr\"><is><t>E1</t></is></c><c r=\"B2\" t=\"inlineStr\"><is><t>ada@acme.example</t></is></c></row>";

/// A workbook in the making: its parts, each of which can be replaced.
struct Book(Vec<(String, Vec<u8>)>);

impl Book {
    /// A good workbook with [`ROWS`].
    fn good() -> Self {
        let relationship = |id: u8, kind: &str, target: &str| {
            format!(r#"<Relationship Id="rId{id}" Type="{OFFICE}/{kind}" Target="{target}"/>"#)
        };
        let relationships = |inner: String| {
            format!(r#"<Relationships xmlns="{PACKAGE}/relationships">{inner}</Relationships>"#)
        };
        let parts = [
            (
                "[Content_Types].xml",
                format!(r#"<Types xmlns="{PACKAGE}/content-types"/>"#),
            ),
            (
                "_rels/.rels",
                relationships(relationship(1, "officeDocument", "xl/workbook.xml")),
            ),
            (
                "xl/workbook.xml",
                format!(
                    r#"<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="Staff" sheetId="1" r:id="rId1"/></sheets></workbook>"#
                ),
            ),
            (
                "xl/_rels/workbook.xml.rels",
                relationships(
                    relationship(1, "worksheet", "worksheets/sheet1.xml")
                        + &relationship(2, "sharedStrings", "sharedStrings.xml")
                        + &relationship(3, "styles", "styles.xml"),
                ),
            ),
        ];
        let parts = parts.map(|(name, text)| (name.to_owned(), text.into_bytes()));
        Self(parts.into()).part(SHEET, sheet(ROWS))
    }

    fn part(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.retain(|(present, _)| present != name);
        self.0.push((name.to_owned(), bytes.into()));
        self
    }

    fn zip(&self) -> Vec<u8> {
        let parts: Vec<(&str, &[u8])> = self
            .0
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect();
        zip_of(&parts)
    }
}

/// An archive of these files.
pub(crate) fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A good workbook: a header and one row.
pub(crate) fn good() -> Vec<u8> {
    Book::good().zip()
}

fn sheet(rows: &str) -> String {
    format!(r#"<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>"#)
}

fn with_rows(rows: &str) -> Vec<u8> {
    Book::good()
        .part(SHEET, sheet(&format!("{ROWS}{rows}")))
        .zip()
}

fn with_sheet(sheet: impl Into<Vec<u8>>) -> Vec<u8> {
    Book::good().part(SHEET, sheet).zip()
}

/// With a table of shared texts that begins with `attributes`.
pub(crate) fn with_strings(attributes: &str, inner: &str) -> Vec<u8> {
    let strings = format!(r#"<sst xmlns="{MAIN}" {attributes}>{inner}</sst>"#);
    Book::good().part(STRINGS, strings).zip()
}

/// A value at a place, as text.
fn cell(at: &str, text: &str) -> String {
    let row = at.trim_start_matches(|c: char| c.is_ascii_uppercase());
    format!(r#"<row r="{row}"><c r="{at}" t="inlineStr"><is><t>{text}</t></is></c></row>"#)
}

/// `unit` over and over between `head` and `tail`.
fn many(head: &str, unit: &str, bytes: usize, tail: &str) -> Vec<u8> {
    let mut all = head.as_bytes().to_vec();
    let times = bytes / unit.len();
    all.reserve(bytes);
    for _ in 0..times {
        all.extend_from_slice(unit.as_bytes());
    }
    all.extend_from_slice(tail.as_bytes());
    all
}

const MEGA: usize = 1 << 20;

/// Small files that unpack to `megabytes`, each in another place of the workbook.
pub(crate) fn bombs(megabytes: usize) -> Vec<Forged> {
    let bomb = Fate::Refused("format-error");
    let sheet_head = format!(r#"<worksheet xmlns="{MAIN}"><sheetData>{ROWS}"#);
    let sheet_tail = "</sheetData></worksheet>";
    let sst = format!(r#"<sst xmlns="{MAIN}">"#);
    let bytes = megabytes * MEGA;
    let part = |part: &str, head: &str, unit: &str, tail: &str| {
        Book::good().part(part, many(head, unit, bytes, tail)).zip()
    };
    vec![
        forged(
            "a bomb of blanks",
            "xlsx",
            bomb,
            part(SHEET, &sheet_head, &" ".repeat(MEGA), sheet_tail),
        ),
        forged(
            "a bomb of one text",
            "xlsx",
            bomb,
            part(
                STRINGS,
                &format!("{sst}<si><t>"),
                &"x".repeat(MEGA),
                "</t></si></sst>",
            ),
        ),
        forged(
            "a bomb of many texts",
            "xlsx",
            bomb,
            part(STRINGS, &sst, "<si><t>x</t></si>", "</sst>"),
        ),
        forged(
            "a bomb of cells",
            "xlsx",
            bomb,
            part(SHEET, &sheet_head, "<row><c><v>1</v></c></row>", sheet_tail),
        ),
        forged(
            "a bomb of styles",
            "xlsx",
            bomb,
            part(
                STYLES,
                &format!(r#"<styleSheet xmlns="{MAIN}"><cellXfs>"#),
                "<xf numFmtId=\"0\"/>",
                "</cellXfs></styleSheet>",
            ),
        ),
        forged(
            "XML as deep as a bomb",
            "xlsx",
            bomb,
            part(SHEET, &sheet_head, "<a>", sheet_tail),
        ),
        forged(
            "an attribute as large as a bomb",
            "xlsx",
            bomb,
            part(
                SHEET,
                &format!("{sheet_head}<row r=\""),
                &"9".repeat(MEGA),
                &format!("\"></row>{sheet_tail}"),
            ),
        ),
        forged("a bomb whose headers say it is small", "xlsx", bomb, {
            let mut zip = part(SHEET, &sheet_head, &" ".repeat(MEGA), sheet_tail);
            claim_size(&mut zip, SHEET, 1000);
            zip
        }),
        forged(
            "a bomb in a part that is never read",
            "xlsx",
            bomb,
            part("xl/media/image1.bmp", "BM", &"\0".repeat(MEGA), ""),
        ),
    ]
}

/// Claims that are not true, places that do not exist, XML that means harm.
#[expect(clippy::too_many_lines, reason = "a table is read from top to bottom")]
pub(crate) fn liars() -> Vec<Forged> {
    let refused = Fate::Refused("format-error");
    let far = Fate::Refused("table-dimensions");
    let mut all = vec![
        forged(
            "a value at XFD1048576",
            "xlsx",
            far,
            with_rows(&cell("XFD1048576", "x")),
        ),
        forged(
            "an empty text at XFD1048576",
            "xlsx",
            Fate::Read,
            with_rows(&cell("XFD1048576", "")),
        ),
        forged(
            "a style at XFD1048576",
            "xlsx",
            Fate::Read,
            with_rows(r#"<row r="1048576"><c r="XFD1048576" s="0"/></row>"#),
        ),
        forged(
            "a value at AD1048576",
            "xlsx",
            Fate::Read,
            with_rows(&cell("AD1048576", "x")),
        ),
        forged(
            "a value in row 4294967295",
            "xlsx",
            refused,
            with_rows(&cell("A4294967295", "x")),
        ),
        forged(
            "a value at ZZZZZZZZZ9999999999",
            "xlsx",
            refused,
            with_rows(&cell("ZZZZZZZZZ9999999999", "x")),
        ),
        forged(
            "a dimension that lies",
            "xlsx",
            Fate::Read,
            with_sheet(format!(
                r#"<worksheet xmlns="{MAIN}"><dimension ref="A1:XFD1048576"/><sheetData>{ROWS}</sheetData></worksheet>"#
            )),
        ),
        forged("a text that is not there", "xlsx", refused, {
            let rows = r#"<row r="3"><c r="A3" t="s"><v>4000000000</v></c></row>"#;
            let sst = format!(r#"<sst xmlns="{MAIN}"><si><t>x</t></si></sst>"#);
            Book::good()
                .part(STRINGS, sst)
                .part(SHEET, sheet(&format!("{ROWS}{rows}")))
                .zip()
        }),
        forged(
            "a claim behind a megabyte of comment",
            "xlsx",
            Fate::Read,
            Book::good()
                .part(
                    STRINGS,
                    format!(
                        r#"<!--{}--><sst xmlns="{MAIN}" uniqueCount="2000000000"></sst>"#,
                        "-x".repeat(MEGA / 2)
                    ),
                )
                .zip(),
        ),
        forged(
            "a claim in other letters",
            "xlsx",
            Fate::Read,
            with_strings("uniqueCount=\"&#57;00000000000\"", ""),
        ),
        forged("a milliard laughs", "xlsx", refused, with_sheet(laughs())),
        forged(
            "an entity that is a file",
            "xlsx",
            refused,
            with_sheet(format!(
                r#"<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>{}"#,
                sheet(&format!("{ROWS}{}", cell("A3", "&e;")))
            )),
        ),
        forged("a part twice", "xlsx", refused, twice(SHEET)),
        forged("a part that claims 2 GB", "xlsx", Fate::Read, {
            let mut zip = Book::good().zip();
            claim_size(&mut zip, SHEET, 2_000_000_000);
            zip
        }),
        forged(
            "XML that breaks off",
            "xlsx",
            refused,
            with_sheet(&sheet(ROWS)[..300]),
        ),
        forged(
            "a sheet that is no XML",
            "xlsx",
            refused,
            with_sheet(vec![0x3c; MEGA]),
        ),
        forged("a workbook cut at 50 %", "xlsx", refused, cut(50)),
        forged("a workbook cut at 99 %", "xlsx", refused, cut(99)),
        forged(
            "a workbook named .xls",
            "xls",
            Fate::Read,
            Book::good().zip(),
        ),
        forged("a hundred thousand parts", "xlsx", refused, {
            let mut book = Book::good();
            book.0
                .extend((0..100_000).map(|at| (format!("xl/{at}"), Vec::new())));
            book.zip()
        }),
    ];
    for (name, claim) in [
        ("1e9 shared texts claimed", "1000000000"),
        ("1e12 shared texts claimed", "1000000000000"),
        ("1e18 shared texts claimed", "1000000000000000000"),
    ] {
        let claim = format!(r#"count="{claim}" uniqueCount="{claim}""#);
        all.push(forged(
            name,
            "xlsx",
            Fate::Read,
            with_strings(&claim, "<si><t>x</t></si>"),
        ));
    }
    for (name, value) in [
        ("the error #GETTING_DATA", "#GETTING_DATA"),
        ("the error #SPILL!", "#SPILL!"),
        ("the error #CALC!", "#CALC!"),
        ("the error #FIELD!", "#FIELD!"),
        ("the error #BLOCKED!", "#BLOCKED!"),
        ("the error #CONNECT!", "#CONNECT!"),
        ("the error #BUSY!", "#BUSY!"),
        ("the error #PYTHON!", "#PYTHON!"),
    ] {
        let row = format!(r#"<row r="3"><c r="A3" t="e"><v>{value}</v></c></row>"#);
        all.push(forged(name, "xlsx", Fate::Read, with_rows(&row)));
    }
    all
}

/// Ten entities, each of ten of the one before.
fn laughs() -> String {
    let mut entities = String::from(r#"<!ENTITY a0 "ha">"#);
    for at in 1..10 {
        let inner = format!("&a{};", at - 1).repeat(10);
        write!(entities, r#"<!ENTITY a{at} "{inner}">"#).unwrap();
    }
    let rows = format!("{ROWS}{}", cell("A3", "&a9;"));
    format!("<!DOCTYPE x [{entities}]>{}", sheet(&rows))
}

fn cut(percent: usize) -> Vec<u8> {
    let mut zip = with_rows(
        &(3..500)
            .map(|row| cell(&format!("A{row}"), "x"))
            .collect::<String>(),
    );
    zip.truncate(zip.len() * percent / 100);
    zip
}

/// The archive with a second part that is the same bytes as `part`.
fn twice(part: &str) -> Vec<u8> {
    let other = part.replace("sheet1", "sheet2");
    let mut zip = Book::good().part(&other, sheet(ROWS)).zip();
    let [first, second] = [part, &other].map(|part| headers(&zip, part, *b"PK\x01\x02", 46)[0]);
    let offset = zip[first + 42..first + 46].to_vec();
    zip[second + 42..second + 46].copy_from_slice(&offset);
    zip
}

/// Writes another unpacked size into both headers of a part.
fn claim_size(zip: &mut [u8], part: &str, size: u32) {
    for (magic, name_at, size_at) in [(*b"PK\x01\x02", 46, 24), (*b"PK\x03\x04", 30, 22)] {
        for at in headers(zip, part, magic, name_at) {
            zip[at + size_at..at + size_at + 4].copy_from_slice(&size.to_le_bytes());
        }
    }
}

/// Where the headers of this kind stand that name `part`.
fn headers(zip: &[u8], part: &str, magic: [u8; 4], name_at: usize) -> Vec<usize> {
    memchr::memmem::find_iter(zip, &magic)
        .filter(|at| zip[at + name_at..].starts_with(part.as_bytes()))
        .collect()
}
