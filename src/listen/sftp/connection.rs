//! One connection from accept to end, and its deadlines: to log in, between requests, without a byte of an upload, and at shutdown.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::Disconnect;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use super::pulse::{Pulse, Severable};
use super::session::{Client, SessionError};
use super::{Algorithms, Shared};
use crate::config::Limits;
use crate::listen::Protocol;
use crate::listen::accept::{Guest, Pass};
use crate::listen::score::Offence;
use crate::telemetry;

/// How long a client may take to go once it was told to.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why we end a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Ended {
    #[error("no login in time")]
    NoLogin,
    #[error("too many connections: try again later")]
    NoRoom,
    #[error("idle for too long")]
    Idle,
    #[error("no byte of an upload for too long")]
    Stalled,
    #[error("the server is shutting down")]
    Shutdown,
    /// By a reload.
    #[error("your login was changed or removed on the server: log in again")]
    LoginChanged,
}

/// Serves the connection until one side ends it.
pub(super) async fn serve(shared: Arc<Shared>, guest: Guest, algorithms: Algorithms) {
    let session = uuid::Uuid::now_v7();
    let span = tracing::info_span!(
        "session",
        session.id = %session,
        protocol = Protocol::Sftp.as_str(),
        tenant.id = tracing::field::Empty,
        environment = tracing::field::Empty,
        login = tracing::field::Empty,
    );
    let within = span.clone();
    converse(&shared, guest, algorithms, span)
        .instrument(within)
        .await;
}

async fn converse(shared: &Arc<Shared>, guest: Guest, algorithms: Algorithms, span: Span) {
    let Guest {
        stream,
        peer: ip,
        pass,
        ..
    } = guest;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection is gone before it began");
        return;
    }
    let pulse = Pulse::new();
    // Also when this task is aborted, which russh's own would survive.
    let _severed = Severed(Arc::clone(&pulse));
    let front = shared.front.now();
    let client = Client::new(
        Arc::clone(shared),
        front.limits.stall,
        ip,
        algorithms,
        Arc::clone(&pulse),
        span,
    );
    let stream = Severable::new(stream, &pulse);
    let talk = async {
        let ssh = front.ssh.settings(algorithms);
        let running = russh::server::run_stream(ssh, stream, client).await?;
        pulse.keep(running.handle());
        running.await
    };
    tokio::pin!(talk);
    let outcome = tokio::select! {
        outcome = &mut talk => outcome,
        ended = either(overdue(&pulse, &front.limits, shared.tasks.draining()), no_room(&pulse, &pass)) => {
            tell_end(ended, ip, pulse.refusals(), &pass);
            pulse.end(ended.to_string());
            say_goodbye(&pulse, ended).await;
            if let Ok(outcome) = tokio::time::timeout(GOODBYE, &mut talk).await {
                outcome
            } else {
                pulse.severed().cancel();
                talk.await
            }
        }
    };
    match outcome {
        Ok(()) => tracing::debug!("session ends"),
        Err(error) => tell_error(&error, ip, pulse.is_strange().then_some(&pass)),
    }
}

/// What an admin should hear of a deadline: a client that hangs before its login is reported as "the server does not answer".
fn tell_end(ended: Ended, peer: IpAddr, refusals: usize, pass: &Pass) {
    match ended {
        Ended::NoLogin if refusals > 0 => tracing::info!(
            %peer,
            refused = refusals,
            "no login in time: after a refused key or password the client waited, as one does that asks for the login service again (paramiko, unless it is \
             given ServiceRequestingTransport): let it try the right key or password only, or first"
        ),
        Ended::NoLogin => pass.offend(Offence::NoLogin, "no login in time"),
        Ended::NoRoom | Ended::Idle | Ended::Stalled | Ended::Shutdown | Ended::LoginChanged => {
            tracing::debug!(reason = %ended, "the connection is ended");
        }
    }
}

