//! Pure. Whether a JPEG is all there: walks the Huffman codes of every scan (ITU-T T.81 annexes F and G) and makes no pixel of them.
//!
//! Decoders fill up with grey what is missing and say nothing: behind a cut in the last row of blocks, and anywhere at all when a careful program has put an end
//! marker behind the cut. Counting blocks is the only way to know.

use super::jpeg::{self, Segment, Segments};
use super::outline::u16_be;

/// As many passes as anybody makes, ten times over.
const SCANS: usize = 100;
/// Bits that are looked up at once.
const QUICK_BITS: u32 = 9;
const COEFFICIENTS: u32 = 64;

/// Why a JPEG is not taken as whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ends before its last block.
    Cut,
    /// What is coded makes no sense.
    Damaged,
    /// Arithmetic codes, 12 bits, lossless: not what programs for photos write.
    Rare,
}

/// Whether every scan has all its blocks, and whether all scans are there.
pub(super) fn check(bytes: &[u8]) -> Result<(), Fault> {
    let mut picture = Picture::default();
    let mut segments = jpeg::segments(bytes);
    let mut scans = 0;
    while let Some(Segment { marker, data, .. }) = segments.next() {
        match marker {
            0xc0..=0xc2 => picture.frame(marker, data)?,
            0xc4 => picture.tables(data)?,
            0xdd => picture.restart_blocks = u16_be(data, 0).unwrap_or_default().into(),
            0xd9 => return picture.seen(),
            _ if jpeg::is_frame(marker) => return Err(Fault::Rare),
            _ if jpeg::is_scan(marker) => {
                scans += 1;
                if scans > SCANS {
                    return Err(Fault::Damaged);
                }
                picture.scan(data, &mut segments)?;
            }
            _ => {}
        }
    }
    // Only the end marker is missing if nothing else is.
    if picture.is_finished() {
        Ok(())
    } else {
        Err(Fault::Cut)
    }
}

#[derive(Debug, Default)]
struct Picture {
    is_progressive: bool,
    /// Blocks that are coded together, across and down.
    across: usize,
    down: usize,
    components: Vec<Component>,
    dc: [Option<Codes>; 4],
    ac: [Option<Codes>; 4],
    restart_blocks: usize,
}

#[derive(Debug, Default)]
struct Component {
    id: u8,
    /// Blocks in each group of blocks.
    wide: usize,
    tall: usize,
    /// Blocks when it is coded alone.
    columns: usize,
    rows: usize,
    /// Of each block, which coefficients are not zero so far: a later pass refines them. Empty unless progressive.
    known: Vec<u64>,
    /// Of each coefficient, the bits that are still to come; none if none of it has come yet.
    pending: Vec<Option<u8>>,
}

impl Picture {
    fn frame(&mut self, marker: u8, data: &[u8]) -> Result<(), Fault> {
        let (Some(precision), Some(height), Some(width)) =
            (data.first(), u16_be(data, 1), u16_be(data, 3))
        else {
            return Err(Fault::Damaged);
        };
        if !self.components.is_empty() {
            return Err(Fault::Damaged);
        }
        if *precision != 8 {
            return Err(Fault::Rare);
        }
        self.is_progressive = marker == 0xc2;
        let described = data.get(6..).unwrap_or_default().as_chunks::<3>().0;
        let nibbles = |byte: u8| (usize::from(byte >> 4), usize::from(byte & 15));
        let sampled = described.iter().map(|[_, sampling, _]| nibbles(*sampling));
        let most_wide = sampled.clone().map(|it| it.0).max().unwrap_or(0);
        let most_tall = sampled.clone().map(|it| it.1).max().unwrap_or(0);
        if sampled
            .clone()
            .any(|(wide, tall)| !(1..=4).contains(&wide) || !(1..=4).contains(&tall))
            || described.len() > 4
        {
            return Err(Fault::Damaged);
        }
        let (width, height) = (usize::from(width), usize::from(height));
        if width == 0 || height == 0 || most_wide == 0 {
            return Err(Fault::Damaged);
        }
        self.across = width.div_ceil(8 * most_wide);
        self.down = height.div_ceil(8 * most_tall);
        for [id, sampling, _] in described {
            let (wide, tall) = nibbles(*sampling);
            let blocks = if self.is_progressive {
                self.across * wide * self.down * tall
            } else {
                0
            };
            self.components.push(Component {
                id: *id,
                wide,
                tall,
                columns: (width * wide).div_ceil(most_wide).div_ceil(8),
                rows: (height * tall).div_ceil(most_tall).div_ceil(8),
                known: vec![0; blocks],
                pending: vec![None; 64],
            });
        }
        Ok(())
    }

