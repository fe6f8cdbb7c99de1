//! Pure. Who has failed how often, and who is banned for it: failures and the time come in, delays and bans come out.
//!
//! Every failure counts against the address it came from, an IPv6 one with its /64, for as long as `ban_window`. There are two tallies. A failure at a
//! login whose own `allow_from` names the address counts in the tally of that address and that tenant; every other failure counts in the tally of
//! the address as such. So a sender with an old password, behind an address from which many tenants' files come, is refused alone.
//!
//! A refused login weighs the same whatever the reason: if an unknown user weighed more than a wrong password, the time of the ban would tell them apart.
//! A connection that comes to nothing weighs a quarter. What happens during a ban does not make it longer: whoever puts the password right is let in
//! when it ends. A login that succeeds takes back its own failures and nobody else's.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::tenant::TenantId;

/// Tallies kept; then the oldest are forgotten, those without a ban first.
const TALLIES: usize = 65_536;
/// How many are forgotten at once, because looking for them takes a while.
const FORGOTTEN: usize = TALLIES / 16;
/// Entries of a tally; the oldest are put together.
const ENTRIES: usize = 16;
/// Parts of a window in which the failures of one login are one entry.
const SLOTS: u32 = 8;
/// From an attempt to its refusal, at a first failure and at one that leads to a ban.
const DELAY: Duration = Duration::from_secs(1);
const DELAY_MORE: Duration = Duration::from_secs(4);

/// An address as failures and connections are counted by it: whoever has an IPv6 address has all of its /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.into()),
            IpAddr::V6(address) => {
                let network = u128::from(address) & (u128::MAX << 64);
                Self(Ipv6Addr::from(network).into())
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

/// What counts against an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offence {
    RefusedLogin,
    /// Refused, though what it showed was right.
    NotAdmitted,
    /// It went away before TLS or SSH was agreed on, and has said nothing wrong: somebody who looks whether the port is open.
    Gone,
    /// Nobody logged in within `limits.login_deadline`.
    NoLogin,
    /// Its keys were refused, and it went away.
    RefusedKeys,
    /// It did not speak the protocol of the port.
    OtherProtocol,
}

impl Offence {
    /// In quarters of a failure.
    const fn quarters(self) -> u32 {
        match self {
            Self::RefusedLogin => 4,
            Self::NotAdmitted | Self::Gone => 0,
            Self::NoLogin | Self::RefusedKeys | Self::OtherProtocol => 1,
        }
    }

    /// For the log and the list of bans.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RefusedLogin | Self::NotAdmitted => "a refused login",
            Self::Gone => "a connection that ended before anything was agreed on",
            Self::NoLogin => "a connection on which nobody logged in",
            Self::RefusedKeys => "a connection that went away after its keys were refused",
            Self::OtherProtocol => "a connection that spoke another protocol",
        }
    }
}

/// When failures become a ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// 0: nobody is banned.
    pub failures: u32,
    pub window: Duration,
    pub ban: Duration,
}

/// Whose failures are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    pub origin: Origin,
    /// The tenant that names the address in an `allow_from`; none for the address as such.
    pub tenant: Option<TenantId>,
}

/// A ban as it stands. Times are from the same beginning as every `now`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    pub subject: Subject,
    pub since: Duration,
    pub until: Duration,
    pub score: u32,
    /// What the last failure was.
    pub reason: String,
}

/// One failure.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    pub offence: Offence,
    /// The login tried, where there is such a one.
    pub login: Option<&'a str>,
    /// In our words.
    pub reason: &'a str,
}

impl From<Offence> for Failure<'_> {
    fn from(offence: Offence) -> Self {
        Self {
            offence,
            login: None,
            reason: offence.as_str(),
        }
    }
}

/// What a failure has led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consequence {
    /// From the attempt to its refusal. The same for every reason and for every login that is tried from an address.
    pub delay: Duration,
    pub banned: Option<Ban>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Scores {
    tallies: HashMap<Origin, Vec<Tally>>,
    count: usize,
}

