//! Logs and metrics. Every metric is declared here and nowhere else; labels come from closed sets (tenants are known, strangers are not).

use std::io::IsTerminal as _;
use std::time::Duration;

use jiff::Timestamp;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
use crate::listen::Protocol;
use crate::tenant::{Environment, TenantId};

/// Sends log lines to stderr in this form; `RUST_LOG` narrows or widens them. Does nothing when it was done before.
pub fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,russh=off,rustls=error,notify=error,sqlx=error"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_writer(std::io::stderr);
    let installed = match format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .try_init(),
        LogFormat::Text => builder.try_init(),
    };
    if installed.is_err() {
        tracing::debug!("the log is already going somewhere");
    }
}

/// For the commands: what went wrong, in words, on stderr.
pub fn log_problems_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let installed = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_writer(std::io::stderr)
        .try_init();
    if installed.is_err() {
        tracing::debug!("the log is already going somewhere");
    }
}

/// Starts counting, and returns what renders the counts.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full("rosterd_import_run_duration_seconds".to_owned()),
            &[
                0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
            ],
        )?
        .install_recorder()?;
    describe();
    // A counter that begins with its first event hides that event from a rate.
    for resumed in [true, false] {
        data_handshakes(resumed).increment(0);
    }
    counter!("rosterd_bans_total").increment(0);
    for protocol in [Protocol::Ftps, Protocol::Ftpes, Protocol::Sftp] {
        gauge!("rosterd_sessions_active", "protocol" => protocol.as_str()).set(0.0);
        for outcome in [LoginOutcome::Accepted, LoginOutcome::Refused] {
            login_counter(protocol, outcome).increment(0);
        }
    }
    Ok(handle)
}

/// An error with all that it came from, for a field of a log line: as JSON, an error's sources would be left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn describe() {
    describe_gauge!("rosterd_sessions_active", "Sessions that are logged in.");
    describe_counter!(
        "rosterd_logins_total",
        "Login attempts by protocol and outcome."
    );
    describe_counter!(
        "rosterd_password_hashes_total",
        "Passwords hashed for logins; a refused attempt costs the same number whoever it named."
    );
    describe_gauge!(
        "rosterd_credentials_expiring",
        "Passwords and keys that end within 14 days."
    );
    describe_gauge!(
        "rosterd_credential_expiry_timestamp_seconds",
        "When the first of the passwords and keys that have an end is not accepted any more."
    );
    describe_counter!(
        "rosterd_connections_refused_total",
        "Connections turned away at the door."
    );
    describe_gauge!("rosterd_bans_active", "Bans in force.");
    describe_counter!("rosterd_bans_total", "Bans that have begun.");
    describe_counter!("rosterd_upload_bytes_total", "Bytes of finished uploads.");
    describe_counter!(
        "rosterd_deliveries_total",
        "Complete files taken up from the mailboxes."
    );
    describe_counter!(
        "rosterd_photos_total",
        "Photos looked at, by what came of it."
    );
    describe_counter!("rosterd_import_runs_total", "Import runs by outcome.");
    describe_histogram!(
        "rosterd_import_run_duration_seconds",
        "Time an import run took."
    );
    describe_gauge!("rosterd_runs_held", "Import runs that wait for a person.");
    describe_gauge!(
        "rosterd_sources_unpublished",
        "Data sources whose deliveries run dry until somebody publishes them."
    );
    describe_gauge!("rosterd_queue_jobs", "Jobs by state.");
    describe_gauge!(
        "rosterd_mailbox_used_bytes",
        "Bytes in a mailbox and on their way into it."
    );
    describe_gauge!("rosterd_mailbox_quota_bytes", "Bytes a mailbox may hold.");
    describe_gauge!(
        "rosterd_last_delivery_timestamp_seconds",
        "When the last data file was delivered."
    );
    describe_gauge!(
        "rosterd_passive_ports_in_use",
        "Passive ports that wait for or carry a data connection."
    );
    describe_counter!(
        "rosterd_passive_ports_exhausted_total",
        "Data connections refused because every passive port was taken."
    );
    describe_counter!(
        "rosterd_data_handshakes_total",
        "TLS handshakes of data connections, by whether they resumed a session."
    );
    describe_gauge!(
        "rosterd_tls_certificate_expiry_timestamp_seconds",
        "When the TLS certificate ends; of several, the first to end."
    );
    describe_counter!(
        "rosterd_config_reloads_total",
        "Reloads of the configuration; refused ones had problems and changed nothing."
    );
    describe_counter!(
        "rosterd_task_panics_total",
        "Tasks that ended in a panic, each a bug in rosterd."
    );
}

