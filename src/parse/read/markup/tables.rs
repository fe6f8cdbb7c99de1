//! Pure. The tables of a page, row by row, from the tags of a page that nobody has tidied up.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use html5gum::Span;
use html5gum::emitters::callback::{Callback, CallbackEvent};

use crate::parse::limits::ReadLimits;
use crate::parse::row::{CellKind, RawRow};

/// Tables within tables: beyond this depth they are no layout any more, and are left out.
const DEPTH: usize = 32;
/// Rows that a cell may reach down.
const SPAN: usize = 100_000;

/// One row of one of the tables.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageRow {
    /// Tables are numbered in the order in which they begin.
    pub(super) table: usize,
    pub(super) row: RawRow,
    /// It has more cells than a row may have; those are left out.
    pub(super) is_too_wide: bool,
}

/// Takes the events of a page, gives its rows.
pub(super) struct Tables {
    limits: ReadLimits,
    open: Vec<Open>,
    begun: usize,
    /// Tables beyond [`DEPTH`] that are open.
    too_deep: usize,
    /// What the tag that is being read is.
    tag: Tag,
    attribute: Attribute,
    columns: usize,
    rows: usize,
    /// Within one of these there is no text: `script`, `style`.
    silent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Table,
    /// A group of rows: `thead`, `tbody`.
    Group,
    Row,
    Cell,
    /// A line ends here.
    Break,
    Silent,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attribute {
    ColumnSpan,
    RowSpan,
    Other,
}

/// A table that has begun.
#[derive(Debug)]
struct Open {
    number: usize,
    row: RawRow,
    /// A row has begun.
    in_row: bool,
    cell: Option<Cell>,
    is_too_wide: bool,
    /// By column: rows below that a cell of an earlier row reaches into.
    reaching: Vec<usize>,
}

#[derive(Debug, Default)]
struct Cell {
    text: String,
    columns: usize,
    rows: usize,
    is_too_long: bool,
    /// White space that is written only if something follows.
    gap: Option<char>,
}

impl Tables {
    pub(super) fn new(limits: &ReadLimits) -> Self {
        Self {
            limits: *limits,
            open: Vec::new(),
            begun: 0,
            too_deep: 0,
            tag: Tag::Other,
            attribute: Attribute::Other,
            columns: 1,
            rows: 1,
            silent: false,
        }
    }

    /// What is left at the end of a page that does not close its tags.
    pub(super) fn finish(&mut self) -> Option<PageRow> {
        let row = self.end_row();
        self.open.pop();
        row
    }

    /// Whether a table is open still.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    fn begin(&mut self) -> Option<PageRow> {
        match self.tag {
            Tag::Table if self.open.len() >= DEPTH => self.too_deep += 1,
            Tag::Table => {
                self.open.push(Open {
                    number: self.begun,
                    row: RawRow::new(0),
                    in_row: false,
                    cell: None,
                    is_too_wide: false,
                    reaching: Vec::new(),
                });
                self.begun += 1;
            }
            _ if self.too_deep > 0 => {}
            Tag::Group => return self.end_row(),
            Tag::Row => {
                let before = self.end_row();
                self.begin_row();
                return before;
            }
            Tag::Cell => {
                self.end_cell();
                self.begin_row();
                let (columns, rows) = (self.columns, self.rows);
                if let Some(open) = self.open.last_mut() {
                    open.cell = Some(Cell {
                        columns,
                        rows,
                        ..Cell::default()
                    });
                }
            }
            Tag::Break => {
                if let Some(cell) = self.cell() {
                    cell.gap = Some('\n');
                }
            }
            Tag::Silent | Tag::Other => {}
        }
        None
    }

    fn end(&mut self) -> Option<PageRow> {
        match self.tag {
            Tag::Table if self.too_deep > 0 => self.too_deep -= 1,
            _ if self.too_deep > 0 => {}
            Tag::Table => {
                let row = self.end_row();
                self.open.pop();
                return row;
            }
            Tag::Row | Tag::Group => return self.end_row(),
            Tag::Cell => self.end_cell(),
            Tag::Break => {
                if let Some(cell) = self.cell() {
                    cell.gap = Some('\n');
                }
            }
            Tag::Silent | Tag::Other => {}
        }
        None
    }

    fn begin_row(&mut self) {
        if let Some(open) = self.open.last_mut()
            && !open.in_row
        {
            open.in_row = true;
            let number = open.row.row.saturating_add(1);
            open.row.restart(number);
        }
    }

