//! Pure. A batch of photos: what one mailbox gets without a pause. Told of in one report.
//!
//! A session would be the other choice. But clients open several at once, some one for each photo, and none is seen by who takes photos up after a crash; when
//! each photo came is stored. So a batch is over when nothing has come for [`PAUSE`], and the same photos make the same batches whenever one looks.

use std::time::Duration;

use jiff::Timestamp;

/// As long as an upload of many photos pauses at most, as slow as its line may be.
pub const PAUSE: Duration = Duration::from_mins(10);

/// Splits photos, in the order they came, where there was a pause. The last part is a batch only if [`is_over`].
pub fn batches<T>(
    photos: &[T],
    received_at: impl Fn(&T) -> Timestamp,
    pause: Duration,
) -> impl Iterator<Item = &[T]> {
    photos.chunk_by(move |earlier, later| !is_over(received_at(earlier), received_at(later), pause))
}

/// Whether the batch whose last photo came at `last` gets no other one. A clock that was set back ends no batch.
pub fn is_over(last: Timestamp, now: Timestamp, pause: Duration) -> bool {
    now.duration_since(last).unsigned_abs() >= pause && now > last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    #[test]
    fn a_pause_ends_a_batch() {
        let photos = [0, 1, 9, 18, 28, 30, 29, 100].map(at);
        let split: Vec<usize> = batches(&photos, |it| *it, PAUSE).map(<[_]>::len).collect();
        assert_eq!(split, [4, 3, 1]);
        assert_eq!(batches(&[], |it: &Timestamp| *it, PAUSE).count(), 0);
    }

    #[test]
    fn a_batch_is_over_when_nothing_came_for_a_while() {
        assert!(!is_over(at(0), at(9), PAUSE));
        assert!(is_over(at(0), at(10), PAUSE));
        assert!(!is_over(at(60), at(0), PAUSE), "the clock was set back");
    }
}
