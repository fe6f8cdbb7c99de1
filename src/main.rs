//! The binary. A child process that reads one hostile file branches off before anything else starts; see `rosterd::import::reader`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(rosterd::import::reader::CHILD_COMMAND) {
        return rosterd::import::reader::child_main(arguments);
    }
    rosterd::admin::main()
}
