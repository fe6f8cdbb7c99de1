//! Pure. XML Spreadsheet 2003: the only visible sheet that holds something, row by row.
//!
//! It is gone through twice, because whether a sheet is hidden stands behind its rows.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::collections::HashMap;
use std::io::{BufReader, Read, Seek, Write};

use encoding_rs::Encoding;
use quick_xml::Reader;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::parse::layout::{Layout, TableKind};
use crate::parse::read::markup::damaged;
use crate::parse::read::markup::decoded::{Decoded, encoding_of};
use crate::parse::read::table::{Stop, Table};
use crate::parse::read::workbook::format::{self, Shown};
use crate::parse::read::workbook::{self, Candidate};
use crate::parse::row::{CellKind, RawRow};

/// Styles of a workbook; Excel allows 65,490.
const STYLES: usize = 100_000;
const SHEETS: usize = 1_000;

/// Reads the sheet that is meant.
pub(in crate::parse::read) fn read<R: Read + Seek, W: Write>(
    mut input: R,
    table: &mut Table<'_, W>,
) -> Result<(), Stop> {
    let agreed = table.agreement.encoding.as_deref();
    let (encoding, note) = encoding_of(&mut input, agreed)?;
    let book = survey(&mut input, encoding)?;
    let sheet = table.agreement.sheet.as_deref();
    let Some(chosen) = workbook::choose(&book.sheets, sheet)? else {
        return Ok(());
    };
    let name = book.sheets.get(chosen).map(|sheet| sheet.name.clone());
    table.begin(&Layout {
        kind: TableKind::SpreadsheetMl,
        encoding: Some(encoding.name().to_owned()),
        delimiter: None,
        sheet: name,
    })?;
    note.map_or(Ok(()), |note| table.note(&note))?;
    let mut rows = Rows::new(table, &book);
    let mut current = None;
    walk(&mut input, encoding, |tag, text| {
        match &tag {
            Tag::Begin(tag) if tag.is("Worksheet") => {
                current = Some(current.map_or(0, |at: usize| at + 1));
            }
            _ if current == Some(chosen) => rows.take(&tag, text)?,
            _ => {}
        }
        Ok(())
    })
}

/// A tag with the text before it.
enum Tag<'a> {
    Begin(&'a Element<'a>),
    End(&'a str),
}

struct Element<'a> {
    start: &'a BytesStart<'a>,
}

impl Element<'_> {
    fn is(&self, name: &str) -> bool {
        self.start.local_name().as_ref() == name
    }

    /// The value of an attribute, whatever its prefix.
    fn attribute(&self, name: &str) -> Option<String> {
        let found = |attribute: &Attribute<'_>| attribute.key.local_name().as_ref() == name;
        let attribute = self.start.attributes().flatten().find(found)?;
        let value = attribute.value;
        let plain = quick_xml::escape::unescape(&value).map(std::borrow::Cow::into_owned);
        Some(plain.unwrap_or_else(|_| value.into_owned()))
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.attribute(name)?.trim().parse().ok()
    }
}

