//! What ops look at: `/livez`, `/readyz` and `/metrics`. Plain HTTP for the inside; nothing here is about a person.

mod visit;

use std::collections::{HashMap, HashSet};
use std::future::IntoFuture as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use visit::Reception;

use crate::db::Db;
use crate::import::publication::unpublished_of;
use crate::mailbox::Mailboxes;
use crate::tasks::Tasks;
use crate::telemetry;
use crate::tenant::TenantId;

/// Below this much room on the state folder's disk rosterd is not ready for another night.
const DISK_RESERVE_BYTES: u64 = 100_000_000;

/// How long a page that is being fetched may hold up the end.
const GOODBYE: Duration = Duration::from_secs(2);

/// What the pages are made from.
#[derive(Debug)]
pub struct Health {
    pub db: Db,
    pub mailboxes: Arc<Mailboxes>,
    pub metrics: PrometheusHandle,
    pub state_dir: PathBuf,
    /// The daemon's listeners; cancelled once it drains.
    pub sessions: Tasks,
}

/// Answers on `listener` until the group drains.
pub fn serve(listener: TcpListener, health: Arc<Health>, tasks: &Tasks) {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health);
    let draining = tasks.draining().clone();
    let leaving = draining.clone();
    tasks.spawn_vital("web", async move {
        let served = axum::serve(Reception::new(listener), router)
            .with_graceful_shutdown(draining.cancelled_owned());
        let patience = async {
            leaving.cancelled().await;
            tokio::time::sleep(GOODBYE).await;
        };
        tokio::select! {
            ended = served.into_future() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "the web listener ended");
                }
            }
            () = patience => {}
        }
    });
}

async fn livez() -> &'static str {
    "ok\n"
}

/// 200 when a sender could deliver and an import could run; else 503 with a line for each thing that stands against it.
async fn readyz(State(health): State<Arc<Health>>) -> Response {
    let mut lines = Vec::new();
    let mut ready = true;
    for (name, verdict) in [
        ("database", health.database().await),
        ("disk", health.disk()),
        ("listeners", health.listeners()),
    ] {
        ready &= verdict.is_ok();
        lines.push(match verdict {
            Ok(()) => format!("{name}: ok\n"),
            Err(reason) => format!("{name}: {reason}\n"),
        });
    }
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, lines.concat()).into_response()
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    if let Err(error) = health.refresh_gauges().await {
        tracing::warn!(error = %error, "some gauges are old: the database did not answer");
    }
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        health.of_the_served(&health.metrics.render()),
    )
        .into_response()
}

impl Health {
    async fn database(&self) -> Result<(), String> {
        self.db
            .ping()
            .await
            .map_err(|error| format!("does not answer ({error}); look at the log and at the disk"))
    }

    fn disk(&self) -> Result<(), String> {
        let state = rustix::fs::statvfs(&self.state_dir)
            .map_err(|error| format!("cannot look at {}: {error}", self.state_dir.display()))?;
        let free_bytes = state.f_bavail.saturating_mul(state.f_frsize);
        if free_bytes < DISK_RESERVE_BYTES {
            return Err(format!(
                "{free_bytes} bytes free under {}: make room",
                self.state_dir.display()
            ));
        }
        Ok(())
    }

    fn listeners(&self) -> Result<(), String> {
        if self.sessions.draining().is_cancelled() {
            return Err("shutting down".to_owned());
        }
        Ok(())
    }

    /// Without the series of tenants that are not served any more: the exporter cannot forget them, and an alarm would go on about them.
    fn of_the_served(&self, metrics: &str) -> String {
        let served: HashSet<TenantId> = self
            .mailboxes
            .iter()
            .map(|mailbox| mailbox.tenant().clone())
            .collect();
        let is_served = |line: &&str| {
            let Some((_, rest)) = line.split_once("tenant=\"") else {
                return true;
            };
            let name = rest.split('"').next().unwrap_or_default();
            TenantId::parse(name).is_ok_and(|tenant| served.contains(&tenant))
        };
        metrics.split_inclusive('\n').filter(is_served).collect()
    }

    async fn refresh_gauges(&self) -> Result<(), crate::db::DbError> {
        for mailbox in self.mailboxes.iter() {
            telemetry::set_mailbox(
                mailbox.tenant(),
                mailbox.environment(),
                mailbox.used_bytes(),
                mailbox.quota_bytes(),
            );
        }
        for (state, jobs) in self.db.jobs_by_state().await? {
            telemetry::set_queue_jobs(state.as_str(), jobs);
        }
        // From the database, because the commands bring runs to their outcomes too.
        for (tenant, environment, outcome, runs) in self.db.run_counts().await? {
            telemetry::set_runs(&tenant, environment, outcome.as_str(), runs);
        }
        for (tenant, environment, received) in self.db.last_deliveries().await? {
            telemetry::set_last_delivery(&tenant, environment, received);
        }
        let held: HashMap<TenantId, u64> = self.db.runs_held().await?.into_iter().collect();
        for mailbox in self.mailboxes.iter() {
            let tenant = mailbox.tenant();
            telemetry::set_runs_held(tenant, held.get(tenant).copied().unwrap_or(0));
        }
        let published = self.db.published_sources().await?;
        for mailbox in self.mailboxes.iter() {
            let environment = mailbox.environment();
            let dry = unpublished_of(&mailbox.config(), environment, &published);
            telemetry::set_sources_unpublished(mailbox.tenant(), environment, dry.len());
        }
        Ok(())
    }
}