/// One line for what is more than a client that went away. Nothing that a client offers or sends is in it. A stranger has its pass still.
fn tell_error(error: &SessionError, peer: IpAddr, stranger: Option<&Pass>) {
    use russh::Error;
    let reason = match error {
        SessionError::Unread => "the client asks on without reading the answers",
        SessionError::Ssh(error) => match error {
            // Nobody cancels that task, so it panicked.
            Error::Join(_) => {
                telemetry::count_panic("sftp");
                tracing::error!("a session panicked, which is a bug in rosterd or its SSH library");
                return;
            }
            Error::NoCommonAlgo { kind, .. } => {
                tracing::info!(%peer, ?kind, "an SSH client offers no algorithm that is accepted here");
                return;
            }
            Error::Disconnect | Error::HUP | Error::SendError | Error::RecvError | Error::IO(_) => {
                tracing::debug!(%error, "session ends");
                return;
            }
            Error::Version => "what came is not the version line of an SSH 2 client",
            Error::PacketSize(_) => "a packet of a size that cannot be",
            Error::PacketAuth | Error::DecryptionError => "a packet that was changed on its way",
            Error::StrictKeyExchangeViolation { .. } => {
                "a packet out of order in the key exchange, as if somebody stood in between"
            }
            Error::KexInit | Error::Kex | Error::UnknownAlgo => "the key exchange failed",
            Error::SshEncoding(_) | Error::SshKey(_) | Error::Keys(_) | Error::Utf8(_) => {
                "a malformed packet"
            }
            _ => "the client does not keep to the protocol",
        },
    };
    if let Some(pass) = stranger {
        let detail = format_args!("an SSH connection is ended: {reason}");
        pass.offend(Offence::OtherProtocol, detail);
    } else {
        tracing::info!(%peer, "an SSH connection is ended: {reason}");
    }
}

/// Cuts the connection when it is dropped.
struct Severed(Arc<Pulse>);

impl Drop for Severed {
    fn drop(&mut self) {
        self.0.end("the server ended the session".to_owned());
        self.0.severed().cancel();
    }
}

async fn either(one: impl Future<Output = Ended>, other: impl Future<Output = Ended>) -> Ended {
    tokio::select! {
        ended = one => ended,
        ended = other => ended,
    }
}

/// Waits until the place was given away, which it is no more once somebody has logged in.
async fn no_room(pulse: &Arc<Pulse>, pass: &Pass) -> Ended {
    let mut logged_in = pulse.logged_in();
    tokio::select! {
        biased;
        _ = logged_in.wait_for(Option::is_some) => {}
        () = pass.evicted().cancelled() => return Ended::NoRoom,
    }
    if pass.log_in() {
        std::future::pending().await
    } else {
        Ended::NoRoom
    }
}

/// Waits until a deadline of ours has passed.
async fn overdue(pulse: &Arc<Pulse>, limits: &Limits, draining: &CancellationToken) -> Ended {
    let mut logged_in = pulse.logged_in();
    tokio::select! {
        biased;
        _ = logged_in.wait_for(Option::is_some) => {}
        () = draining.cancelled() => return Ended::Shutdown,
        () = tokio::time::sleep(limits.login_deadline) => return Ended::NoLogin,
    }
    let account = logged_in.borrow().clone();
    let login_changed = async {
        match account {
            Some(account) => account.ended().await,
            None => std::future::pending().await,
        }
    };
    let mut files = pulse.files();
    let finished = async {
        draining.cancelled().await;
        // The pulse lives longer than this, so the error cannot occur.
        let _closed = files
            .wait_for(|files| files.uploads + files.downloads == 0)
            .await
            .is_err();
    };
    tokio::select! {
        () = login_changed => Ended::LoginChanged,
        () = finished => Ended::Shutdown,
        ended = silent(pulse, limits) => ended,
    }
}

