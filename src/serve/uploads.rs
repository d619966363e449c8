//! The table of uploads as the configuration wants it.

use crate::config::Config;
use crate::session::upload_digest::DigestWorkers;
use crate::session::uploads::Uploads;
use crate::telemetry::LogDigest;
use base::error::{Error, Result};

/// Makes the table of uploads, with the threads that compute their digests if they are wanted.
///
/// # Errors
/// Returns an error if a thread cannot be started.
pub(super) fn uploads(config: &Config) -> Result<Uploads> {
    let uploads = Uploads::new(&config.events.partial);
    match config.log.digest {
        None => Ok(uploads),
        Some(LogDigest::Sha256) => {
            let workers = DigestWorkers::start();
            let workers = workers
                .map_err(|error| Error::new("cannot start the threads that hash uploads").because(error))?;
            Ok(uploads.with_digests(workers))
        }
    }
}