    fn cell(&mut self) -> Option<&mut Cell> {
        self.open.last_mut()?.cell.as_mut()
    }

    fn end_cell(&mut self) {
        let (most, length) = (self.limits.columns, self.limits.cell_length_bytes);
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let Some(cell) = open.cell.take() else { return };
        open.pass_reaching(most);
        for at in 0..cell.columns {
            if open.row.len() >= most {
                open.is_too_wide = true;
                return;
            }
            if cell.rows > 1 {
                let column = open.row.len();
                if open.reaching.len() <= column {
                    open.reaching.resize(column + 1, 0);
                }
                if let Some(reaching) = open.reaching.get_mut(column) {
                    *reaching = cell.rows - 1;
                }
            }
            // A merged cell says what it says in its first place.
            match at {
                0 if cell.is_too_long || cell.text.len() > length => {
                    open.row.push(CellKind::TooLong, "");
                }
                0 if cell.text.contains('\u{fffd}') => {
                    open.row.push(CellKind::Undecodable, &cell.text);
                }
                0 => open.row.push(CellKind::Text, &cell.text),
                _ => open.row.push(CellKind::Text, ""),
            }
        }
    }

    fn end_row(&mut self) -> Option<PageRow> {
        self.end_cell();
        let most = self.limits.columns;
        let open = self.open.last_mut()?;
        if !std::mem::take(&mut open.in_row) {
            return None;
        }
        open.pass_reaching(most);
        let number = open.row.row;
        let row = std::mem::replace(&mut open.row, RawRow::new(number));
        Some(PageRow {
            table: open.number,
            row,
            is_too_wide: std::mem::take(&mut open.is_too_wide),
        })
    }

    fn text(&mut self, value: &[u8]) {
        let most = self.limits.cell_length_bytes;
        if self.silent || self.too_deep > 0 {
            return;
        }
        let Some(cell) = self.cell() else { return };
        for c in String::from_utf8_lossy(value).chars() {
            if c.is_whitespace() {
                cell.gap = cell.gap.or(Some(' '));
                continue;
            }
            if cell.text.len() > most {
                cell.is_too_long = true;
                return;
            }
            if let Some(gap) = cell.gap.take()
                && !cell.text.is_empty()
            {
                cell.text.push(gap);
            }
            cell.text.push(c);
        }
    }
}

impl Open {
    /// Goes over the columns that a cell of an earlier row reaches into.
    fn pass_reaching(&mut self, most: usize) {
        while let Some(reaching) = self.reaching.get_mut(self.row.len())
            && *reaching > 0
            && self.row.len() < most
        {
            *reaching -= 1;
            self.row.push(CellKind::Text, "");
        }
    }
}

fn tag(name: &[u8]) -> Tag {
    match name {
        b"table" => Tag::Table,
        b"thead" | b"tbody" | b"tfoot" => Tag::Group,
        b"tr" => Tag::Row,
        b"td" | b"th" => Tag::Cell,
        b"br" | b"p" | b"div" | b"li" => Tag::Break,
        b"script" | b"style" => Tag::Silent,
        _ => Tag::Other,
    }
}

impl Callback<PageRow, ()> for &mut Tables {
    fn handle_event(&mut self, event: CallbackEvent<'_>, _: Span<()>) -> Option<PageRow> {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.tag = tag(name);
                (self.columns, self.rows) = (1, 1);
            }
            CallbackEvent::AttributeName { name } => {
                self.attribute = match name {
                    b"colspan" => Attribute::ColumnSpan,
                    b"rowspan" => Attribute::RowSpan,
                    _ => Attribute::Other,
                };
            }
            CallbackEvent::AttributeValue { value } => {
                let number = || {
                    let text = std::str::from_utf8(value).ok()?;
                    let number: usize = text.trim().parse().ok()?;
                    Some(number.clamp(1, SPAN))
                };
                match self.attribute {
                    Attribute::ColumnSpan => self.columns = number().unwrap_or(1),
                    Attribute::RowSpan => self.rows = number().unwrap_or(1),
                    Attribute::Other => {}
                }
            }
            CallbackEvent::CloseStartTag { .. } => {
                self.silent = self.tag == Tag::Silent;
                return self.begin();
            }
            CallbackEvent::EndTag { name } => {
                self.tag = tag(name);
                self.silent = false;
                return self.end();
            }
            CallbackEvent::String { value } => self.text(value),
            CallbackEvent::Comment { .. }
            | CallbackEvent::Doctype { .. }
            | CallbackEvent::Error(_) => {}
        }
        None
    }
}