/// Waits until nothing has come for too long.
async fn silent(pulse: &Arc<Pulse>, limits: &Limits) -> Ended {
    let shortest = limits.idle.min(limits.stall);
    let look = (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(15));
    loop {
        tokio::time::sleep(look).await;
        let silence = pulse.silence();
        let uploads = pulse.files().borrow().uploads;
        if uploads > 0 && silence >= limits.stall {
            return Ended::Stalled;
        }
        if uploads == 0 && silence >= limits.idle {
            return Ended::Idle;
        }
    }
}

/// Tells the client, when it is far enough to understand and reads.
async fn say_goodbye(pulse: &Pulse, ended: Ended) {
    let Some(handle) = pulse.handle() else {
        pulse.severed().cancel();
        return;
    };
    let said = handle.disconnect(
        Disconnect::ByApplication,
        ended.to_string(),
        "en".to_owned(),
    );
    if !matches!(tokio::time::timeout(GOODBYE, said).await, Ok(Ok(()))) {
        pulse.severed().cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::login::Account;
    use crate::mailbox::tests::Place;
    use crate::tenant::Rights;

    const LONG: Duration = Duration::from_mins(1);
    const SHORT: Duration = Duration::from_millis(30);

    fn account() -> Arc<Account> {
        let place = Place::new();
        Arc::new(Account::alone(Rights::ALL, place.mailbox))
    }

    fn limits(login_deadline: Duration, idle: Duration, stall: Duration) -> Limits {
        Limits {
            connections: 1,
            connections_per_address: 1,
            sessions_per_login: 1,
            login_deadline,
            idle,
            stall,
            data_connect: LONG,
            drain: LONG,
            file_size_bytes: 0,
            rows: 0,
            columns: 0,
            cell_length_bytes: 0,
            import_memory_bytes: 0,
            import_time: LONG,
            ban_failures: 0,
            ban_window: LONG,
            ban_time: LONG,
        }
    }

    #[tokio::test]
    async fn whoever_does_not_log_in_in_time_is_ended() {
        let limits = limits(SHORT, LONG, LONG);
        let ended = overdue(&Pulse::new(), &limits, &CancellationToken::new()).await;
        assert_eq!(ended, Ended::NoLogin);
    }

    #[tokio::test]
    async fn an_idle_session_ends_but_not_while_a_request_is_answered() {
        let limits = limits(LONG, SHORT, LONG);
        let (pulse, draining) = (Pulse::new(), CancellationToken::new());
        pulse.log_in(account());
        let working = pulse.work();
        let busy = tokio::time::timeout(SHORT * 4, overdue(&pulse, &limits, &draining));
        assert!(busy.await.is_err());
        drop(working);
        assert_eq!(overdue(&pulse, &limits, &draining).await, Ended::Idle);
    }

    #[tokio::test]
    async fn an_upload_has_the_stall_limit_instead_of_the_idle_one() {
        let (pulse, draining) = (Pulse::new(), CancellationToken::new());
        pulse.log_in(account());
        let _upload = pulse.upload();
        let patient = limits(LONG, SHORT, LONG);
        let going = tokio::time::timeout(SHORT * 4, overdue(&pulse, &patient, &draining));
        assert!(going.await.is_err());
        let ended = overdue(&pulse, &limits(LONG, LONG, SHORT), &draining).await;
        assert_eq!(ended, Ended::Stalled);
    }

    #[tokio::test]
    async fn a_drain_waits_for_open_files_and_for_nothing_else() {
        let limits = limits(LONG, LONG, LONG);
        let (pulse, draining) = (Pulse::new(), CancellationToken::new());
        draining.cancel();
        assert_eq!(overdue(&pulse, &limits, &draining).await, Ended::Shutdown);
        pulse.log_in(account());
        let upload = pulse.upload();
        let waiting = tokio::time::timeout(SHORT, overdue(&pulse, &limits, &draining));
        assert!(waiting.await.is_err());
        drop(upload);
        assert_eq!(overdue(&pulse, &limits, &draining).await, Ended::Shutdown);
    }
}
