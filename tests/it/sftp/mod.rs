//! SFTP: what clients of every age and temper ask of it, and what attackers try.

mod algorithms;
mod attacks;
mod clients;
mod login;
