//! The binary. A child process that reads hostile files branches off before anything else starts; see `rosterd::import::reader`.

use std::process::ExitCode;

use rosterd::import::reader;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(reader::CHILD_COMMAND) => reader::child_main(arguments),
        Some(reader::PHOTO_CHILD_COMMAND) => reader::photo_child_main(arguments),
        _ => rosterd::admin::main(),
    }
}
