//! Bans: feeds the scores ([`score`]) with the time and the limits in force, and tells the log and the metrics.
//!
//! The rule that matters: a tenant's own address is never banned for what others do there. "Own" is an address that a login's `allow_from` names; `["any"]`
//! names nobody. A banned address that some login names is let in at the door all the same, and the ban refuses only the logins that do not name it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::config::{AllowFrom, Config, Login};
use crate::listen::score::{self, Failure, Origin, Rules, Scores, Subject};
use crate::live::Live;
use crate::telemetry;
use crate::tenant::TenantId;

/// How often the ends of bans are looked for, as long as there are bans.
const LOOK: Duration = Duration::from_secs(1);

/// A ban, as the admin sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// One IPv4 address, or an IPv6 network.
    pub address: String,
    /// The tenant whose logins are refused from there; none: all that do not name the address.
    pub tenant: Option<String>,
    /// In UTC, as RFC 3339 has it.
    pub since: String,
    pub until: String,
    pub score: u32,
    pub last_reason: String,
}

/// Everybody who is banned, and everybody's failures. They live as long as the daemon.
#[derive(Debug)]
pub struct Bans {
    settings: Live<Config>,
    clock: SharedClock,
    /// Scores count from here: a clock that is put right must not end a ban.
    started: Instant,
    scores: Mutex<Scores>,
    begun: Notify,
}

/// Whether a login names the address in its `allow_from`.
pub(in crate::listen) fn is_own(login: &Login, address: IpAddr) -> bool {
    matches!(login.allow_from, AllowFrom::Networks(_)) && login.allow_from.contains(address)
}

impl Bans {
    /// Nobody is banned yet.
    pub fn new(settings: Live<Config>, clock: SharedClock) -> Arc<Self> {
        telemetry::set_bans_active(0);
        Arc::new(Self {
            settings,
            clock,
            started: Instant::now(),
            scores: Mutex::default(),
            begun: Notify::new(),
        })
    }

    /// Whether a connection from there is closed at the door.
    pub fn shut_out(&self, address: IpAddr) -> bool {
        if !self.is_banned(address, None) {
            return false;
        }
        let config = self.settings.now();
        let mut logins = config.tenants.values().flat_map(|tenant| &tenant.logins);
        !logins.any(|login| is_own(login, address))
    }

    /// Whether an attempt from there is refused whatever it shows; `own` is the tenant of a login that names the address.
    pub(in crate::listen) fn is_banned(&self, address: IpAddr, own: Option<&TenantId>) -> bool {
        let subject = subject(address, own);
        self.rules().failures > 0 && self.lock().is_banned(&subject, self.now())
    }

    /// Counts a failure, and says how long after the attempt it may be answered.
    pub(in crate::listen) fn note(
        &self,
        address: IpAddr,
        own: Option<&TenantId>,
        failure: Failure<'_>,
    ) -> Duration {
        let subject = subject(address, own);
        let rules = self.rules_for(address);
        let mut scores = self.lock();
        let now = self.now();
        let after = scores.fail(&subject, failure, rules, now);
        if let Some(ban) = after.banned {
            telemetry::set_bans_active(scores.bans(now).len());
            telemetry::count_ban();
            tracing::warn!(
                peer = %subject.origin,
                tenant.id = own.map(TenantId::as_str),
                score = ban.score,
                ban_secs = ban.until.saturating_sub(ban.since).as_secs(),
                "{} after too many failures, the last one: {}",
                match own {
                    Some(_) => "a tenant's logins are refused from one of its addresses for a while",
                    None => "an address is banned for a while",
                },
                ban.reason,
            );
            self.begun.notify_one();
        }
        after.delay
    }

    /// A login has succeeded from there: its failures are taken back.
    pub(in crate::listen) fn forgive(&self, address: IpAddr, login: &str) {
        self.lock().forgive(address.into(), login);
    }