    fn tables(&mut self, mut data: &[u8]) -> Result<(), Fault> {
        while let Some((kind, rest)) = data.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or(Fault::Damaged)?;
            let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest.split_at_checked(total).ok_or(Fault::Damaged)?;
            let class = if kind >> 4 == 0 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            let table = class
                .get_mut(usize::from(kind & 15))
                .ok_or(Fault::Damaged)?;
            *table = Some(Codes::new(counts, symbols)?);
            data = rest;
        }
        Ok(())
    }

    /// Nothing at all may be missing when nobody said that this is the end.
    fn is_finished(&self) -> bool {
        !self.components.is_empty()
            && self
                .components
                .iter()
                .all(|component| component.pending.iter().all(|pending| *pending == Some(0)))
    }

    /// Passes may be left out by whoever says where the end is, but not a component.
    fn seen(&self) -> Result<(), Fault> {
        let is_seen =
            |component: &Component| component.pending.first().is_some_and(Option::is_some);
        if !self.components.is_empty() && self.components.iter().all(is_seen) {
            Ok(())
        } else {
            Err(Fault::Cut)
        }
    }

    fn scan(&mut self, header: &[u8], segments: &mut Segments<'_>) -> Result<(), Fault> {
        let scan = Scan::parse(header, self)?;
        let mut bits = Bits::new(segments.bytes, segments.at);
        let mut run = 0;
        let alone = scan.parts.len() == 1;
        let (across, down) = match scan.parts.as_slice() {
            [(only, ..)] => self
                .components
                .get(*only)
                .map(|it| (it.columns, it.rows))
                .unwrap_or_default(),
            _ => (self.across, self.down),
        };
        let mut until_restart = self.restart_blocks;
        for row in 0..down {
            for column in 0..across {
                if self.restart_blocks > 0 {
                    if until_restart == 0 {
                        bits.restart()?;
                        run = 0;
                        until_restart = self.restart_blocks;
                    }
                    until_restart -= 1;
                }
                for (index, dc, ac) in &scan.parts {
                    let component = self.components.get_mut(*index).ok_or(Fault::Damaged)?;
                    let codes = (
                        self.dc.get(*dc).and_then(Option::as_ref),
                        self.ac.get(*ac).and_then(Option::as_ref),
                    );
                    let (wide, tall) = if alone {
                        (1, 1)
                    } else {
                        (component.wide, component.tall)
                    };
                    let stride = self.across * component.wide;
                    for y in row * tall..(row + 1) * tall {
                        for x in column * wide..(column + 1) * wide {
                            if self.is_progressive {
                                let known = component
                                    .known
                                    .get_mut(y * stride + x)
                                    .ok_or(Fault::Damaged)?;
                                scan.pass(&mut bits, codes, known, &mut run)?;
                            } else {
                                sequential(&mut bits, codes)?;
                            }
                        }
                    }
                }
            }
        }
        for (index, ..) in &scan.parts {
            let pending = self
                .components
                .get_mut(*index)
                .map(|it| it.pending.as_mut_slice());
            let (first, last) = if self.is_progressive {
                (scan.first, scan.last)
            } else {
                (0, 63)
            };
            let range = usize::try_from(first).unwrap_or(0)..=usize::try_from(last).unwrap_or(0);
            if let Some(pending) = pending.and_then(|it| it.get_mut(range)) {
                pending.fill(Some(if self.is_progressive { scan.low } else { 0 }));
            }
        }
        segments.at = bits.at;
        Ok(())
    }
}

/// What one pass holds.
#[derive(Debug)]
struct Scan {
    /// Component, table for the first coefficient, table for the others.
    parts: Vec<(usize, usize, usize)>,
    first: u32,
    last: u32,
    is_refinement: bool,
    low: u8,
}