/// Goes through all tags. A tag that closes itself begins and ends.
fn walk<R: Read + Seek>(
    input: &mut R,
    encoding: &'static Encoding,
    mut take: impl FnMut(Tag<'_>, &str) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let decoded = Decoded::new(input, encoding)?;
    let mut reader = Reader::from_reader(BufReader::with_capacity(64 * 1024, decoded));
    let mut buffer = Vec::new();
    let mut text = String::new();
    let mut depth = 0_u64;
    loop {
        buffer.clear();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(quick_xml::Error::Io(error)) => {
                return Err(std::io::Error::new(error.kind(), error.to_string()).into());
            }
            Err(_) => return Err(damaged(WHAT).into()),
        };
        match event {
            Event::Start(start) => {
                depth += 1;
                take(Tag::Begin(&Element { start: &start }), &text)?;
                text.clear();
            }
            Event::Empty(start) => {
                take(Tag::Begin(&Element { start: &start }), &text)?;
                text.clear();
                take(Tag::End(start.local_name().as_ref()), "")?;
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                take(Tag::End(end.local_name().as_ref()), &text)?;
                text.clear();
            }
            Event::Text(piece) => text.push_str(&piece),
            Event::CData(piece) => text.push_str(&piece),
            Event::GeneralRef(reference) => {
                text.push_str(&resolved(&reference).ok_or_else(|| damaged(WHAT))?);
            }
            Event::Eof if depth == 0 => return Ok(()),
            Event::Eof => return Err(damaged(WHAT).into()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

const WHAT: &str = "an XML spreadsheet of Excel 2003";

/// A character by its number, or one of the five that XML names; a document type names others, and is not believed.
fn resolved(reference: &BytesRef<'_>) -> Option<String> {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return Some(c.to_string());
    }
    quick_xml::escape::resolve_predefined_entity(reference).map(str::to_owned)
}

#[derive(Debug, Default)]
struct Book {
    sheets: Vec<Candidate>,
    /// How numbers are shown, where that is not as they are.
    shown: Vec<Shown>,
    /// Which of them a style asks for, by its id, counted from 1.
    styles: HashMap<String, usize>,
    /// Whether days count from 1904.
    from_1904: bool,
}

impl Book {
    /// How this style shows a number; as it is, for none.
    fn shown(&self, style: usize) -> &Shown {
        let shown = style.checked_sub(1).and_then(|at| self.shown.get(at));
        shown.unwrap_or(&Shown::Number)
    }
}

/// What a format means, by one of the names that only this format has, or by its code.
fn meaning(format: &str) -> Shown {
    match format {
        "General Date" | "Long Date" | "Medium Date" | "Short Date" | "Long Time"
        | "Medium Time" | "Short Time" => Shown::Date,
        "Currency" | "Euro Currency" | "Fixed" | "Standard" | "Percent" | "Scientific"
        | "General Number" | "Yes/No" | "True/False" | "On/Off" => Shown::Number,
        code => format::custom(code),
    }
}

fn survey<R: Read + Seek>(input: &mut R, encoding: &'static Encoding) -> Result<Book, Stop> {
    let mut book = Book::default();
    let mut style = String::new();
    let mut in_comment = false;
    walk(input, encoding, |tag, text| {
        match tag {
            Tag::Begin(tag) if tag.is("Worksheet") => {
                if book.sheets.len() >= SHEETS {
                    return Err(damaged(WHAT).into());
                }
                book.sheets.push(Candidate {
                    name: tag.attribute("Name").unwrap_or_default(),
                    is_visible: true,
                    is_filled: false,
                });
            }
            Tag::Begin(tag) if tag.is("Comment") => in_comment = true,
            Tag::End("Comment") => in_comment = false,
            Tag::Begin(tag) if tag.is("Style") => style = tag.attribute("ID").unwrap_or_default(),
            Tag::Begin(tag) if tag.is("NumberFormat") => {
                let shown = tag
                    .attribute("Format")
                    .map_or(Shown::Number, |format| meaning(&format));
                if shown != Shown::Number && book.shown.len() < STYLES {
                    book.shown.push(shown);
                    let number = book.shown.len();
                    book.styles.insert(std::mem::take(&mut style), number);
                }
            }
            Tag::Begin(tag) if tag.is("Date1904") => book.from_1904 = true,
            Tag::End("Visible") if text.trim() != "SheetVisible" => {
                if let Some(sheet) = book.sheets.last_mut() {
                    sheet.is_visible = false;
                }
            }
            Tag::End("Data") if !in_comment && !text.trim().is_empty() => {
                if let Some(sheet) = book.sheets.last_mut() {
                    sheet.is_filled = true;
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(book)
}

/// Gathers the cells of the chosen sheet into rows.
struct Rows<'a, 'b, W> {
    table: &'a mut Table<'b, W>,
    book: &'a Book,
    row: RawRow,
    /// Styles of the columns, and of the row; 0 is none.
    columns: Vec<usize>,
    row_style: usize,
    cell: Option<Cell>,
    /// Where the next cell is, unless it says otherwise.
    next: usize,
    in_comment: bool,
}

#[derive(Debug, Default)]
struct Cell {
    at: usize,
    /// Columns to the right that it covers too.
    across: usize,
    style: usize,
    has_formula: bool,
    kind: String,
    value: Option<String>,
    /// Text within `Data`, which may have tags of its own.
    text: String,
    in_data: bool,
}

impl<'a, 'b, W: Write> Rows<'a, 'b, W> {
    fn new(table: &'a mut Table<'b, W>, book: &'a Book) -> Self {
        Self {
            table,
            book,
            row: RawRow::new(0),
            columns: Vec::new(),
            row_style: 0,
            cell: None,
            next: 0,
            in_comment: false,
        }
    }

    fn take(&mut self, tag: &Tag<'_>, text: &str) -> Result<(), Stop> {
        if let Some(cell) = &mut self.cell
            && cell.in_data
        {
            cell.text.push_str(text);
        }
        match tag {
            Tag::Begin(tag) if tag.is("Comment") => self.in_comment = true,
            Tag::End("Comment") => self.in_comment = false,
            _ if self.in_comment => {}
            Tag::Begin(tag) if tag.is("Column") => self.column(tag),
            Tag::Begin(tag) if tag.is("Row") => self.begin_row(tag)?,
            Tag::Begin(tag) if tag.is("Cell") => {
                let at = tag
                    .number("Index")
                    .map_or(Some(self.next), |index| index.checked_sub(1));
                let at = at
                    .filter(|at| *at >= self.next)
                    .ok_or_else(|| damaged(WHAT))?;
                let own = self.style(tag);
                self.cell = Some(Cell {
                    at,
                    across: tag.number("MergeAcross").unwrap_or(0),
                    style: own.unwrap_or_else(|| {
                        let column = self.columns.get(at).copied().unwrap_or(0);
                        if self.row_style > 0 {
                            self.row_style
                        } else {
                            column
                        }
                    }),
                    has_formula: tag.attribute("Formula").is_some(),
                    ..Cell::default()
                });
            }
            Tag::Begin(tag) if tag.is("Data") => {
                if let Some(cell) = &mut self.cell {
                    cell.kind = tag.attribute("Type").unwrap_or_default();
                    cell.in_data = true;
                }
            }
            Tag::End("Data") => {
                if let Some(cell) = &mut self.cell {
                    cell.in_data = false;
                    cell.value = Some(std::mem::take(&mut cell.text));
                }
            }
            Tag::End("Cell") => self.end_cell()?,
            Tag::End("Row") => self.end_row()?,
            Tag::Begin(_) | Tag::End(_) => {}
        }
        Ok(())
    }

    fn style(&self, tag: &Element<'_>) -> Option<usize> {
        let style = tag.attribute("StyleID")?;
        Some(self.book.styles.get(&style).copied().unwrap_or(0))
    }

    fn column(&mut self, tag: &Element<'_>) {
        let most = self.table.limits.columns;
        let at = tag
            .number("Index")
            .map_or(self.columns.len(), |index| index.saturating_sub(1));
        let last = at.saturating_add(tag.number("Span").unwrap_or(0));
        let style = self.style(tag).unwrap_or(0);
        self.columns.resize(at.min(most), 0);
        self.columns.resize(last.saturating_add(1).min(most), style);
    }

    fn begin_row(&mut self, tag: &Element<'_>) -> Result<(), Stop> {
        let next = self.row.row.saturating_add(1);
        let number = match tag.number("Index") {
            Some(index) => u64::try_from(index).unwrap_or(u64::MAX),
            None => next,
        };
        if number < next {
            return Err(damaged(WHAT).into());
        }
        if number > self.table.limits.rows.saturating_add(1) {
            return Err(self.table.too_long().into());
        }
        self.row.restart(number);
        self.row_style = self.style(tag).unwrap_or(0);
        self.next = 0;
        Ok(())
    }

    fn end_cell(&mut self) -> Result<(), Stop> {
        let Some(cell) = self.cell.take() else {
            return Ok(());
        };
        self.next = cell.at.saturating_add(cell.across).saturating_add(1);
        let (kind, text) = match &cell.value {
            None if cell.has_formula => (CellKind::Uncomputed, String::new()),
            None => return Ok(()),
            Some(value) => self.canonical(&cell, value),
        };
        if kind == CellKind::Text && text.trim().is_empty() {
            return Ok(());
        }
        if cell.at >= self.table.limits.columns {
            return Err(self.table.too_wide(self.row.row).into());
        }
        self.row.fill(cell.at);
        if text.len() > self.table.limits.cell_length_bytes {
            self.row.push(CellKind::TooLong, "");
        } else if text.contains('\u{fffd}') {
            self.row.push(CellKind::Undecodable, &text);
        } else {
            self.row.push(kind, &text);
        }
        Ok(())
    }

    /// What a cell holds, by its declared type.
    fn canonical(&self, cell: &Cell, value: &str) -> (CellKind, String) {
        let trimmed = value.trim();
        match cell.kind.as_str() {
            "Number" if trimmed.parse().is_ok_and(f64::is_finite) => {
                let mut text = String::new();
                let shown = self.book.shown(cell.style);
                let kind = workbook::value::number(trimmed, shown, self.book.from_1904, &mut text);
                (kind, text)
            }
            "Number" | "Error" => (CellKind::Error, String::new()),
            "Boolean" => match trimmed {
                "0" => (CellKind::Flag, "false".to_owned()),
                _ => (CellKind::Flag, "true".to_owned()),
            },
            "DateTime" => moment(trimmed),
            _ => (CellKind::Text, value.to_owned()),
        }
    }

    fn end_row(&mut self) -> Result<(), Stop> {
        if self.row.is_empty() {
            return Ok(());
        }
        self.table.row(&self.row)
    }
}

/// `1998-05-03T00:00:00.000`. A time of day stands on a day before the first one.
fn moment(text: &str) -> (CellKind, String) {
    let (day, time) = text.split_once('T').unwrap_or((text, ""));
    let time = time.split('.').next().unwrap_or_default();
    if day.starts_with("1899-12-3") {
        (CellKind::Time, String::new())
    } else if matches!(time, "" | "00:00:00") {
        (CellKind::Date, day.to_owned())
    } else {
        (CellKind::Date, format!("{day}T{time}"))
    }
}
