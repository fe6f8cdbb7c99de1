//! Pure. What an old workbook says before its sheets: their names and places, its texts, its number formats, its date system.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::collections::HashMap;
use std::io::{Read, Seek};

use crate::parse::read::table::Stop;
use crate::parse::read::workbook::caps::SHEETS;
use crate::parse::read::workbook::fault::{damaged, protected, strange, too_old};
use crate::parse::read::workbook::format::{self, Shown};
use crate::parse::read::workbook::texts::Texts;
use crate::parse::read::workbook::xls::container::{Stream, u16_at, u32_at};
use crate::parse::read::workbook::xls::records::Records;
use crate::parse::read::workbook::xls::text::{Body, Length, Letters};

pub(super) const BEGIN: u16 = 0x0809;
pub(super) const END: u16 = 0x000a;
const FILE_PASS: u16 = 0x002f;
const CODE_PAGE: u16 = 0x0042;
const DATE_MODE: u16 = 0x0022;
const FORMAT: u16 = 0x041e;
const CELL_FORMAT: u16 = 0x00e0;
const SHEET: u16 = 0x0085;
const TEXTS: u16 = 0x00fc;
const SHEET_ALONE: u16 = 0x0010;
const EXCEL_97: u16 = 0x0600;
/// More than Excel can hold.
const FORMATS: usize = 1 << 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Globals {
    pub(super) sheets: Vec<Sheet>,
    pub(super) letters: Letters,
    pub(super) strings: Texts,
    pub(super) from_1904: bool,
    /// Of each cell format.
    shown: Vec<Shown>,
}

#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) name: String,
    pub(super) is_visible: bool,
    /// Where its records begin.
    pub(super) at: u64,
}

impl Globals {
    /// Reads them. Of each text, one byte more than `most` is kept.
    pub(super) fn read<R: Read + Seek>(stream: &mut Stream<R>, most: usize) -> Result<Self, Stop> {
        let mut globals = Self {
            sheets: Vec::new(),
            letters: Letters::Unicode,
            strings: Texts::default(),
            from_1904: false,
            shown: Vec::new(),
        };
        let mut records = Records::from(stream, 0);
        let mut body = Vec::new();
        match records.next(&mut body)? {
            Some(BEGIN) if u16_at(&body, 0) == Some(EXCEL_97) => {}
            Some(BEGIN) => globals.letters = Letters::of_page(0),
            Some(0x0009 | 0x0209 | 0x0409) => return Err(too_old().into()),
            _ => return Err(damaged().into()),
        }
        if u16_at(&body, 2) == Some(SHEET_ALONE) {
            globals.sheets.push(Sheet {
                name: "Sheet1".to_owned(),
                is_visible: true,
                at: 0,
            });
            return Ok(globals);
        }
        let mut formats = HashMap::new();
        let mut numbers = Vec::new();
        loop {
            match records.next(&mut body)? {
                Some(FILE_PASS) => return Err(protected().into()),
                Some(CODE_PAGE) => {
                    if let Letters::Page(_) = globals.letters {
                        globals.letters = Letters::of_page(u16_at(&body, 0).unwrap_or(0));
                    }
                }
                Some(DATE_MODE) => globals.from_1904 = u16_at(&body, 0) == Some(1),
                Some(FORMAT) => {
                    let mut body = Body::of(&mut records, std::mem::take(&mut body));
                    let number = body.word()?;
                    let length = match globals.letters {
                        Letters::Unicode => Length::Word,
                        Letters::Page(_) => Length::Byte,
                    };
                    let mut code = String::new();
                    match body.text(globals.letters, length, &mut code) {
                        Ok(()) => drop(formats.insert(number, format::custom(&code))),
                        // One that makes no sense is no reason to refuse everybody's rows.
                        Err(Stop::Refused(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Some(CELL_FORMAT) => numbers.push(u16_at(&body, 2).ok_or_else(damaged)?),
                Some(SHEET) => globals.sheet(&mut records, std::mem::take(&mut body))?,
                Some(TEXTS) => globals.texts(&mut records, std::mem::take(&mut body), most)?,
                // One that broke off here has no sheets either.
                Some(END) | None => break,
                Some(_) => {}
            }
            if numbers.len() > FORMATS || globals.sheets.len() > SHEETS {
                return Err(
                    strange("it has more cell formats or sheets than Excel can hold").into(),
                );
            }
        }
        let shown = |number: u16| {
            let custom = formats.get(&number).cloned();
            custom.unwrap_or_else(|| format::builtin(number.into()))
        };
        globals.shown = numbers.into_iter().map(shown).collect();
        Ok(globals)
    }

    fn sheet<R: Read + Seek>(
        &mut self,
        records: &mut Records<'_, R>,
        bytes: Vec<u8>,
    ) -> Result<(), Stop> {
        let at = u32_at(&bytes, 0).ok_or_else(damaged)?;
        let (state, kind) = (bytes.get(4).copied(), bytes.get(5).copied());
        let mut body = Body::of(records, bytes);
        body.skip(6)?;
        let mut name = String::new();
        body.text(self.letters, Length::Byte, &mut name)?;
        // Charts and macros have sheets of their own.
        if kind == Some(0) {
            self.sheets.push(Sheet {
                name,
                is_visible: state.is_some_and(|state| state % 4 == 0),
                at: at.into(),
            });
        }
        Ok(())
    }

    /// Takes the texts that cells call by their number. How many there are meant to be is not looked at.
    fn texts<R: Read + Seek>(
        &mut self,
        records: &mut Records<'_, R>,
        bytes: Vec<u8>,
        most: usize,
    ) -> Result<(), Stop> {
        let mut body = Body::of(records, bytes);
        if body.is_over()? {
            return Ok(());
        }
        body.skip(8)?;
        let mut text = String::new();
        while !body.is_over()? {
            body.text(self.letters, Length::Word, &mut text)?;
            self.strings.push(&text, most)?;
        }
        Ok(())
    }

    /// How cells of this format show a number; as it is, if there is no such format.
    pub(super) fn shown(&self, format: u16) -> &Shown {
        self.shown
            .get(usize::from(format))
            .unwrap_or(&Shown::Number)
    }
}