#[derive(Debug)]
struct Tally {
    tenant: Option<TenantId>,
    /// The oldest first.
    entries: Vec<Entry>,
    ban: Option<Standing>,
}

#[derive(Debug, Clone)]
struct Standing {
    since: Duration,
    until: Duration,
    score: u32,
    reason: String,
}

impl Standing {
    fn of(&self, subject: Subject) -> Ban {
        let Self {
            since,
            until,
            score,
            ..
        } = *self;
        Ban {
            subject,
            since,
            until,
            score,
            reason: self.reason.clone(),
        }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    at: Duration,
    /// The login tried, where there is such a one.
    login: Option<Box<str>>,
    quarters: u32,
}

impl Tally {
    fn is_banned(&self, now: Duration) -> bool {
        self.ban.as_ref().is_some_and(|ban| now < ban.until)
    }

    fn quarters(&self) -> u32 {
        let each = self.entries.iter().map(|entry| entry.quarters);
        each.fold(0, u32::saturating_add)
    }

    /// The last thing that it is kept for.
    fn last(&self) -> Duration {
        self.entries.last().map_or(Duration::ZERO, |entry| entry.at)
    }

    fn forget_before(&mut self, start: Duration) {
        self.entries.retain(|entry| entry.at >= start);
    }

    fn add(&mut self, entry: Entry, slot: Duration) {
        let same = self.entries.iter_mut().rev();
        let same = same.take_while(|it| it.at + slot >= entry.at);
        if let Some(same) = same.filter(|it| it.login == entry.login).last() {
            same.quarters = same.quarters.saturating_add(entry.quarters);
            return;
        }
        if self.entries.len() >= ENTRIES {
            // Nobody's now, and as old as the younger one: failures are never forgotten early.
            let oldest = self.entries.remove(0);
            if let Some(next) = self.entries.first_mut() {
                next.quarters = next.quarters.saturating_add(oldest.quarters);
                next.login = None;
            }
        }
        self.entries.push(entry);
    }

    fn of(&self, origin: Origin) -> Subject {
        Subject {
            origin,
            tenant: self.tenant.clone(),
        }
    }
}

impl Scores {
    /// Counts a failure against `subject`.
    pub fn fail(
        &mut self,
        subject: &Subject,
        failure: Failure<'_>,
        rules: Rules,
        now: Duration,
    ) -> Consequence {
        if rules.failures == 0 {
            return Consequence {
                delay: DELAY,
                banned: None,
            };
        }
        let start = now.saturating_sub(rules.window);
        let limit = rules.failures.saturating_mul(4);
        self.make_room(now);
        let tallies = self.tallies.entry(subject.origin).or_default();
        for tally in &mut *tallies {
            tally.forget_before(start);
        }
        let known = tallies.iter().position(|it| it.tenant == subject.tenant);
        let at = known.unwrap_or_else(|| {
            self.count += 1;
            tallies.push(Tally {
                tenant: subject.tenant.clone(),
                entries: Vec::new(),
                ban: None,
            });
            tallies.len() - 1
        });
        let mut banned = None;
        if let Some(tally) = tallies.get_mut(at)
            && !tally.is_banned(now)
        {
            let entry = Entry {
                at: now,
                login: failure.login.map(Into::into),
                quarters: failure.offence.quarters(),
            };
            if entry.quarters > 0 {
                tally.add(entry, rules.window / SLOTS);
            }
            let quarters = tally.quarters();
            if quarters >= limit {
                let ban = Standing {
                    since: now,
                    until: now.saturating_add(rules.ban),
                    score: quarters / 4,
                    reason: failure.reason.to_owned(),
                };
                banned = Some(ban.of(subject.clone()));
                tally.ban = Some(ban);
                tally.entries.clear();
            }
        }
        let mut worst = 0;
        for tally in tallies {
            let quarters = if tally.is_banned(now) {
                limit
            } else {
                tally.quarters()
            };
            worst = worst.max(quarters);
        }
        Consequence {
            delay: delay(worst, limit),
            banned,
        }
    }

