//! The commands before any file: TLS, protection of data connections, login.

use std::io;

use tokio::time::timeout_at;

use super::command::Protection;
use super::reply::{self, Reply};
use super::session::{Answer, Member, NO_ROOM, Session, Stop, answer, refuse};
use crate::listen::login::{Account, Attempt};
use crate::listen::score::Offence;
use crate::secret::Secret;

/// Failed logins in one session before goodbye.
const FAILED_LOGIN_LIMIT: u32 = 4;

impl Session {
    /// AUTH: the reply goes out in clear before anything is read as TLS.
    pub(super) async fn secure(&mut self) -> Answer {
        if self.control.is_secure() {
            return refuse(503, "This connection is in TLS already");
        }
        self.control
            .send(&Reply::new(234, "Begin the TLS handshake"))
            .await?;
        self.shake_hands().await?;
        self.user = None;
        Ok(None)
    }

    /// Goes over to TLS, within the time for a login.
    pub(super) async fn shake_hands(&mut self) -> io::Result<()> {
        self.front = self.house.front.now();
        let draining = self.tasks.draining().clone();
        let shaking = self.control.secure(&self.front.tls, self.tag);
        let shaking = timeout_at(self.login_deadline, shaking);
        let evicted = self.pass.evicted();
        draining
            .run_until_cancelled(evicted.run_until_cancelled(shaking))
            .await
            .flatten()
            .ok_or(io::ErrorKind::ConnectionAborted)??
    }

    /// PBSZ: TLS has no such buffer, so any size becomes 0 (RFC 4217 section 8).
    pub(super) fn protection_buffer(&self) -> Answer {
        if !self.control.is_secure() {
            return refuse(503, "Send AUTH TLS first");
        }
        answer(200, "PBSZ=0")
    }

    /// PROT: nothing but P.
    pub(super) fn protect(&mut self, protection: Protection) -> Answer {
        if !self.control.is_secure() {
            return refuse(503, "Send AUTH TLS first");
        }
        match protection {
            Protection::Private => {
                self.data_protected = true;
                answer(200, "Data connections use TLS")
            }
            Protection::Weaker => refuse(536, "Data connections use TLS: send PROT P"),
        }
    }

    /// HOST (RFC 7151): we are one host under several names, so it only says whether the client has come to the right place.
    pub(super) fn name_host(&self, name: &str) -> Answer {
        if self.user.is_some() || self.member.is_some() {
            return refuse(503, "HOST comes before USER");
        }
        if self
            .front
            .hosts
            .iter()
            .any(|it| it.eq_ignore_ascii_case(name))
        {
            return answer(220, "This is that host");
        }
        refuse(504, "This is not that host")
    }

    /// USER.
    pub(super) fn name_user(&mut self, name: String) -> Answer {
        if !self.control.is_secure() {
            tracing::info!(peer = %self.peer, "a login in clear was refused: the sender must use TLS");
            return refuse(530, "Send AUTH TLS first");
        }
        if self.member.is_some() {
            return refuse(530, "This session is logged in already");
        }
        self.user = Some(name);
        answer(331, "Send the password")
    }

    /// PASS.
    pub(super) async fn log_in(&mut self, password: &Secret<String>) -> Answer {
        if !self.control.is_secure() {
            return refuse(530, "Send AUTH TLS first");
        }
        let Some(name) = self.user.take() else {
            return refuse(503, "Send USER first");
        };
        let attempt = Attempt {
            protocol: self.protocol,
            peer: self.peer,
            name: &name,
            certificate: self.control.certificate(),
        };
        let check = self.house.logins.check_password(attempt, password);
        let check = self.pass.evicted().run_until_cancelled(check);
        let Ok(checked) = timeout_at(self.login_deadline, check).await else {
            let detail = "nobody logged in within limits.login_deadline";
            self.pass.offend(Offence::NoLogin, detail);
            return Err(Stop::Leave(Reply::new(
                421,
                "No login for too long: goodbye",
            )));
        };
        let Some(checked) = checked else {
            return Err(Stop::Leave(Reply::new(421, NO_ROOM)));
        };
        let Some(account) = checked else {
            self.failed_logins += 1;
            if self.failed_logins >= FAILED_LOGIN_LIMIT {
                return Err(Stop::Leave(Reply::new(421, "Too many failed logins")));
            }
            return refuse(530, "Not logged in");
        };
        if !self.pass.log_in() {
            return Err(Stop::Leave(Reply::new(421, NO_ROOM)));
        }
        account.record(&tracing::Span::current());
        self.house.owners.remember(self.tag, login_of(&account));
        self.member = Some(Member::new(account, self.protocol));
        answer(230, "Logged in")
    }

    /// The account, once logged in.
    pub(super) fn account(&self) -> Result<&Account, Stop> {
        match &self.member {
            Some(member) => Ok(&member.account),
            None => refuse(530, "Log in first"),
        }
    }

    /// FEAT.
    pub(super) fn features(&self) -> Reply {
        let active = self.front.settings.active_mode.then_some("EPRT");
        reply::features(&self.facts.offer(), active)
    }

    /// STAT without a path.
    pub(super) fn status(&self) -> Reply {
        let told = [
            match self.member {
                Some(_) => "Logged in",
                None => "Not logged in",
            },
            if self.control.is_secure() {
                "Commands use TLS"
            } else {
                "Commands are in clear: send AUTH TLS"
            },
            if self.data_protected {
                "Data connections use TLS"
            } else {
                "Data connections are not protected: send PROT P"
            },
        ];
        Reply::listing(211, "rosterd", told.map(str::to_owned).to_vec())
    }
}

/// What two sessions of one login have in common.
fn login_of(account: &Account) -> String {
    let environment = account.mailbox.environment();
    format!("{}/{environment}/{}", account.tenant(), account.user)
}
