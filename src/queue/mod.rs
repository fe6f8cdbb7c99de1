//! Deliveries to claimed jobs: kept in the database, leased, retried with back-off, parked after the last try.
//!
//! One tenant and environment runs one job at a time. They run in order of arrival, but while a newer full or status file of a data source waits it
//! goes before the older ones, which it makes superseded if it comes to a verdict. A delta never goes before anything that came earlier, so one that
//! waits for a person holds those behind it.

pub mod job;
pub mod worker;

pub use job::{JobState, LeasedJob, Owner};
pub use worker::{Work, Worker};