/// A session that is logged in, for as long as this lives.
#[derive(Debug)]
pub struct SessionGauge(Protocol);

impl SessionGauge {
    /// Counts one more.
    pub fn open(protocol: Protocol) -> Self {
        gauge!("rosterd_sessions_active", "protocol" => protocol.as_str()).increment(1.0);
        Self(protocol)
    }
}

impl Drop for SessionGauge {
    fn drop(&mut self) {
        gauge!("rosterd_sessions_active", "protocol" => self.0.as_str()).decrement(1.0);
    }
}

/// How a login ended; the true reason is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginOutcome {
    Accepted,
    Refused,
}

/// Counts a login.
pub fn count_login(protocol: Protocol, outcome: LoginOutcome) {
    login_counter(protocol, outcome).increment(1);
}

fn login_counter(protocol: Protocol, outcome: LoginOutcome) -> metrics::Counter {
    let outcome = match outcome {
        LoginOutcome::Accepted => "accepted",
        LoginOutcome::Refused => "refused",
    };
    counter!("rosterd_logins_total", "protocol" => protocol.as_str(), "outcome" => outcome)
}

/// Counts a password that was hashed for a login.
pub fn count_password_hash() {
    counter!("rosterd_password_hashes_total").increment(1);
}

/// Sets how many credentials of a tenant end soon, and when the first of all that can end does. None can: infinitely far away.
pub fn set_credentials(tenant: &TenantId, expiring: usize, first_end: Option<Timestamp>) {
    gauge!("rosterd_credentials_expiring", "tenant" => tenant.as_str().to_owned())
        .set(approximate(expiring as u64));
    gauge!("rosterd_credential_expiry_timestamp_seconds", "tenant" => tenant.as_str().to_owned())
        .set(first_end.map_or(f64::INFINITY, seconds));
}

/// Counts a connection turned away.
pub fn count_refused_connection(protocol: Protocol) {
    counter!("rosterd_connections_refused_total", "protocol" => protocol.as_str()).increment(1);
}

/// Sets how many bans are in force.
pub fn set_bans_active(bans: usize) {
    gauge!("rosterd_bans_active").set(approximate(bans as u64));
}

/// Counts a ban that has begun.
pub fn count_ban() {
    counter!("rosterd_bans_total").increment(1);
}

/// Counts the bytes of a finished upload.
pub fn count_upload(tenant: &TenantId, protocol: Protocol, size_bytes: u64) {
    counter!("rosterd_upload_bytes_total", "tenant" => tenant.as_str().to_owned(), "protocol" => protocol.as_str()).increment(size_bytes);
}

/// What a delivery holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryKind {
    Data,
    Photo,
}

impl DeliveryKind {
    /// The word in tables and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Photo => "photo",
        }
    }
}

/// Counts a delivery.
pub fn count_delivery(
    tenant: &TenantId,
    environment: Environment,
    kind: DeliveryKind,
    received: Timestamp,
) {
    counter!("rosterd_deliveries_total", "tenant" => tenant.as_str().to_owned(), "environment" => environment.as_str(), "kind" => kind.as_str())
        .increment(1);
    if kind == DeliveryKind::Data {
        set_last_delivery(tenant, environment, received);
    }
}

/// What came of looking at a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhotoOutcome {
    Fine,
    Warned,
    Refused,
}

