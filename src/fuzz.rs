//! The doors for `fuzz/`: laws that hold for any bytes of a stranger. The corpus that fuzzing has found runs in the tests.

pub use crate::listen::ftps::laws::{command_lines, listings};
pub use crate::listen::proxy::first_bytes;
pub use crate::listen::sftp::laws::packets;
pub use crate::mailbox::laws::paths;
pub use crate::parse::laws::{answers, files, markup, photos, texts, workbooks};

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Every file of a target's corpus keeps the law.
    fn replay(target: &str, law: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(target);
        let mut files = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            law(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 10, "the corpus {} is gone", folder.display());
    }

    #[test]
    fn the_corpus_of_command_lines_keeps_its_law() {
        replay("ftp_command_lines", super::command_lines);
    }

    #[test]
    fn the_corpus_of_listings_keeps_its_law() {
        replay("listings", super::listings);
    }

    #[test]
    fn the_corpus_of_paths_keeps_its_law() {
        replay("mailbox_paths", super::paths);
    }

    #[test]
    fn the_corpus_of_sftp_packets_keeps_its_law() {
        replay("sftp_packets", super::packets);
    }

    #[test]
    fn the_corpus_of_proxy_headers_keeps_its_law() {
        replay("proxy_headers", super::first_bytes);
    }

    #[test]
    fn the_corpus_of_files_keeps_its_law() {
        replay("files", super::files);
    }

    #[test]
    fn the_corpus_of_texts_keeps_its_law() {
        replay("texts", super::texts);
    }

    #[test]
    fn the_corpus_of_markup_keeps_its_law() {
        replay("markup", super::markup);
    }

    #[test]
    fn the_corpus_of_workbooks_keeps_its_law() {
        replay("workbooks", super::workbooks);
    }

    #[test]
    fn the_corpus_of_answers_keeps_its_law() {
        replay("answers", super::answers);
    }

    #[test]
    fn the_corpus_of_photos_keeps_its_law() {
        replay("photos", super::photos);
    }
}
