//! Text under any agreement. What its traps come to is in `read/tests/golden.rs`.

use crate::parse::agreement::{Agreement, Delimiter};
use crate::parse::read::tests::golden::{agreement_for, frames};
use crate::parse::wire::Frame;

proptest::proptest! {
    /// Fixed width, any encoding, any dialect: whatever the bytes, there is an end.
    #[test]
    fn any_text_under_any_agreement_comes_to_an_end(
        bytes in proptest::collection::vec(proptest::sample::select(b"a1 ,;'\"\\\t\r\n\0\x1a\xe9\xc3\xa9\xff\xfe=".to_vec()), 0..300),
        fixed: bool,
        seen in proptest::option::of(0..=255_u8),
        encoding in proptest::option::of("utf-8|windows-1252|shift_jis|iso-2022-jp"),
    ) {
        let mut agreement = if fixed { agreement_for("fixed.txt") } else { Agreement::default() };
        agreement.delimiter = seen.map_or(Delimiter::Unknown, Delimiter::Seen);
        agreement.encoding = encoding;
        let frames = frames(&bytes, &agreement);
        let ends = matches!(frames.last(), Some(Frame::End { .. } | Frame::Refused(_)));
        proptest::prop_assert!(ends);
    }
}