/// Counts a photo that was looked at.
pub fn count_photo(tenant: &TenantId, environment: Environment, outcome: PhotoOutcome) {
    let outcome = match outcome {
        PhotoOutcome::Fine => "fine",
        PhotoOutcome::Warned => "warned",
        PhotoOutcome::Refused => "refused",
    };
    counter!("rosterd_photos_total", "tenant" => tenant.as_str().to_owned(), "environment" => environment.as_str(), "outcome" => outcome)
        .increment(1);
}

/// Sets when the last data file was delivered.
pub fn set_last_delivery(tenant: &TenantId, environment: Environment, received: Timestamp) {
    gauge!("rosterd_last_delivery_timestamp_seconds", "tenant" => tenant.as_str().to_owned(), "environment" => environment.as_str())
        .set(seconds(received));
}

/// Notes how long a run took to its outcome.
pub fn time_run(took: Duration) {
    histogram!("rosterd_import_run_duration_seconds").record(took.as_secs_f64());
}

/// Sets how many runs have come to an outcome: the database counts, because other processes bring runs to theirs too.
pub fn set_runs(tenant: &TenantId, environment: Environment, outcome: &'static str, runs: u64) {
    counter!("rosterd_import_runs_total", "tenant" => tenant.as_str().to_owned(), "environment" => environment.as_str(), "outcome" => outcome)
        .absolute(runs);
}

/// Sets how many runs of a tenant wait for a person.
pub fn set_runs_held(tenant: &TenantId, held: u64) {
    gauge!("rosterd_runs_held", "tenant" => tenant.as_str().to_owned()).set(approximate(held));
}

/// Sets how many data sources are not published.
pub fn set_sources_unpublished(tenant: &TenantId, environment: Environment, sources: usize) {
    gauge!("rosterd_sources_unpublished", "tenant" => tenant.as_str().to_owned(), "environment" => environment.as_str())
        .set(approximate(sources as u64));
}

/// Sets how many jobs are in a state.
pub fn set_queue_jobs(state: &'static str, jobs: u64) {
    gauge!("rosterd_queue_jobs", "state" => state).set(approximate(jobs));
}

/// Sets a mailbox's use and quota.
pub fn set_mailbox(tenant: &TenantId, environment: Environment, used_bytes: u64, quota_bytes: u64) {
    gauge!("rosterd_mailbox_used_bytes", "tenant" => tenant.as_str().to_owned(), "environment" => environment.as_str())
        .set(approximate(used_bytes));
    gauge!("rosterd_mailbox_quota_bytes", "tenant" => tenant.as_str().to_owned(), "environment" => environment.as_str())
        .set(approximate(quota_bytes));
}

/// Sets how many passive ports are taken.
pub fn set_passive_ports_in_use(ports: usize) {
    gauge!("rosterd_passive_ports_in_use").set(approximate(ports as u64));
}

/// Counts a data connection that got no passive port.
pub fn count_passive_ports_exhausted() {
    counter!("rosterd_passive_ports_exhausted_total").increment(1);
}

/// Counts the TLS handshake of a data connection.
pub fn count_data_handshake(resumed: bool) {
    data_handshakes(resumed).increment(1);
}

fn data_handshakes(resumed: bool) -> metrics::Counter {
    let resumed = if resumed { "true" } else { "false" };
    counter!("rosterd_data_handshakes_total", "resumed" => resumed)
}

/// Sets when the certificate ends.
pub fn set_certificate_expiry(expiry: Timestamp) {
    gauge!("rosterd_tls_certificate_expiry_timestamp_seconds").set(seconds(expiry));
}

/// Counts a reload of the configuration.
pub fn count_reload(reloaded: bool) {
    let outcome = if reloaded { "reloaded" } else { "refused" };
    counter!("rosterd_config_reloads_total", "outcome" => outcome).increment(1);
}

/// Counts a task that panicked.
pub fn count_panic(stage: &'static str) {
    counter!("rosterd_task_panics_total", "stage" => stage).increment(1);
}

/// Gauges are floats; whole numbers beyond 2^53 do not occur.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn approximate(number: u64) -> f64 {
    number as f64
}

fn seconds(instant: Timestamp) -> f64 {
    Duration::try_from(instant.duration_since(Timestamp::UNIX_EPOCH))
        .map_or(0.0, |since| since.as_secs_f64())
}
