//! Pure. A job: the states it goes through, and how long a failed one waits.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::mailbox::arrival::DeliveryId;
use crate::tenant::{Environment, Mode, TenantId};

/// How long a lease lasts without being renewed; a worker that died is noticed after this at the latest.
pub const LEASE: Duration = Duration::from_mins(1);
/// Tries before a job is parked: they span a night and the morning after it.
pub const MAX_ATTEMPTS: u32 = 9;
/// Tries that ended the process before a job is parked: there waiting does not help.
pub const MAX_CRASHES: u32 = 5;

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    Queued,
    /// Leased by a worker.
    Running,
    /// Its run waits for a person.
    Held,
    Done,
    /// Out of tries: our fault, someone must look, and then let it be tried again.
    Parked,
}

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Lease,
    Settle,
    Hold,
    /// A fault of ours, or a lease that ran out.
    Fail,
    /// The same, and it was the last try.
    GiveUp,
    Approve,
    Reject,
    /// An admin wants it tried again.
    Retry,
    Supersede,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Held,
        Self::Done,
        Self::Parked,
    ];

    /// The stored word, and the label of the metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Held => "held",
            Self::Done => "done",
            Self::Parked => "parked",
        }
    }

    /// Takes the stored word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The state after `event`, or nothing if it cannot happen in this one.
    pub const fn next(self, event: Event) -> Option<Self> {
        match (self, event) {
            (Self::Queued, Event::Lease) => Some(Self::Running),
            (Self::Running, Event::Hold) => Some(Self::Held),
            (Self::Running, Event::Fail)
            | (Self::Held, Event::Approve)
            | (Self::Parked, Event::Retry) => Some(Self::Queued),
            (Self::Running, Event::GiveUp) => Some(Self::Parked),
            (Self::Running, Event::Settle)
            | (Self::Held, Event::Reject)
            | (Self::Queued | Self::Running | Self::Held | Self::Parked, Event::Supersede) => {
                Some(Self::Done)
            }
            _ => None,
        }
    }
}

/// How long a job waits after its `attempts`th try failed; nothing when that was the last one.
pub const fn back_off(attempts: u32) -> Option<Duration> {
    let seconds = match attempts {
        0 | 1 => 10,
        2 => 60,
        3 => 5 * 60,
        4 => 30 * 60,
        5 => 60 * 60,
        6 => 2 * 60 * 60,
        7 => 4 * 60 * 60,
        8 => 8 * 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

/// Who holds a lease: a process, told from an earlier one with the same id by a random tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(String);

impl Owner {
    /// This process, `pid`, with `tail` from a random source.
    pub fn new(pid: u32, tail: &str) -> Self {
        Self(format!("{pid}:{tail}"))
    }

    /// The stored form of one.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The process.
    pub fn pid(&self) -> Option<u32> {
        self.0.split_once(':')?.0.parse().ok()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A job that is ours to run, until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedJob {
    /// Arrival number of the delivery.
    pub seq: i64,
    /// Id of the import run.
    pub run: String,
    pub delivery: DeliveryId,
    pub tenant: TenantId,
    pub environment: Environment,
    pub source: String,
    pub mode: Mode,
    pub file_name: String,
    pub sha256: String,
    pub received_at: Timestamp,
    pub owner: Owner,
    /// This one counted.
    pub attempts: u32,
    /// An admin has seen what the run would do.
    pub approval: Option<Approval>,
}

/// What an approval was given for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub mapping: String,
    pub roster_version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_is_over_stays_over() {
        for event in [
            Event::Lease,
            Event::Settle,
            Event::Hold,
            Event::Fail,
            Event::GiveUp,
            Event::Approve,
            Event::Reject,
            Event::Retry,
            Event::Supersede,
        ] {
            assert_eq!(JobState::Done.next(event), None);
        }
        assert_eq!(JobState::Parked.next(Event::Lease), None);
        assert_eq!(JobState::Parked.next(Event::Retry), Some(JobState::Queued));
        assert_eq!(JobState::Held.next(Event::Approve), Some(JobState::Queued));
        assert_eq!(JobState::Queued.next(Event::Settle), None);
    }

    #[test]
    fn a_disk_that_is_full_for_a_night_parks_no_job() {
        let waits: Vec<Duration> = (1..).map_while(back_off).collect();
        assert!(waits.is_sorted());
        assert_eq!(waits.len() + 1, MAX_ATTEMPTS as usize);
        let all: Duration = waits.iter().sum();
        assert!(all > Duration::from_hours(12), "{all:?}");
    }

    #[test]
    fn an_owner_names_its_process() {
        assert_eq!(Owner::new(42, "x").pid(), Some(42));
        assert_eq!(Owner::stored("nonsense".to_owned()).pid(), None);
    }
}