impl Scan {
    fn parse(header: &[u8], picture: &Picture) -> Result<Self, Fault> {
        let (count, rest) = header.split_first().ok_or(Fault::Damaged)?;
        let (parts, rest) = rest
            .split_at_checked(2 * usize::from(*count))
            .ok_or(Fault::Damaged)?;
        let [first, last, approximation, ..] = *rest else {
            return Err(Fault::Damaged);
        };
        let parts = parts.as_chunks::<2>().0.iter().map(|[id, tables]| {
            let index = picture.components.iter().position(|it| it.id == *id)?;
            Some((index, usize::from(tables >> 4), usize::from(tables & 15)))
        });
        let parts: Vec<_> = parts.collect::<Option<_>>().ok_or(Fault::Damaged)?;
        let makes_sense = !parts.is_empty()
            && parts.len() <= 4
            && (!picture.is_progressive
                || (first <= last
                    && last < 64
                    && (first > 0 || last == 0)
                    && (first == 0 || parts.len() == 1)));
        if !makes_sense {
            return Err(Fault::Damaged);
        }
        Ok(Self {
            parts,
            first: first.into(),
            last: last.into(),
            is_refinement: approximation >> 4 != 0,
            low: approximation & 15,
        })
    }

    /// Steps over one block of a progressive pass.
    fn pass(
        &self,
        bits: &mut Bits<'_>,
        (dc, ac): (Option<&Codes>, Option<&Codes>),
        known: &mut u64,
        run: &mut u32,
    ) -> Result<(), Fault> {
        match (self.first, self.is_refinement) {
            (0, true) => bits.skip(1),
            (0, false) => {
                let length = bits.symbol(dc.ok_or(Fault::Damaged)?)?;
                bits.skip(length.into())
            }
            (_, false) => self.first_pass(bits, ac.ok_or(Fault::Damaged)?, known, run),
            (_, true) => self.refinement(bits, ac.ok_or(Fault::Damaged)?, known, run),
        }
    }