    /// Takes back the failures of a login that has succeeded from there.
    pub fn forgive(&mut self, origin: Origin, login: &str) {
        let Some(tallies) = self.tallies.get_mut(&origin) else {
            return;
        };
        for tally in &mut *tallies {
            tally
                .entries
                .retain(|entry| entry.login.as_deref() != Some(login));
        }
        self.tidy(origin);
    }

    /// Whether `subject` is banned.
    pub fn is_banned(&self, subject: &Subject, now: Duration) -> bool {
        let tallies = self.tallies.get(&subject.origin);
        let mut tallies = tallies.into_iter().flatten();
        tallies.any(|it| it.tenant == subject.tenant && it.is_banned(now))
    }

    /// All bans there are, the oldest first.
    pub fn bans(&self, now: Duration) -> Vec<Ban> {
        let all = self.tallies.iter().flat_map(|(origin, tallies)| {
            let bans = tallies.iter();
            bans.filter_map(|tally| Some(tally.ban.as_ref()?.of(tally.of(*origin))))
        });
        let mut bans: Vec<_> = all.filter(|ban| now < ban.until).collect();
        bans.sort_by(|one, other| (one.since, &one.subject).cmp(&(other.since, &other.subject)));
        bans
    }

    /// Ends the bans whose time is over, and says which.
    pub fn expire(&mut self, now: Duration) -> Vec<Subject> {
        self.end(|_, until| until <= now)
    }

    /// Ends the bans of an address, of all its tenants too, with the failures so far.
    pub fn lift(&mut self, origin: Origin) -> Vec<Subject> {
        let mut ended = self.end(|subject, _| subject.origin == origin);
        ended.sort();
        self.count -= self
            .tallies
            .remove(&origin)
            .map_or(0, |tallies| tallies.len());
        ended
    }

    /// Ends all bans, and forgets all failures.
    pub fn lift_all(&mut self) -> Vec<Subject> {
        let mut ended = self.end(|_, _| true);
        ended.sort();
        *self = Self::default();
        ended
    }

    fn end(&mut self, is_over: impl Fn(&Subject, Duration) -> bool) -> Vec<Subject> {
        let mut ended = Vec::new();
        for (origin, tallies) in &mut self.tallies {
            for tally in tallies {
                let subject = tally.of(*origin);
                if tally
                    .ban
                    .as_ref()
                    .is_some_and(|ban| is_over(&subject, ban.until))
                {
                    tally.ban = None;
                    ended.push(subject);
                }
            }
        }
        for subject in &ended {
            self.tidy(subject.origin);
        }
        ended
    }

    /// Forgets the tallies of an address that have nothing to say.
    fn tidy(&mut self, origin: Origin) {
        if let Some(tallies) = self.tallies.get_mut(&origin) {
            let before = tallies.len();
            tallies.retain(|tally| tally.ban.is_some() || !tally.entries.is_empty());
            self.count -= before - tallies.len();
            if tallies.is_empty() {
                self.tallies.remove(&origin);
            }
        }
    }

    fn make_room(&mut self, now: Duration) {
        if self.count < TALLIES {
            return;
        }
        let all = self.tallies.iter().flat_map(|(origin, tallies)| {
            let each = tallies.iter();
            each.map(|it| ((it.is_banned(now), it.last()), it.of(*origin)))
        });
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|(age, _)| *age);
        for (_, subject) in all.into_iter().take(FORGOTTEN) {
            if let Some(tallies) = self.tallies.get_mut(&subject.origin) {
                for tally in tallies.iter_mut().filter(|it| it.tenant == subject.tenant) {
                    tally.ban = None;
                    tally.entries.clear();
                }
            }
            self.tidy(subject.origin);
        }
    }
}

