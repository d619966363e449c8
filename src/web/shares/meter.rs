//! Counts the bytes that a share's visitors send and fetch, and looks again whether the share is still there.
//!
//! Bytes are paid before they are passed on, at most 16 MiB at once, so that a visitor who breaks off each time before the
//! end does not get more than the share allows. Of a body without a known length, the payments begin small and double, so
//! that not much more is paid than was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::BoxError;
use axum::body::Body;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use crate::store::Store;
use crate::store::web::ShareRecord;
use crate::web::error::{WebError, WebErrorKind};

/// The most bytes that are paid at once, after which it is looked again whether the share is still there.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The first payment for a body without a known length.
const SMALLEST: u64 = 256 * 1024;

/// Pays for the bytes of one body.
pub(super) struct ShareMeter {
    store: Arc<dyn Store>,
    share: i64,
    hash: [u8; 32],
    has_cap: bool,
    /// The bytes that are paid and were not passed on yet.
    ahead: u64,
    /// The bytes of the body that are not paid yet, if its length is known.
    rest: Option<u64>,
    /// The next payment, if there is so much.
    next: u64,
    /// Whether the share has ended, or has no bytes left.
    is_over: Arc<AtomicBool>,
}

impl ShareMeter {
    /// Creates the meter of a body, whose length may be known.
    pub(super) fn new(store: &Arc<dyn Store>, share: &ShareRecord, length: Option<u64>) -> Self {
        let has_cap = share.bytes_left.is_some();
        Self {
            store: Arc::clone(store),
            share: share.id,
            hash: share.hash,
            has_cap,
            ahead: 0,
            rest: length,
            next: match has_cap && length.is_none() {
                true => SMALLEST,
                false => LARGEST,
            },
            is_over: Arc::default(),
        }
    }

    /// Returns what says whether a body broke off because the share has ended or has no bytes left.
    pub(super) fn is_over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_over)
    }

    /// Pays for the first bytes.
    ///
    /// # Errors
    /// Returns an error if there are not so many left.
    pub(super) async fn begin(&mut self) -> Result<(), WebError> {
        match self.rest {
            Some(0) => Ok(()),
            _ => self.pay(0).await,
        }
    }

    /// Passes bytes on, and pays for more of them if that is needed.
    async fn spend(&mut self, bytes: u64) -> Result<(), WebError> {
        if let Some(missing) = bytes.checked_sub(self.ahead).filter(|missing| *missing > 0) {
            self.pay(missing).await?;
        }
        self.ahead = self.ahead.saturating_sub(bytes);
        Ok(())
    }

    /// Pays for at least so many bytes.
    async fn pay(&mut self, least: u64) -> Result<(), WebError> {
        let wanted = self.rest.map_or(self.next, |rest| self.next.min(rest));
        let payment = wanted.max(least);
        if !self.take(payment).await? {
            self.is_over.store(true, Ordering::Relaxed);
            return Err(used_up());
        }
        self.ahead = self.ahead.saturating_add(payment);
        self.rest = self.rest.map(|rest| rest.saturating_sub(payment));
        self.next = self.next.saturating_mul(2).min(LARGEST);
        Ok(())
    }

    async fn take(&self, payment: u64) -> Result<bool, WebError> {
        let internal =
            |error: base::error::Error| WebError::internal("the bytes of a share cannot be counted", &error);
        if self.has_cap {
            let taken = self.store.take_share_bytes(self.share, payment).await;
            return taken.map_err(internal);
        }
        let share = self.store.share_by_hash(&self.hash).await.map_err(internal)?;
        Ok(share.is_some_and(|share| share.expires_at.is_none_or(|end| Timestamp::now() < end)))
    }

    /// Returns a body that is paid for while it is read. It breaks off when the share ends or has no bytes left.
    pub(super) fn meter(self, body: Body) -> Body {
        let frames = body.into_data_stream();
        Body::from_stream(stream::try_unfold(
            (frames, self),
            |(mut frames, mut meter)| async move {
                match frames.next().await {
                    None => Ok(None),
                    Some(Err(error)) => Err(BoxError::from(error)),
                    Some(Ok(bytes)) => match meter.spend(bytes.len() as u64).await {
                        Ok(()) => Ok(Some((bytes, (frames, meter)))),
                        Err(error) => Err(BoxError::from(error.sentence)),
                    },
                }
            },
        ))
    }
}

/// Returns the error of a share that has ended, or has not so many bytes left.
pub(super) fn used_up() -> WebError {
    WebError::new(WebErrorKind::Gone, "this link has ended, or passes no more bytes")
        .hint("ask whoever sent it to you for another one")
}
