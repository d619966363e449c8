//! Runs the use cases of the command line on behalf of a user of the web page.

use std::sync::Arc;
use std::time::Duration;

use super::app::WebApp;
use super::error::{WebError, WebErrorKind};
use super::operator::WebOperator;
use crate::domain::user::UserName;
use crate::ops::context::OpsContext;
use base::error::{Error, Result};

/// How long a use case waits for those before it.
const TURN: Duration = Duration::from_secs(20);

/// Runs a use case on behalf of a user, on a thread of its own, since use cases look at disks and hash passwords. It runs
/// to its end even if the client leaves.
///
/// # Errors
/// Returns the error of the use case, in its own words.
pub(super) async fn run_for<T: Send + 'static>(
    app: &Arc<WebApp>,
    user: UserName,
    work: impl AsyncFnOnce(&OpsContext<'_>) -> Result<T> + Send + 'static,
) -> std::result::Result<T, WebError> {
    let waiting = Arc::clone(&app.administration.turns).acquire_owned();
    let Ok(Ok(turn)) = tokio::time::timeout(TURN, waiting).await else {
        return Err(WebError::new(
            WebErrorKind::Busy,
            "other changes are under way; try again in a moment",
        ));
    };
    let app = Arc::clone(app);
    let runtime = tokio::runtime::Handle::current();
    let running = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let server = WebOperator::new(Arc::clone(&app.running), user);
        let context = OpsContext {
            installation: &app.installation,
            store: &*app.store,
            server: &server,
            warn,
        };
        runtime.block_on(work(&context))
    });
    match running.await {
        Ok(done) => done.map_err(|error| WebError::of_administration(&error)),
        Err(panic) => Err(WebError::internal("a use case has failed", &panic)),
    }
}

/// Does work to its end even if the client leaves.
///
/// # Errors
/// Returns the error of the work.
pub(super) async fn to_its_end<T: Send + 'static>(
    app: &WebApp,
    work: impl Future<Output = std::result::Result<T, WebError>> + Send + 'static,
) -> std::result::Result<T, WebError> {
    let done = app.tasks.spawn(work).await;
    done.unwrap_or_else(|panic| Err(WebError::internal("a change has failed", &panic)))
}

fn warn(error: &Error) {
    tracing::warn!("{error}");
}
