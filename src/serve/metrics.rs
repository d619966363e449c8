//! Metrics for Prometheus, and health checks, over HTTP: `[metrics]`.
//!
//! [`listener`] accepts connections, [`http`] reads requests and lays out responses, [`page`] has the metrics. The use
//! of homes is collected in the background ([`homes`]), because the store has to be read for it.

mod homes;
mod http;
pub mod listener;
mod page;
mod process;

pub use homes::HomeMetrics;
pub use page::{EventSources, MetricsPage};
