//! The connection for the short reads of a sign-in.
//!
//! The pool asks a connection whether it still works each time it is given back, which costs as much as such a read. One
//! connection is therefore kept outside of it. While it is busy, the pool's serve.

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection as _, Sqlite};
use tokio::sync::{Mutex, MutexGuard};

/// A connection for single statements that only read.
///
/// A read may be dropped before it has ended: the connection's thread then ends the statement as soon as it finds that
/// nobody waits for its rows.
#[derive(Default)]
pub(super) struct KeptReader(Mutex<Option<SqliteConnection>>);

impl KeptReader {
    /// Returns the kept connection, which is opened if there is none, or one of the pool's while that is in use.
    pub(super) async fn acquire(&self, pool: &SqlitePool) -> sqlx::Result<Reader<'_>> {
        let Ok(mut kept) = self.0.try_lock() else {
            return Ok(Reader::Pooled(pool.acquire().await?));
        };
        if kept.is_none() {
            *kept = Some(pool.acquire().await?.detach());
        }
        Ok(Reader::Kept(kept))
    }

    /// Closes the kept connection.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.0.lock().await.take() {
            // If the connection is faulty, closing the pool shows the same fault.
            let _ = connection.close().await;
        }
    }
}

/// A connection that was taken for one statement.
pub(super) enum Reader<'a> {
    /// The kept connection. It is never `None` here.
    Kept(MutexGuard<'a, Option<SqliteConnection>>),
    /// A connection of the pool.
    Pooled(PoolConnection<Sqlite>),
}

impl Reader<'_> {
    /// Returns the connection.
    ///
    /// # Errors
    /// Returns an error after [`Reader::ended`] has closed the connection.
    pub(super) fn connection(&mut self) -> sqlx::Result<&mut SqliteConnection> {
        match self {
            Self::Kept(kept) => kept.as_mut().ok_or(sqlx::Error::PoolClosed),
            Self::Pooled(connection) => Ok(connection),
        }
    }

    /// Takes the statement's result. After an error the kept connection is closed, and the next read opens another one.
    pub(super) fn ended<T>(&mut self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        if let (Self::Kept(kept), Err(_)) = (self, &result) {
            **kept = None;
        }
        result
    }
}