    fn first_pass(
        &self,
        bits: &mut Bits<'_>,
        ac: &Codes,
        known: &mut u64,
        run: &mut u32,
    ) -> Result<(), Fault> {
        if *run > 0 {
            *run -= 1;
            return Ok(());
        }
        let mut at = self.first;
        while at <= self.last {
            let symbol = bits.symbol(ac)?;
            let (zeros, length) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            match (zeros, length) {
                (15, 0) => at += 16,
                (_, 0) => {
                    *run = (1 << zeros) - 1 + bits.take(zeros)?;
                    break;
                }
                _ => {
                    at += zeros;
                    if at > self.last {
                        return Err(Fault::Damaged);
                    }
                    *known |= 1 << at;
                    bits.skip(length)?;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    fn refinement(
        &self,
        bits: &mut Bits<'_>,
        ac: &Codes,
        known: &mut u64,
        run: &mut u32,
    ) -> Result<(), Fault> {
        let mut at = self.first;
        while *run == 0 && at <= self.last {
            let symbol = bits.symbol(ac)?;
            let (mut zeros, length) = (u32::from(symbol >> 4), symbol & 15);
            if length > 0 {
                bits.skip(1)?;
            } else if zeros < 15 {
                *run = (1 << zeros) + bits.take(zeros)?;
                break;
            }
            while at <= self.last {
                if *known & (1 << at) != 0 {
                    bits.skip(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                at += 1;
            }
            if length > 0 {
                if at > self.last {
                    return Err(Fault::Damaged);
                }
                *known |= 1 << at;
            }
            at += 1;
        }
        if *run > 0 {
            let rest = if at <= self.last {
                known.wrapping_shr(at) & (u64::MAX >> (63 - (self.last - at)))
            } else {
                0
            };
            for _ in 0..rest.count_ones() {
                bits.skip(1)?;
            }
            *run -= 1;
        }
        Ok(())
    }
}

/// Steps over one block of a picture in a single pass.
fn sequential(
    bits: &mut Bits<'_>,
    (dc, ac): (Option<&Codes>, Option<&Codes>),
) -> Result<(), Fault> {
    let (dc, ac) = dc.zip(ac).ok_or(Fault::Damaged)?;
    let length = bits.symbol(dc)?;
    bits.skip(length.into())?;
    let mut at = 1;
    while at < COEFFICIENTS {
        let symbol = bits.symbol(ac)?;
        match (symbol >> 4, symbol & 15) {
            (15, 0) => at += 16,
            (_, 0) => break,
            (zeros, length) => {
                at += u32::from(zeros) + 1;
                bits.skip(length.into())?;
            }
        }
    }
    // A run of zeros may step past the last one, as some programs write it; a value may not.
    if at <= COEFFICIENTS + 16 {
        Ok(())
    } else {
        Err(Fault::Damaged)
    }
}

/// A table of Huffman codes.
#[derive(Debug)]
struct Codes {
    /// By the next bits: length and symbol, or length 0 for a longer code.
    quick: Vec<(u8, u8)>,
    /// Of each length: the first code that is too large for it, its bits to the left, and what to add to get at the symbol.
    longer: Vec<(u32, u32, i32)>,
    symbols: Vec<u8>,
}

impl Codes {
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, Fault> {
        let mut quick = vec![(0, 0); 1 << QUICK_BITS];
        let mut longer = Vec::new();
        let mut code: u32 = 0;
        let mut rest = symbols;
        let mut before: i32 = 0;
        for (length, count) in (1_u32..).zip(counts) {
            let count = u32::from(*count);
            let first = code;
            code += count;
            if code > 1 << length {
                return Err(Fault::Damaged);
            }
            let (own, others) = rest
                .split_at_checked(usize::try_from(count).unwrap_or(0))
                .ok_or(Fault::Damaged)?;
            rest = others;
            if length <= QUICK_BITS {
                for (code, symbol) in (first..).zip(own) {
                    let from = usize::try_from(code << (QUICK_BITS - length)).unwrap_or(0);
                    let cells = quick.get_mut(from..from + (1 << (QUICK_BITS - length)));
                    cells
                        .ok_or(Fault::Damaged)?
                        .fill((u8::try_from(length).unwrap_or(0), *symbol));
                }
            } else {
                longer.push((code << (16 - length), length, before - first.cast_signed()));
            }
            before += count.cast_signed();
            code <<= 1;
        }
        let symbols = symbols.to_vec();
        Ok(Self {
            quick,
            longer,
            symbols,
        })
    }

    /// Length and symbol of the code that the 16 bits begin with.
    fn find(&self, bits: u32) -> Option<(u32, u8)> {
        let (length, symbol) = *self
            .quick
            .get(usize::try_from(bits >> (16 - QUICK_BITS)).ok()?)?;
        if length > 0 {
            return Some((length.into(), symbol));
        }
        let (_, length, offset) = self.longer.iter().find(|(end, ..)| bits < *end)?;
        let code = (bits >> (16 - length)).cast_signed();
        let symbol = self.symbols.get(usize::try_from(code + offset).ok()?)?;
        Some((*length, *symbol))
    }
}

/// The bits of a scan, up to the next marker.
#[derive(Debug)]
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            held: 0,
            count: 0,
        }
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(byte) = self.bytes.get(self.at) else {
                return;
            };
            if *byte == 0xff {
                match self.bytes.get(self.at + 1) {
                    Some(0) => self.at += 1,
                    // Fill bytes before a marker.
                    Some(0xff) => {
                        self.at += 1;
                        continue;
                    }
                    _ => return,
                }
            }
            self.at += 1;
            self.held = (self.held << 8) | u64::from(*byte);
            self.count += 8;
        }
    }

    /// The next 16 bits; zeros stand for those that are not there.
    fn next_16(&mut self) -> u32 {
        if self.count < 16 {
            self.fill();
        }
        let aligned = if self.count >= 16 {
            self.held >> (self.count - 16)
        } else {
            self.held << (16 - self.count)
        };
        u32::try_from(aligned & 0xffff).unwrap_or(0)
    }

    fn symbol(&mut self, codes: &Codes) -> Result<u8, Fault> {
        let next = self.next_16();
        match codes.find(next) {
            Some((length, symbol)) => self.drop_bits(length).map(|()| symbol),
            None if self.count < 16 => Err(Fault::Cut),
            None => Err(Fault::Damaged),
        }
    }

    /// At most 16.
    fn take(&mut self, bits: u32) -> Result<u32, Fault> {
        let value = self.next_16() >> (16 - bits.min(16));
        self.drop_bits(bits).map(|()| value)
    }

    fn skip(&mut self, bits: u32) -> Result<(), Fault> {
        if self.count < bits {
            self.fill();
        }
        self.drop_bits(bits)
    }

    fn drop_bits(&mut self, bits: u32) -> Result<(), Fault> {
        self.count = self.count.checked_sub(bits).ok_or(Fault::Cut)?;
        Ok(())
    }

    /// Steps over a restart marker, which has to be here.
    fn restart(&mut self) -> Result<(), Fault> {
        (self.held, self.count) = (0, 0);
        while let Some(found) = self
            .bytes
            .get(self.at..)
            .and_then(|rest| memchr::memchr(0xff, rest))
        {
            self.at += found + 1;
            match self.bytes.get(self.at) {
                Some(0 | 0xff) => {}
                Some(0xd0..=0xd7) => {
                    self.at += 1;
                    return Ok(());
                }
                _ => {
                    self.at -= 1;
                    return Err(Fault::Cut);
                }
            }
        }
        Err(Fault::Cut)
    }
}
