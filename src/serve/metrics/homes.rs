//! The use and the quotas of all homes as metrics, which the operator asks for (`[metrics] homes`).
//!
//! They are read from the store in the background, so that a scrape does not wait for it, and for a limited number of
//! users, because each has two series.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::accounts::account::UsageAccuracy;
use crate::accounts::id::AccountSpec;
use crate::store::Store;
use crate::telemetry::metrics::exposition::{Exposition, MetricKind};
use base::error::Result;

/// How often the homes are read: Prometheus scrapes every 15 s to a minute.
const EVERY: Duration = Duration::from_secs(30);
/// The most users whose homes are shown. The metrics of these are 2 MB.
const MOST_USERS: usize = 10_000;

/// The metrics of all homes, as text that is written in the background.
pub struct HomeMetrics {
    accounts: Arc<Accounts>,
    store: Arc<dyn Store>,
    text: Mutex<Arc<str>>,
}

impl HomeMetrics {
    /// Creates the metrics, which are empty until [`HomeMetrics::watch`] has read the homes.
    pub fn new(accounts: Arc<Accounts>, store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            accounts,
            store,
            text: Mutex::new("".into()),
        })
    }

    /// Returns the metrics as they were read last.
    pub fn text(&self) -> Arc<str> {
        Arc::clone(&self.text.lock())
    }

    /// Reads the homes again and again, until `quit` is cancelled.
    pub async fn watch(self: Arc<Self>, quit: CancellationToken) {
        let mut is_failing = false;
        let rounds = async {
            loop {
                match self.read().await {
                    Ok(text) => {
                        *self.text.lock() = text.into();
                        is_failing = false;
                    }
                    Err(error) => {
                        // Numbers that are not true any more must not look like new ones.
                        *self.text.lock() = "".into();
                        if !std::mem::replace(&mut is_failing, true) {
                            tracing::warn!(%error, "the metrics lack the use of homes");
                        }
                    }
                }
                tokio::time::sleep(EVERY).await;
            }
        };
        tokio::select! {
            () = quit.cancelled() => {}
            () = rounds => {}
        }
    }

    async fn read(&self) -> Result<String> {
        let mut users = self.store.users().await?;
        if users.len() > MOST_USERS {
            tracing::debug!(
                users = users.len(),
                "the metrics have the homes of {MOST_USERS} users alone"
            );
            users.truncate(MOST_USERS);
        }
        let specs: Vec<AccountSpec> = users
            .iter()
            .map(|user| AccountSpec::of_home(&user.home, user.quota()))
            .collect();
        let usages = self.accounts.usages(&specs).await?;
        let mut used = Exposition::default();
        let mut quotas = Exposition::default();
        let (used_name, quota_name) = ("homeport_home_used_bytes", "homeport_home_quota_bytes");
        used.family(
            used_name,
            MetricKind::Gauge,
            "The sum of the sizes of files in a user's home.",
        );
        quotas.family(
            quota_name,
            MetricKind::Gauge,
            "The quota of a user's home; it is missing if unlimited.",
        );
        for (user, usage) in users.iter().zip(usages) {
            let labels = [("user", user.name.as_str())];
            let usage = usage.filter(|usage| usage.accuracy != UsageAccuracy::Unmeasurable);
            if let Some(usage) = usage {
                used.sample(used_name, &labels, usage.bytes);
            }
            if let Some(quota) = user.quota().bytes {
                quotas.sample(quota_name, &labels, quota);
            }
        }
        used.append(&quotas.into_text());
        Ok(used.into_text())
    }
}
