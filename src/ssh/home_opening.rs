//! Opens the home of a session with its folders, for channels of SSH and requests of the web page alike.

use std::sync::Arc;

use super::folders;
use super::service::Service;
use crate::mount::{Mounted, Refused};
use crate::session::Session;

/// Opens the home of a session, with its folders.
///
/// # Errors
/// Returns an error if it cannot be opened in time, or if the session has been ended.
pub async fn open_home(service: &Arc<Service>, session: &Session) -> Result<Mounted, Refused> {
    service.mount(session, folders::mounters(service, session)).await
}
