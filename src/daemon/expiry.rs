//! Tells in time of passwords and keys that end: at the start, after each reload and once a day in the log, and all the time in the metrics.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::config::{self, Concern, Config, Warning};
use crate::live::Live;
use crate::telemetry;
use crate::tenant::TenantId;

/// Between two looks; days begin at another hour in every zone.
const INTERVAL: Duration = Duration::from_mins(15);

#[derive(Debug)]
pub(super) struct Expiry {
    settings: Live<Config>,
    clock: SharedClock,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// The log, on this day.
    day: Option<Date>,
    /// The metrics, of these tenants.
    tenants: BTreeSet<TenantId>,
}

impl Expiry {
    pub(super) fn new(settings: Live<Config>, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            settings,
            clock,
            told: Mutex::default(),
        })
    }

    /// Looks again and again until `draining`.
    pub(super) async fn serve(self: Arc<Self>, draining: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        while draining.run_until_cancelled(ticks.tick()).await.is_some() {
            log(&self.look());
        }
    }

    /// Tells of everything, whenever it was told before: the configuration is another one.
    pub(super) fn tell_anew(&self) {
        self.lock().day = None;
        log(&self.look());
    }

    /// Sets the metrics, and says what the log has to be told today.
    fn look(&self) -> Vec<Warning> {
        let (config, now) = (self.settings.now(), self.clock.now());
        let warnings = config::warnings(&config, now);
        let mut told = self.lock();
        let mut tenants = std::mem::take(&mut told.tenants);
        for (id, tenant) in &config.tenants {
            let of_tenant = warnings.iter().filter(|it| it.tenant == *id);
            let ending = of_tenant.filter(|it| matches!(it.concern, Concern::Ends { .. }));
            let first_end = config::first_end(tenant, now);
            // Most tenants have nothing that ends, and no metric about it.
            if tenants.remove(id) || first_end.is_some() {
                telemetry::set_credentials(id, ending.count(), first_end);
                told.tenants.insert(id.clone());
            }
        }
        for gone in tenants {
            telemetry::set_credentials(&gone, 0, None);
        }
        let today = now.to_zoned(TimeZone::UTC).date();
        if told.day.replace(today) == Some(today) {
            return Vec::new();
        }
        let with_time = warnings.into_iter();
        with_time
            .filter(|it| it.concern.comes_with_time())
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log(warnings: &[Warning]) {
    for warning in warnings {
        tracing::warn!(
            tenant.id = %warning.tenant,
            login = warning.user,
            credential = %warning.credential,
            expires = warning.credential.expires.map(tracing::field::display),
            "{}: {}",
            warning.user,
            warning.words()
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::ManualClock;
    use crate::config::{Login, Password, Tenant};
    use crate::live::Holder;
    use crate::secret::Secret;

    fn config(expires: &str) -> Config {
        let mut password = Password::of(Secret::new("$argon2id$".to_owned()));
        password.credential.expires = Some(expires.parse().unwrap());
        let login = Login {
            passwords: vec![password],
            ..Login::of("hr")
        };
        let tenant = Tenant {
            logins: vec![login],
            ..Tenant::of("acme")
        };
        Config::of(Path::new("."), [tenant])
    }

    #[test]
    fn the_log_is_told_once_a_day_and_after_a_reload() {
        let front = Holder::new(Arc::new(config("2026-12-06")));
        let clock = Arc::new(ManualClock::at("2026-11-21T22:00:00Z".parse().unwrap()));
        let expiry = Expiry::new(front.live(), clock.clone());
        let look_at = |time: &str| {
            clock.set(time.parse().unwrap());
            let told = expiry.look();
            told.iter().map(|it| it.concern).collect::<Vec<_>>()
        };
        let last_day = "2026-12-06".parse().unwrap();
        let ends = |days| vec![Concern::Ends { last_day, days }];
        assert_eq!(look_at("2026-11-21T22:00:00Z"), [], "15 days are left");
        assert_eq!(look_at("2026-11-22T00:01:00Z"), ends(14));
        assert_eq!(look_at("2026-11-22T23:59:00Z"), []);
        assert_eq!(look_at("2026-11-23T00:14:00Z"), ends(13));
        assert_eq!(
            look_at("2026-12-07T00:00:00Z"),
            [Concern::LastIsOver { last_day }]
        );

        front.replace(Arc::new(config("2026-12-07")));
        assert_eq!(look_at("2026-12-07T00:01:00Z"), []);
        expiry.lock().day = None;
        let last_day = "2026-12-07".parse().unwrap();
        assert_eq!(
            expiry.look()[0].concern,
            Concern::Ends { last_day, days: 0 }
        );
    }
}
