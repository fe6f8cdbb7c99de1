//! Pure. Which bytes of an upload have come: SFTP writes may come out of order, and a file with a gap is not whole.

/// Stretches apart from each other at one time: a client keeps a few dozen writes on their way, a hostile one would fill the memory.
const RANGES_LIMIT: usize = 4096;

/// The bytes that have come.
///
/// Invariant: ranges are in order, not empty, and neither overlap nor touch.
#[derive(Debug, Clone, Default)]
pub(super) struct Coverage {
    ranges: Vec<(u64, u64)>,
}

/// More stretches than there can be with an honest client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scattered;

impl Coverage {
    /// The first `size_bytes` are there.
    pub(super) fn up_to(size_bytes: u64) -> Self {
        let mut coverage = Self::default();
        if size_bytes > 0 {
            coverage.ranges.push((0, size_bytes));
        }
        coverage
    }

    /// Bytes from `start` up to `end` have come. In order, this is one comparison.
    pub(super) fn add(&mut self, start: u64, end: u64) -> Result<(), Scattered> {
        if start >= end {
            return Ok(());
        }
        if let Some(last) = self.ranges.last_mut()
            && last.1 == start
        {
            last.1 = end;
            return Ok(());
        }
        let from = self.ranges.partition_point(|range| range.1 < start);
        let to = self.ranges.partition_point(|range| range.0 <= end);
        let touched = self.ranges.get(from..to).unwrap_or_default();
        let joined = (
            touched.first().map_or(start, |range| range.0.min(start)),
            touched.last().map_or(end, |range| range.1.max(end)),
        );
        if touched.is_empty() && self.ranges.len() >= RANGES_LIMIT {
            return Err(Scattered);
        }
        self.ranges.splice(from..to, [joined]);
        Ok(())
    }

    /// Nothing from `size_bytes` on counts any more.
    pub(super) fn cut(&mut self, size_bytes: u64) {
        self.ranges.retain(|range| range.0 < size_bytes);
        if let Some(last) = self.ranges.last_mut() {
            last.1 = last.1.min(size_bytes);
        }
    }

    /// Where the last byte that came ends.
    pub(super) fn end(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.1)
    }

    /// How much has come from the start without a gap.
    pub(super) fn unbroken(&self) -> u64 {
        match self.ranges.first() {
            Some((0, end)) => *end,
            _ => 0,
        }
    }

    /// Whether there is no gap.
    pub(super) fn is_whole(&self) -> bool {
        self.unbroken() == self.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hostile_scatter_ends_at_the_limit() {
        let mut coverage = Coverage::default();
        let refused = (0..u64::MAX / 2)
            .find(|step| coverage.add(step * 2, step * 2 + 1).is_err())
            .unwrap();
        assert_eq!(refused, RANGES_LIMIT as u64);
    }

    proptest! {
        #[test]
        fn coverage_is_the_set_of_bytes_written(writes in prop::collection::vec((0..60_u64, 0..20_u64), 0..40)) {
            let mut coverage = Coverage::default();
            let mut bytes = [false; 80];
            for (start, length) in writes {
                coverage.add(start, start + length).unwrap();
                for at in start..start + length {
                    bytes[usize::try_from(at).unwrap()] = true;
                }
                let end = bytes.iter().rposition(|there| *there).map_or(0, |at| at + 1);
                let unbroken = bytes.iter().position(|there| !there).unwrap();
                prop_assert_eq!(coverage.end(), end as u64);
                prop_assert_eq!(coverage.unbroken(), unbroken as u64);
                prop_assert_eq!(coverage.is_whole(), end == unbroken);
            }
        }
    }
}
