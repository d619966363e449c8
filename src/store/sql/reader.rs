//! The connection for the short reads of a start and of a sign-in.
//!
//! The pool asks a connection whether it still works each time it is given back, which costs as much as such a read,
//! and opens another one if a call comes meanwhile. One connection is therefore kept outside of it. While it is busy,
//! the pool's serve.
//!
//! It is also what keeps the store open: when the last connection closes, SQLite removes the log and its index, which
//! could not be created again on a full disk.

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection as _, Sqlite};
use tokio::sync::{Mutex, MutexGuard};

use crate::store::identity;

/// A connection for single statements that only read.
///
/// A read may be dropped before it has ended: the connection's thread then ends the statement as soon as it finds that
/// nobody waits for its rows.
#[derive(Default)]
pub(super) struct KeptReader(Mutex<KeptConnection>);

#[derive(Default)]
pub(super) struct KeptConnection {
    connection: Option<SqliteConnection>,
    /// Whether a call has failed, so that the next one opens another connection. This one stays open until then.
    is_faulty: bool,
}

impl KeptReader {
    /// Keeps this connection, which has read from the store.
    pub(super) fn with(connection: SqliteConnection) -> Self {
        Self(Mutex::new(KeptConnection {
            connection: Some(connection),
            is_faulty: false,
        }))
    }

    /// Returns the kept connection, which is opened if there is none, or one of the pool's while that is in use.
    pub(super) async fn acquire(&self, pool: &SqlitePool) -> sqlx::Result<Reader<'_>> {
        let Ok(mut kept) = self.0.try_lock() else {
            return Ok(Reader::Pooled(pool.acquire().await?));
        };
        if kept.is_faulty || kept.connection.is_none() {
            let mut fresh = pool.acquire().await?.detach();
            if kept.is_faulty {
                // It opens the log's index only when it reads, which must be before the other one closes.
                identity::touch(&mut fresh).await?;
            }
            *kept = KeptConnection {
                connection: Some(fresh),
                is_faulty: false,
            };
        }
        Ok(Reader::Kept(kept))
    }

    /// Closes the kept connection.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.0.lock().await.connection.take() {
            // If the connection is faulty, closing the pool shows the same fault.
            let _ = connection.close().await;
        }
    }
}

/// A connection that was taken for one statement.
pub(super) enum Reader<'a> {
    /// The kept connection. There is one.
    Kept(MutexGuard<'a, KeptConnection>),
    /// A connection of the pool.
    Pooled(PoolConnection<Sqlite>),
}

impl Reader<'_> {
    /// Returns the connection.
    ///
    /// # Errors
    /// Returns an error if there is none, as after the store was closed.
    pub(super) fn connection(&mut self) -> sqlx::Result<&mut SqliteConnection> {
        match self {
            Self::Kept(kept) => kept.connection.as_mut().ok_or(sqlx::Error::PoolClosed),
            Self::Pooled(connection) => Ok(connection),
        }
    }

    /// Takes the statement's result. After an error, another connection takes the place of the kept one at the next read.
    pub(super) fn ended<T>(&mut self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        if let (Self::Kept(kept), Err(_)) = (self, &result) {
            kept.is_faulty = true;
        }
        result
    }
}
