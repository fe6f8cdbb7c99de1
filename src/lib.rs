//! rosterd receives the employee files that HR systems push every night, and turns them into a checked roster.
//!
//! The path of a delivery, which is also the order of the modules below:
//!
//! A client connects to [`listen`], logs in and uploads into its tenant's [`mailbox`], where the bytes are staged, counted
//! against the quota and appear under their final name whole or not at all. [`intake`] claims each finished file: it copies it into the
//! archive while hashing it, and records a delivery together with a job. [`queue`] hands the job to [`import`], which drives the
//! pure core: [`parse`] (bytes to records, in a child process with limits), [`roster`] (records and the current roster to joiners, movers
//! and leavers) and [`report`] (outcome to error file and receipt). [`photos`] looks at each photo in such a child too, finds out whose it is, and has
//! a report for each batch of them. [`notice`] tells whoever decides of runs that wait for a person. [`db`] holds all SQL, [`backup`] copies all there is and brings it back.
//! [`admin`] is the command line, [`web`] what ops look at, and [`daemon`] puts everything together and, on a reload, replaces what is in
//! force ([`live`]).
//!
//! Which way imports point: an edge stage (listen, mailbox, intake, queue, import, photos, notice) may use what an earlier one made, never a later one. They
//! hand over through a directory or a table, so each can be killed and restarted alone. The core (parse, roster, report) imports only the core.

pub mod admin;
pub mod config;
pub mod daemon;
pub mod tenant;

pub mod listen;
pub mod mailbox;

pub mod intake;
pub mod queue;

pub mod import;
pub mod notice;
pub mod parse;
pub mod photos;
pub mod report;
pub mod roster;

pub mod backup;
pub mod db;
pub mod web;

pub mod clock;
pub mod content;
pub mod failpoint;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod live;
pub mod secret;
pub mod tasks;
pub mod telemetry;