/// A second at the first failure, five at the one that leads to a ban, in between in proportion.
fn delay(quarters: u32, limit: u32) -> Duration {
    let (above, most) = (
        quarters.saturating_sub(4).min(limit),
        limit.saturating_sub(4),
    );
    match DELAY_MORE.saturating_mul(above).checked_div(most) {
        Some(more) => DELAY + more.min(DELAY_MORE),
        None => DELAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        failures: 4,
        window: Duration::from_mins(10),
        ban: Duration::from_mins(15),
    };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn address(text: &str) -> Origin {
        text.parse::<IpAddr>().unwrap().into()
    }

    fn stranger() -> Subject {
        Subject {
            origin: address("192.0.2.1"),
            tenant: None,
        }
    }

    fn tenant(name: &str) -> Subject {
        Subject {
            tenant: Some(TenantId::parse(name).unwrap()),
            ..stranger()
        }
    }

    fn refused(login: &str) -> Failure<'_> {
        Failure {
            login: Some(login).filter(|login| !login.is_empty()),
            ..Offence::RefusedLogin.into()
        }
    }

    /// Fails once a second from `from` on, as `login`; says at which failure the ban began.
    fn fail(
        scores: &mut Scores,
        subject: &Subject,
        login: &str,
        from: u64,
        times: u64,
    ) -> Option<u64> {
        (1..=times).find(|number| {
            let now = at(from + number);
            let after = scores.fail(subject, refused(login), RULES, now);
            after.banned.is_some()
        })
    }

    #[test]
    fn so_many_failures_are_a_ban_and_it_ends_by_itself() {
        let mut scores = Scores::default();
        assert_eq!(fail(&mut scores, &stranger(), "", 0, 10), Some(4));
        assert!(scores.is_banned(&stranger(), at(4)));
        let bans = scores.bans(at(5));
        assert_eq!((bans.len(), bans[0].score, bans[0].until), (1, 4, at(904)));
        // What happens meanwhile makes it neither longer nor count afterwards.
        assert_eq!(fail(&mut scores, &stranger(), "", 10, 10), None);
        assert_eq!(scores.expire(at(903)), []);
        assert_eq!(scores.expire(at(904)), [stranger()]);
        assert!(!scores.is_banned(&stranger(), at(904)));
        assert_eq!(fail(&mut scores, &stranger(), "", 904, 3), None);
    }

    #[test]
    fn failures_are_forgotten_after_the_window_and_it_slides() {
        let mut scores = Scores::default();
        assert_eq!(fail(&mut scores, &stranger(), "", 0, 3), None);
        assert_eq!(fail(&mut scores, &stranger(), "", 620, 3), None);
        assert_eq!(fail(&mut scores, &stranger(), "", 1100, 1), Some(1));
    }

    #[test]
    fn a_tenants_own_address_is_refused_to_that_tenant_only() {
        let mut scores = Scores::default();
        assert_eq!(fail(&mut scores, &tenant("acme"), "hr", 0, 9), Some(4));
        assert!(scores.is_banned(&tenant("acme"), at(9)));
        assert!(!scores.is_banned(&tenant("globex"), at(9)));
        assert!(!scores.is_banned(&stranger(), at(9)));
    }

    #[test]
    fn a_success_takes_back_the_failures_of_that_login_alone() {
        let mut scores = Scores::default();
        fail(&mut scores, &stranger(), "hr", 0, 3);
        fail(&mut scores, &stranger(), "ceo", 0, 3);
        assert!(scores.is_banned(&stranger(), at(4)), "six in all");

        let mut scores = Scores::default();
        fail(&mut scores, &stranger(), "hr", 0, 2);
        fail(&mut scores, &stranger(), "ceo", 0, 1);
        scores.forgive(stranger().origin, "hr");
        assert_eq!(fail(&mut scores, &stranger(), "hr", 5, 2), None);
        assert_eq!(fail(&mut scores, &stranger(), "", 9, 1), Some(1));
    }

    #[test]
    fn an_address_of_ipv6_is_its_network_and_a_mapped_one_is_ipv4() {
        assert_eq!(address("2001:db8::1"), address("2001:db8::2:3:4:5"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_eq!(address("2001:db8::1").to_string(), "2001:db8::/64");
        assert_eq!(address("192.0.2.1").to_string(), "192.0.2.1");
    }

    #[test]
    fn the_delay_grows_with_all_that_came_from_an_address_whatever_is_tried() {
        let mut scores = Scores::default();
        let mut fail = |subject: &Subject, offence: Offence, now| {
            scores.fail(subject, offence.into(), RULES, at(now)).delay
        };
        assert_eq!(fail(&stranger(), Offence::RefusedLogin, 0), DELAY);
        let second = fail(&stranger(), Offence::RefusedLogin, 1);
        assert!(second > DELAY && second < DELAY * 5, "{second:?}");
        // A login that is allowed from there is refused no sooner and no later than a name that does not exist.
        assert_eq!(fail(&tenant("acme"), Offence::RefusedLogin, 2), second);
        assert!(fail(&stranger(), Offence::NoLogin, 3) > second);
        fail(&stranger(), Offence::RefusedLogin, 4);
        assert_eq!(fail(&stranger(), Offence::RefusedLogin, 5), DELAY * 5);
        assert_eq!(fail(&stranger(), Offence::RefusedLogin, 6), DELAY * 5);
        let elsewhere = Subject {
            origin: address("192.0.2.2"),
            tenant: None,
        };
        assert_eq!(fail(&elsewhere, Offence::RefusedLogin, 7), DELAY);
    }

    #[test]
    fn connections_that_come_to_nothing_weigh_a_quarter() {
        let mut scores = Scores::default();
        let banned = (1..=16).find(|number| {
            let after = scores.fail(&stranger(), Offence::NoLogin.into(), RULES, at(*number));
            after.banned.is_some()
        });
        assert_eq!(banned, Some(16));
        assert_eq!(scores.lift(stranger().origin), [stranger()]);
        assert_eq!((scores.count, scores.tallies.len()), (0, 0));
    }

    #[test]
    fn without_a_limit_nothing_is_counted_and_lifting_all_forgets_all() {
        let none = Rules {
            failures: 0,
            ..RULES
        };
        let mut scores = Scores::default();
        for now in 0..100 {
            let after = scores.fail(&stranger(), refused(""), none, at(now));
            assert_eq!((after.delay, after.banned), (DELAY, None));
        }
        assert_eq!(scores.count, 0);
        fail(&mut scores, &stranger(), "", 0, 4);
        fail(&mut scores, &tenant("acme"), "hr", 0, 3);
        assert_eq!(scores.lift_all(), [stranger()]);
        assert_eq!((scores.count, scores.tallies.len()), (0, 0));
    }

    #[test]
    fn what_is_kept_is_bounded_and_bans_are_kept_longest() {
        let mut scores = Scores::default();
        assert_eq!(fail(&mut scores, &stranger(), "", 0, 4), Some(4));
        for number in 0..u32::try_from(TALLIES).unwrap() + 10 {
            let subject = Subject {
                origin: IpAddr::from((0x0a00_0000 + number).to_be_bytes()).into(),
                tenant: None,
            };
            scores.fail(&subject, refused("hr"), RULES, at(10));
        }
        assert!(scores.count <= TALLIES, "{}", scores.count);
        let kept: usize = scores.tallies.values().map(Vec::len).sum();
        assert_eq!(scores.count, kept);
        assert!(scores.is_banned(&stranger(), at(11)));

        // One address that tries many names costs no more than its entries, and none of its failures is lost.
        let rules = Rules {
            failures: 1000,
            ..RULES
        };
        for number in 0..500 {
            let login = number.to_string();
            scores.fail(&tenant("acme"), refused(&login), rules, at(20));
        }
        let tallies = &scores.tallies[&stranger().origin];
        let tally = tallies.iter().find(|it| it.tenant.is_some()).unwrap();
        assert_eq!((tally.entries.len(), tally.quarters()), (ENTRIES, 2000));
    }
}
