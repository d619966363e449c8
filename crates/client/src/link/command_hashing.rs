//! Hashes by the command `md5sum`, on channels of their own beside the SFTP session. Small files that are asked about
//! at the same time share a command: starting one costs more than hashing such a file.
//!
//! Nobody waits for a batch to fill. A caller puts its file into the queue and waits for its answer or for a turn; with
//! a turn it takes all that wait, runs the command for them, and hands out the answers. A caller that is dropped with
//! its turn drops the answers that it owes, and those callers ask again. So a command has as many names as callers ask
//! about while those before it run. Callers with many small files ask about a thousand at once, however long a command
//! takes to start.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore, oneshot};

use super::hash::HashValue;
use super::md5sum::{hashes_by_name, push_word};
use super::transport::Transport;

/// The most names in one command: our own server takes 1,024 words.
const MAX_NAMES: usize = 500;
/// The most bytes of names in one command. sshd passes it on as one argument, of which Linux takes 128 KiB.
const MAX_BYTES: usize = 24 << 10;
/// The longest output of a command that is kept, in bytes: a hash for each name, and each byte of a name escaped.
const MAX_OUTPUT: usize = MAX_NAMES * 40 + 4 * MAX_BYTES;
/// How many commands for small files run at once. The next ones collect names meanwhile.
const AT_ONCE: usize = 2;
/// From this size on, a file has a command of its own, in bytes: hashing it takes longer than starting a command.
const ALONE: u64 = 4 << 20;
/// How long a command may take before it has hashed anything: it may be another program that never ends.
const START: Duration = Duration::from_secs(15);
/// The least rate at which a server hashes, in bytes per second.
const SLOWEST: u64 = 8 << 20;

/// A file that waits for its hash. `None` is the answer for a file for which no line was printed.
struct QueuedName {
    path: Vec<u8>,
    size: u64,
    answer: oneshot::Sender<Option<HashValue>>,
}

/// The queue of files for `md5sum`, and what is known about the server's commands.
pub struct CommandHashing {
    queue: Mutex<VecDeque<QueuedName>>,
    slots: Semaphore,
    /// Whether a command takes one name only, as that of rclone does.
    one_at_a_time: AtomicBool,
    /// Whether a command has printed a hash.
    has_worked: AtomicBool,
    /// Whether commands are refused, or never end, so that none is tried again.
    is_useless: AtomicBool,
    /// Whether `md5sum` hashes its input, once that was tried.
    runs: OnceCell<bool>,
}

impl Default for CommandHashing {
    fn default() -> Self {
        Self {
            queue: Mutex::default(),
            slots: Semaphore::new(AT_ONCE),
            one_at_a_time: AtomicBool::new(false),
            has_worked: AtomicBool::new(false),
            is_useless: AtomicBool::new(false),
            runs: OnceCell::new(),
        }
    }
}

impl CommandHashing {
    /// The MD5 of a whole file. `None`: no line was printed for it.
    pub(super) async fn whole(&self, transport: &dyn Transport, path: &[u8], size: u64) -> Option<HashValue> {
        if size >= ALONE {
            return self.answers(transport, &[(path, size)]).await.pop().flatten();
        }
        loop {
            let (answer, mut answered) = oneshot::channel();
            let path = path.to_vec();
            self.queue.lock().push_back(QueuedName { path, size, answer });
            // The caller that had the turn may have been dropped, or the server takes one name only: ask again.
            if let Ok(hash) = self.wait(transport, &mut answered).await {
                return hash;
            }
        }
    }

    /// The MD5 of the first bytes of a file. `None`: the server has no `head` and no pipes, or not this file.
    pub(super) async fn head(
        &self,
        transport: &dyn Transport,
        path: &[u8],
        length: u64,
    ) -> Option<HashValue> {
        let mut command = format!("head -c {length} ").into_bytes();
        push_word(&mut command, path);
        command.extend_from_slice(b" | md5sum");
        let output = self.output_of(transport, command, length).await;
        hashes_by_name(&output).remove(&b"-"[..])
    }

    /// Whether the server has no commands.
    pub(super) fn is_useless(&self) -> bool {
        self.is_useless.load(Ordering::Relaxed)
    }

