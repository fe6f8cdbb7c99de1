//! The real daemon on free ports, driven by real clients: every promise of the design is broken on purpose here.
//!
//! One binary, so that it links once. A missing client is a failure that names what to install; `tests/run.sh` installs them all.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "the allowance of .clippy.toml covers #[test] bodies only, and the harness is test code too"
)]

mod forge;
mod harness;
#[path = "../../src/parse/read/tests/mangle.rs"]
mod mangle;
mod wire;

mod clients;
mod curl;
mod ftplib;
mod lftp;
mod openssh;
mod sftp;

mod attacks;
mod backup;
mod certificates;
mod chaos;
mod child;
mod client_certificates;
mod containment;
mod crash;
mod credentials;
mod damage;
mod damaged_files;
mod data_connections;
mod database;
mod drain;
mod explain;
mod ftps_active;
mod ftps_commands;
mod ftps_passive;
mod ftps_transfers;
mod ftps_unclean;
mod hostile;
#[cfg(feature = "failpoints")]
mod parked;
mod pgp;
mod photos;
#[cfg(feature = "failpoints")]
mod points;
mod quota;
mod reader;
mod reload;
mod rights;
mod round_trips;
mod session_reuse;
mod soak;
mod start;
mod tls_offers;

mod admin;
mod going_live;
mod imports;
mod intake;
mod mapping;
mod real_data;
mod taken_back;
mod web;
