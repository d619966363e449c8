//! What this process knows of uploads: which ones a request works on, and which were published lately. Nothing of it
//! outlives the server; the rest of an upload does.
//!
//! One request at a time has the *turn* of an upload. Another one is refused, except where the first has heard nothing from
//! its client for `SILENT`: a client that comes back over another network must not wait until the server has noticed that
//! the old connection is dead. The first request then ends, keeps what has arrived, and the second one goes on.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::domain::user::UserName;

/// How long a published upload is known: a client whose reply was lost asks within seconds, or after a laptop has slept.
pub const KEPT: Duration = Duration::from_secs(60 * 60);

/// The most published uploads that are known: about one megabyte.
const MOST_PUBLISHED: usize = 8192;

/// How long a request has heard nothing from its client before another one may take its turn.
const SILENT: Duration = Duration::from_secs(5);

/// How long a request waits for its predecessor to end: one write to a disk.
const HANDOVER: Duration = Duration::from_secs(10);

/// The number of an upload: 128 random bits.
pub(super) type UploadId = [u8; 16];

/// The uploads that requests work on, and those that were published lately.
#[derive(Default)]
pub struct ActiveUploads(Mutex<ActiveTable>);

#[derive(Default)]
struct ActiveTable {
    turns: HashMap<UploadId, Arc<TurnHolder>>,
    /// The number of uploads of each user that are being created.
    creating: HashMap<UserName, usize>,
    /// The oldest first.
    published: VecDeque<RecentUpload>,
}

/// An upload that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecentUpload {
    pub(super) id: UploadId,
    pub(super) user: UserName,
    pub(super) incarnation: i64,
    /// The size of the file in bytes.
    pub(super) size: u64,
    pub(super) at: Instant,
}

/// How a request takes the turn of an upload from another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takeover {
    /// If the other one has heard nothing from its client for a while.
    FromSilent,
    /// In any case: the upload is to be removed.
    FromAny,
    /// Not at all.
    Never,
}

/// The request that has the turn of an upload, as others see it.
pub(super) struct TurnHolder {
    /// Since when it waits for bytes of its client; `None` while it does not.
    silent_since: Mutex<Option<Instant>>,
    /// Cancelled when it must end.
    stop: CancellationToken,
    /// Cancelled when it has ended.
    ended: CancellationToken,
}

/// The turn of a request on an upload. Dropping it gives it up.
pub(super) struct UploadTurn {
    uploads: Arc<ActiveUploads>,
    id: UploadId,
    holder: Arc<TurnHolder>,
}

/// Counts an upload that is being created until it is dropped.
pub(super) struct CreatingUpload {
    uploads: Arc<ActiveUploads>,
    user: UserName,
    /// How many uploads of the user are being created, this one included.
    pub(super) count: usize,
}

impl ActiveUploads {
    /// Takes the turn of an upload, and waits for a predecessor that has to end; `None` if it may go on.
    pub(super) async fn take(self: &Arc<Self>, id: UploadId, takeover: Takeover) -> Option<UploadTurn> {
        self.take_within(HANDOVER, id, takeover).await
    }

    async fn take_within(
        self: &Arc<Self>,
        limit: Duration,
        id: UploadId,
        takeover: Takeover,
    ) -> Option<UploadTurn> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let ended = match self.try_take(id, takeover) {
                Ok(turn) => return Some(turn),
                Err(predecessor) => predecessor?,
            };
            if tokio::time::timeout_at(deadline, ended.cancelled())
                .await
                .is_err()
            {
                return None;
            }
        }
    }

    /// Takes the turn if it is free. Otherwise it returns what is cancelled when the predecessor has ended, if that was
    /// told to end.
    fn try_take(
        self: &Arc<Self>,
        id: UploadId,
        takeover: Takeover,
    ) -> Result<UploadTurn, Option<CancellationToken>> {
        let mut table = self.0.lock();
        if let Some(holder) = table.turns.get(&id) {
            let must_end = match takeover {
                Takeover::FromAny => true,
                Takeover::FromSilent => holder.is_silent(),
                Takeover::Never => false,
            };
            if !must_end {
                // One that was told to end already ends soon.
                return Err(holder.stop.is_cancelled().then(|| holder.ended.clone()));
            }
            holder.stop.cancel();
            return Err(Some(holder.ended.clone()));
        }
        let holder = Arc::new(TurnHolder {
            silent_since: Mutex::new(None),
            stop: CancellationToken::new(),
            ended: CancellationToken::new(),
        });
        table.turns.insert(id, Arc::clone(&holder));
        Ok(UploadTurn {
            uploads: Arc::clone(self),
            id,
            holder,
        })
    }

    /// Counts an upload of a user as being created.
    pub(super) fn begin_creation(self: &Arc<Self>, user: &UserName) -> CreatingUpload {
        let mut table = self.0.lock();
        let creating = table.creating.entry(user.clone()).or_default();
        *creating += 1;
        CreatingUpload {
            uploads: Arc::clone(self),
            user: user.clone(),
            count: *creating,
        }
    }

    /// Remembers that an upload was published.
    pub(super) fn note_published(&self, upload: RecentUpload) {
        let mut table = self.0.lock();
        table.published.push_back(upload);
        let is_old = |upload: &RecentUpload| upload.at.elapsed() >= KEPT;
        while table.published.len() > MOST_PUBLISHED || table.published.front().is_some_and(is_old) {
            table.published.pop_front();
        }
    }

    /// Returns the upload with this number if it was published lately.
    pub(super) fn published(&self, id: &UploadId) -> Option<RecentUpload> {
        let table = self.0.lock();
        let known = table.published.iter().rev().find(|upload| upload.id == *id);
        known.filter(|upload| upload.at.elapsed() < KEPT).cloned()
    }
}