    /// All bans there are.
    pub fn list(&self) -> Vec<Ban> {
        let (now, clock) = (self.now(), self.clock.now());
        let wall = |at: Duration| {
            let moved = jiff::SignedDuration::try_from(at).unwrap_or_default()
                - jiff::SignedDuration::try_from(now).unwrap_or_default();
            format!("{:.0}", clock.checked_add(moved).unwrap_or(clock))
        };
        let bans = self.lock().bans(now).into_iter();
        bans.map(
            |score::Ban {
                 subject,
                 since,
                 until,
                 score,
                 reason,
             }| Ban {
                address: subject.origin.to_string(),
                tenant: subject.tenant.map(|tenant| tenant.as_str().to_owned()),
                since: wall(since),
                until: wall(until),
                score,
                last_reason: reason,
            },
        )
        .collect()
    }

    /// Until when and why an attempt from there is refused whatever it shows, in words.
    pub(in crate::listen) fn describe(
        &self,
        address: IpAddr,
        own: Option<&TenantId>,
    ) -> Option<String> {
        let origin = Origin::from(address).to_string();
        let own = own.map(TenantId::as_str);
        let mut bans = self.list().into_iter();
        let ban = bans.find(|ban| ban.address == origin && ban.tenant.as_deref() == own)?;
        Some(format!(
            "banned until {} after too many failures, the last one: {}",
            ban.until, ban.last_reason
        ))
    }

    /// Ends the bans of an address, and forgets its failures; says how many there were.
    pub fn lift(&self, address: IpAddr) -> usize {
        let ended = self.lock().lift(Origin::from(address));
        self.tell_end(&ended, "an admin lifted it")
    }

    /// The same for all addresses.
    pub fn lift_all(&self) -> usize {
        let ended = self.lock().lift_all();
        self.tell_end(&ended, "an admin lifted it")
    }

    /// After a reload: without a limit there are no bans.
    pub(in crate::listen) fn review(&self) {
        if self.rules().failures == 0 {
            let ended = self.lock().lift_all();
            self.tell_end(&ended, "limits.ban_failures is 0 now");
        }
    }

    /// Ends each ban when its time is over, until `draining`.
    pub async fn watch(self: Arc<Self>, draining: CancellationToken) {
        loop {
            let idle = self.lock().bans(Duration::ZERO).is_empty();
            let next = async {
                if idle {
                    self.begun.notified().await;
                } else {
                    sleep(LOOK).await;
                }
            };
            if draining.run_until_cancelled(next).await.is_none() {
                return;
            }
            let ended = self.lock().expire(self.now());
            self.tell_end(&ended, "its time is over");
        }
    }

    fn tell_end(&self, ended: &[Subject], why: &str) -> usize {
        for subject in ended {
            let tenant = subject.tenant.as_ref().map(TenantId::as_str);
            tracing::info!(peer = %subject.origin, tenant.id = tenant, "a ban has ended: {why}");
        }
        if !ended.is_empty() {
            telemetry::set_bans_active(self.lock().bans(self.now()).len());
        }
        ended.len()
    }

    /// A balancer is not banned for what it forwards without saying whose it is, or for looking whether we are well.
    fn rules_for(&self, address: IpAddr) -> Rules {
        let config = self.settings.now();
        let mut balancers = config.proxy_protocol.from.iter();
        let rules = self.rules();
        let failures = if balancers.any(|network| network.contains(&address)) {
            0
        } else {
            rules.failures
        };
        Rules { failures, ..rules }
    }

    fn rules(&self) -> Rules {
        let limits = &self.settings.now().limits;
        Rules {
            failures: limits.ban_failures,
            window: limits.ban_window,
            ban: limits.ban_time,
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Scores> {
        self.scores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn subject(address: IpAddr, own: Option<&TenantId>) -> Subject {
    Subject {
        origin: address.into(),
        tenant: own.cloned(),
    }
}
