//! Standard input to a file of the server ([`upload`]), and a file of the server to standard output ([`download`]).
//!
//! What came from standard input cannot be read again, and what went to standard output cannot be taken back. So an
//! upload ends with its connection, and removes what has arrived; a download goes on where it stopped, if the file is
//! still the same.

pub mod download;
pub mod upload;

use sftp_wire::Attributes;

use super::attempt::{Attempt, FileState};
use super::breaks::ProgressAtBreak;
use super::context::TransferContext;
use super::error::TransferError;
use super::job::Job;
use super::outcome::Proof;
use super::progress_hub::FileProgress;
use super::prover::{CHANGED_MEANWHILE, Prover, ReceivedBytes};
use crate::link::HashValue;

/// The name that stands for standard input and output.
pub const NAME: &str = "-";

/// The advice when the bytes differ from the server's.
const HINT: &str = "do not use what was transferred; run the same command again";

/// The bytes that went through a stream.
#[derive(Debug, Clone, Copy)]
struct StreamedBytes {
    /// The number of bytes that were streamed.
    size: u64,
    /// Their hash. `None`: no verification was asked for.
    hash: Option<HashValue>,
}

/// The bytes of a stream that has ended, whose file is still to be compared with them.
#[derive(Clone, Copy)]
enum EndedStream<'a> {
    /// They came from standard input, and are the whole file now.
    Stored(StreamedBytes),
    /// They went to standard output. The attributes are those that the file had before.
    Received(StreamedBytes, &'a Attributes),
}

/// Compares what went through a stream with the file of the job, on as many connections as it takes.
async fn prove(
    context: &TransferContext,
    progress: &FileProgress,
    job: &Job,
    stream: EndedStream<'_>,
) -> Result<Proof, TransferError> {
    let hub = &context.hub;
    let mut breaks = context.breaks();
    loop {
        let link = context.link().await.map_err(TransferError::Disconnected)?;
        let attempt = Attempt {
            context,
            link: &link,
            progress,
            place: None,
        };
        let (result, size) = match stream {
            EndedStream::Stored(sent) => (prove_stored(attempt, job.clone(), sent).await, sent.size),
            EndedStream::Received(received, before) => (
                prove_received(attempt, job.clone(), received, before).await,
                received.size,
            ),
        };
        // All bytes have arrived by then.
        let reached = ProgressAtBreak {
            run: hub.done(),
            file: size,
        };
        if !matches!(result, Err(TransferError::ConnectionLost(_))) || !breaks.allow_another(reached) {
            return result;
        }
    }
}

/// Compares the bytes that came from standard input with the whole file of the job, to which they went.
async fn prove_stored(attempt: Attempt<'_>, job: Job, sent: StreamedBytes) -> Result<Proof, TransferError> {
    let file = FileState::new(job);
    let proof = Prover::new(attempt, &file)
        .verify_stored(sent.hash, sent.size)
        .await;
    proof.map_err(advise)
}

/// Compares the bytes that went to standard output with the file of the job, whose attributes were `before`.
async fn prove_received(
    attempt: Attempt<'_>,
    job: Job,
    received: StreamedBytes,
    before: &Attributes,
) -> Result<Proof, TransferError> {
    let Some(hash) = received.hash else {
        return Ok(Proof::NotAsked);
    };
    let file = FileState::new(job);
    let received = ReceivedBytes {
        hash,
        size: received.size,
        handle: None,
        early: None,
        before,
    };
    let proof = Prover::new(attempt, &file).verify_received(received).await;
    proof.map_err(advise)
}

/// Replaces the advice for files that can be transferred again by that for a stream.
fn advise(error: TransferError) -> TransferError {
    let hint = HINT;
    match error {
        TransferError::Differs { here, there, .. } => TransferError::Differs { here, there, hint },
        TransferError::OtherSize { here, there, .. } => TransferError::OtherSize { here, there, hint },
        TransferError::Changed(_) => TransferError::changed(CHANGED_MEANWHILE, hint),
        error => error,
    }
}

/// Checks before anything is transferred that the verification that was asked for is possible.
async fn check_provable(attempt: Attempt<'_>, job: &Job) -> Result<(), TransferError> {
    let file = FileState::new(job.clone());
    Prover::new(attempt, &file).check_possible().await
}
