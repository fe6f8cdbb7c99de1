//! The control connection while bytes move: what may interrupt a transfer, and what is answered meanwhile.

use std::io;

use super::command::Command;
use super::pump::Patience;
use super::reply::Reply;
use super::session::{Session, ended};

/// How bytes moved, and what came in between.
#[derive(Debug)]
pub(super) struct Attended<T> {
    pub(super) outcome: T,
    pub(super) interruption: Interruption,
}

#[derive(Debug)]
pub(super) enum Interruption {
    None,
    Aborted,
    /// By a reload.
    Ended,
    Gone(io::Error),
}

impl Session {
    /// Answers the control connection while bytes move. ABOR, the end of the control connection, and a reload that ends the session stop them; NOOP
    /// and STAT are answered; any other command, QUIT too, waits until they have moved, and so does whatever follows it.
    pub(super) async fn attend<T>(
        &mut self,
        moving: impl Future<Output = T>,
        patience: &Patience,
    ) -> Attended<T> {
        let mut moving = std::pin::pin!(moving);
        let mut attended = Interruption::None;
        loop {
            let listening = matches!(attended, Interruption::None) && self.deferred.is_none();
            let going = matches!(attended, Interruption::None);
            let line = tokio::select! {
                biased;
                outcome = &mut moving => return Attended { outcome, interruption: attended },
                () = ended(self.member.as_ref()), if going => {
                    attended = Interruption::Ended;
                    patience.stop.cancel();
                    continue;
                }
                line = self.control.line(), if listening => line,
            };
            let answered = match line {
                Ok(Some(line)) => match Command::parse(&line) {
                    Ok(Command::Abor) => {
                        attended = Interruption::Aborted;
                        patience.stop.cancel();
                        Ok(())
                    }
                    Ok(Command::Noop) => self.control.send(&Reply::new(200, "Here")).await,
                    Ok(Command::Stat(None)) => {
                        let moved = patience.moved_bytes();
                        let reply = Reply::new(211, format!("{moved} bytes so far"));
                        self.control.send(&reply).await
                    }
                    _ => {
                        self.deferred = Some(line);
                        Ok(())
                    }
                },
                Ok(None) => Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) => Err(error),
            };
            if let Err(error) = answered {
                attended = Interruption::Gone(error);
                patience.stop.cancel();
            }
        }
    }
}