    /// Whether the server runs `md5sum`. It is asked once for a hash that is known in advance.
    pub(super) async fn runs(&self, transport: &dyn Transport) -> bool {
        let asking = async {
            let output = self.output_of(transport, b"md5sum".to_vec(), 0).await;
            let hashes = hashes_by_name(&output);
            hashes.get(&b"-"[..]).is_some_and(HashValue::is_of_nothing)
        };
        *self.runs.get_or_init(|| asking).await
    }

    async fn wait(
        &self,
        transport: &dyn Transport,
        answered: &mut oneshot::Receiver<Option<HashValue>>,
    ) -> Result<Option<HashValue>, oneshot::error::RecvError> {
        loop {
            let turn = tokio::select! {
                biased;
                hash = &mut *answered => return hash,
                // The semaphore is never closed.
                turn = self.slots.acquire() => turn,
            };
            let batch = self.take();
            if batch.is_empty() {
                // Another caller has taken this one's file along.
                drop(turn);
                return answered.await;
            }
            self.run(transport, batch).await;
        }
    }

    /// Takes as many files as fit into one command.
    fn take(&self) -> Vec<QueuedName> {
        let most = match self.one_at_a_time.load(Ordering::Relaxed) {
            true => 1,
            false => MAX_NAMES,
        };
        let mut queue = self.queue.lock();
        let (mut batch, mut word, mut bytes) = (Vec::new(), Vec::new(), 0);
        while batch.len() < most
            && let Some(next) = queue.front()
        {
            word.clear();
            push_word(&mut word, &next.path);
            bytes += word.len() + 1;
            if bytes > MAX_BYTES && !batch.is_empty() {
                break;
            }
            // Nobody waits any more for a file whose caller was dropped.
            batch.extend(queue.pop_front().filter(|name| !name.answer.is_closed()));
        }
        batch
    }

    /// Runs the command for these files, and hands out the answers.
    async fn run(&self, transport: &dyn Transport, mut batch: Vec<QueuedName>) {
        let names: Vec<_> = batch.iter().map(|name| (&name.path[..], name.size)).collect();
        let mut hashes = self.answers(transport, &names).await;
        if batch.len() > 1 && hashes.iter().all(Option::is_none) {
            // The server may take all names for a single one.
            hashes = self.answers(transport, names.get(..1).unwrap_or_default()).await;
            if hashes.iter().any(Option::is_some) {
                self.one_at_a_time.store(true, Ordering::Relaxed);
                batch.truncate(1);
            }
        }
        for (position, name) in batch.into_iter().enumerate() {
            // A caller that was dropped needs no answer.
            let _ = name.answer.send(hashes.get(position).copied().flatten());
        }
    }

    /// Asks for the hashes of files with these paths and sizes. The answers are in the same order.
    async fn answers(&self, transport: &dyn Transport, names: &[(&[u8], u64)]) -> Vec<Option<HashValue>> {
        let mut command = b"md5sum".to_vec();
        let mut bytes = 0_u64;
        for (path, size) in names {
            command.push(b' ');
            push_word(&mut command, path);
            bytes = bytes.saturating_add(*size);
        }
        let output = self.output_of(transport, command, bytes).await;
        let mut hashes = hashes_by_name(&output);
        if !hashes.is_empty() {
            self.has_worked.store(true, Ordering::Relaxed);
        }
        names.iter().map(|(path, _)| hashes.remove(*path)).collect()
    }

    /// The output of a command that hashes this many bytes; nothing if it does not run, or takes too long.
    async fn output_of(&self, transport: &dyn Transport, command: Vec<u8>, bytes: u64) -> Vec<u8> {
        let limit = START + Duration::from_secs(bytes / SLOWEST);
        let running = tokio::time::timeout(limit, transport.run(command, MAX_OUTPUT)).await;
        // An end of the connection shows in the SFTP channel, too.
        let output = running.ok().and_then(Result::ok).flatten();
        if output.is_none() && !self.has_worked.load(Ordering::Relaxed) {
            self.is_useless.store(true, Ordering::Relaxed);
        }
        output.unwrap_or_default()
    }
}
