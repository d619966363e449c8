//! One kind of work: its plan, its counters, and threads of its own.

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};

use crate::connection::{ConnectionPlan, Link, Target, connect, sign_in_repeatedly};
use crate::plan::{Kind, Plan};
use crate::report::Totals;

/// An error that can leave its thread.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// One kind of work.
pub struct Run {
    pub plan: Plan,
    pub connections: usize,
    pub channels: usize,
    pub totals: Arc<Totals>,
    /// Each kind of work has threads of its own, so that a reply does not wait until this program has decrypted the
    /// replies to other work.
    pub runtime: Runtime,
}

impl Run {
    /// Connects and signs in, unless signing in is the work.
    pub async fn connect(&self, target: &Arc<Target>) -> Result<Vec<Link>, Error> {
        let connections = match self.plan.kind {
            Kind::Signin => 0,
            _ => self.connections,
        };
        let (target, plan, totals) = (Arc::clone(target), self.plan.clone(), Arc::clone(&self.totals));
        let channels = self.channels;
        let connecting = self.runtime.spawn(async move {
            let mut links = Vec::new();
            for number in 0..connections {
                let connection = ConnectionPlan { number, channels };
                let link = connect(&target, &plan, connection, &totals).await;
                links.push(link.map_err(|error| error.to_string())?);
            }
            Ok(links)
        });
        connecting.await?
    }

    /// Works on these connections until then, and waits for the operations under way.
    pub fn work(
        &self,
        target: &Arc<Target>,
        links: Vec<Link>,
        until: Instant,
    ) -> JoinHandle<Result<(), Error>> {
        if self.plan.kind == Kind::Signin {
            return self.sign_in(target, until);
        }
        self.runtime.spawn(async move {
            for link in &links {
                link.start(until).await.map_err(|error| error.to_string())?;
            }
            tokio::time::sleep_until(until.into()).await;
            for link in links {
                link.finish().await;
            }
            Ok(())
        })
    }

    fn sign_in(&self, target: &Arc<Target>, until: Instant) -> JoinHandle<Result<(), Error>> {
        let (target, totals) = (Arc::clone(target), Arc::clone(&self.totals));
        let (pace, connections) = (self.plan.pace, self.connections);
        self.runtime.spawn(async move {
            let mut all = JoinSet::new();
            for _ in 0..connections {
                all.spawn(sign_in_repeatedly(
                    Arc::clone(&target),
                    pace,
                    until,
                    Arc::clone(&totals),
                ));
            }
            while let Some(ended) = all.join_next().await {
                ended?;
            }
            Ok(())
        })
    }
}