impl TurnHolder {
    fn is_silent(&self) -> bool {
        self.silent_since
            .lock()
            .is_some_and(|since| since.elapsed() >= SILENT)
    }

    /// Records that the request begins to wait for its client, or that something has arrived.
    pub(super) fn note_heard(&self) {
        *self.silent_since.lock() = Some(Instant::now());
    }

    /// Records that the request is busy with what has arrived, and does not wait for its client.
    pub(super) fn note_busy(&self) {
        *self.silent_since.lock() = None;
    }
}

impl UploadTurn {
    /// Returns where it is recorded whether the request waits for its client.
    pub(super) fn listener(&self) -> Arc<TurnHolder> {
        Arc::clone(&self.holder)
    }

    /// Returns what is cancelled when the request must end.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.holder.stop
    }
}

impl Drop for UploadTurn {
    fn drop(&mut self) {
        self.uploads.0.lock().turns.remove(&self.id);
        self.holder.ended.cancel();
    }
}

impl Drop for CreatingUpload {
    fn drop(&mut self) {
        let mut table = self.uploads.0.lock();
        if let Some(creating) = table.creating.get_mut(&self.user) {
            *creating = creating.saturating_sub(1);
            if *creating == 0 {
                table.creating.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_request_at_once_has_the_turn() {
        let uploads = Arc::<ActiveUploads>::default();
        let first = uploads.take([1; 16], Takeover::FromSilent).await.unwrap();
        assert!(uploads.take([1; 16], Takeover::FromSilent).await.is_none());
        assert!(uploads.take([1; 16], Takeover::Never).await.is_none());
        let other = uploads.take([2; 16], Takeover::Never).await;
        assert!(other.is_some(), "another upload has a turn of its own");
        first.listener().note_heard();
        assert!(
            uploads.take([1; 16], Takeover::FromSilent).await.is_none(),
            "something has just arrived"
        );
        drop(first);
        assert!(uploads.take([1; 16], Takeover::FromSilent).await.is_some());
    }

    #[tokio::test]
    async fn a_silent_request_gives_up_its_turn_and_a_removal_takes_any() {
        for (since, takeover) in [
            (Instant::now().checked_sub(SILENT), Takeover::FromSilent),
            (None, Takeover::FromAny),
        ] {
            let uploads = Arc::<ActiveUploads>::default();
            let first = uploads.take([1; 16], Takeover::Never).await.unwrap();
            *first.holder.silent_since.lock() = since;
            let ending = tokio::spawn(async move {
                first.stop().cancelled().await;
                drop(first);
            });
            assert!(uploads.take([1; 16], takeover).await.is_some());
            ending.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_is_not_waited_for_without_limit() {
        let uploads = Arc::<ActiveUploads>::default();
        let first = uploads.take([1; 16], Takeover::Never).await.unwrap();
        let limit = Duration::from_millis(10);
        let second = uploads.take_within(limit, [1; 16], Takeover::FromAny).await;
        assert!(second.is_none());
        drop(first);
    }

    #[test]
    fn uploads_that_are_being_created_are_counted_by_user() {
        let uploads = Arc::<ActiveUploads>::default();
        let (alice, bob): (UserName, UserName) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let first = uploads.begin_creation(&alice);
        assert_eq!(uploads.begin_creation(&alice).count, 2);
        assert_eq!(uploads.begin_creation(&bob).count, 1);
        drop(first);
        assert_eq!(uploads.begin_creation(&alice).count, 1);
        assert!(uploads.0.lock().creating.is_empty());
    }

    #[test]
    fn published_uploads_are_known_for_a_while_and_not_all_of_them() {
        let uploads = ActiveUploads::default();
        let published = |number: usize, at: Instant| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            RecentUpload {
                id,
                user: "alice".parse().unwrap(),
                incarnation: 1,
                size: 1,
                at,
            }
        };
        let now = Instant::now();
        if let Some(long_ago) = now.checked_sub(KEPT) {
            let old = published(usize::MAX, long_ago);
            uploads.note_published(old.clone());
            assert_eq!(uploads.published(&old.id), None);
        }
        for number in 0..=MOST_PUBLISHED {
            uploads.note_published(published(number, now));
        }
        let first = published(0, now);
        assert_eq!(uploads.published(&first.id), None);
        let second = published(1, now);
        assert_eq!(uploads.published(&second.id), Some(second));
    }
}
