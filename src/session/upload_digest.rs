//! SHA-256 of uploads, computed while they arrive (`[log] digest`).
//!
//! A handle that writes a file from its beginning passes what it has written to threads of their own, which hash it in
//! order. Nothing waits for them: a file whose bytes come in another order, or faster than they are hashed, gets no
//! digest, and the event says why.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use base::digest::Algorithm;

use crate::domain::event::UploadDigest;
use crate::io::cpu_slots::cores;

/// What a piece that waits costs besides its bytes: its entry in the queue, and what the allocator adds.
const PIECE_COST: usize = 64;
/// The most bytes of all files that wait to be hashed, with the cost of their pieces.
const MOST_WAITING: usize = 64 << 20;
/// The most bytes of one file that wait to be hashed, so that one does not take the room of others.
const MOST_WAITING_OF_ONE: usize = 16 << 20;

/// Why a file has no digest whose bytes did not come in order.
const NOT_IN_ORDER: &str = "not written from the beginning to the end in order";
/// Why a file has no digest that had content when it was opened.
const HAD_CONTENT: &str = "the file had content before";
/// Why a file has no digest that several handles have written, or that was changed without a handle.
const SEVERAL_WRITERS: &str = "the file was not written through one handle alone";
/// Why a file has no digest whose size is another than what was written.
const OTHER_SIZE: &str = "the size is not that of what was written";
/// Why a file has no digest whose size was set while it was written.
const RESIZED: &str = "the size was set while the file was written";
/// Why a file has no digest whose bytes came too fast.
const TOO_FAST: &str = "the bytes came faster than they could be hashed";

/// The threads that hash uploads. They end when this and all streams are dropped.
pub struct DigestWorkers {
    sender: Sender<Arc<StreamHasher>>,
    waiting: Arc<AtomicUsize>,
    /// The number of files that are closed, and whose digest was not passed on yet.
    unfinished: Arc<AtomicUsize>,
}

impl DigestWorkers {
    /// Starts one thread for every two cores: the others serve clients.
    ///
    /// # Errors
    /// Returns an error if no thread can be started.
    pub fn start() -> io::Result<Self> {
        let (sender, receiver) = channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..(cores() / 2).max(1) {
            let receiver = Arc::clone(&receiver);
            let thread = std::thread::Builder::new().name("digest".into());
            thread.spawn(move || work(&receiver))?;
        }
        Ok(Self {
            sender,
            waiting: Arc::default(),
            unfinished: Arc::default(),
        })
    }

    /// Returns whether digests of files that are closed are still being computed.
    pub fn are_busy(&self) -> bool {
        self.unfinished.load(Ordering::Acquire) > 0
    }

    /// Begins to hash what a handle writes. If the file is not empty, it will have no digest.
    pub fn begin(&self, is_empty: bool) -> UploadStream {
        UploadStream {
            hasher: Arc::new(StreamHasher {
                queue: Mutex::default(),
                digest: Mutex::new(Algorithm::Sha256.hasher()),
                sender: self.sender.clone(),
                waiting: Arc::clone(&self.waiting),
            }),
            unfinished: Arc::clone(&self.unfinished),
            next: 0,
            missing: (!is_empty).then_some(HAD_CONTENT),
        }
    }
}

fn work(receiver: &Mutex<Receiver<Arc<StreamHasher>>>) {
    loop {
        let next = receiver.lock().recv();
        let Ok(stream) = next else {
            return;
        };
        stream.hash();
    }
}

/// What one handle writes, as far as it is to be hashed.
pub struct UploadStream {
    hasher: Arc<StreamHasher>,
    unfinished: Arc<AtomicUsize>,
    /// The offset behind what was written so far.
    next: u64,
    /// Why there will be no digest.
    missing: Option<&'static str>,
}

impl UploadStream {
    /// Takes what was written at an offset.
    pub fn written(&mut self, data: &[u8], offset: u64) {
        if self.missing.is_some() || data.is_empty() {
            return;
        }
        if offset != self.next {
            self.give_up(NOT_IN_ORDER);
            return;
        }
        self.next += data.len() as u64;
        if !self.hasher.push(data) {
            self.give_up(TOO_FAST);
        }
    }

    /// Notes that the size was set, after which the content may be another one.
    pub fn resized(&mut self) {
        if self.missing.is_none() {
            self.give_up(RESIZED);
        }
    }

    fn give_up(&mut self, why: &'static str) {
        self.missing = Some(why);
        self.hasher.queue.lock().cancelled = true;
    }

    /// Calls `then` with the digest when it is known, or with why there is none. `size` is the final size of the file,
    /// and `shared` says whether another handle has written it meanwhile.
    pub fn finish(self, size: Option<u64>, shared: bool, then: impl FnOnce(UploadDigest) + Send + 'static) {
        let missing = match self.missing {
            None if shared => Some(SEVERAL_WRITERS),
            None if size != Some(self.next) => Some(OTHER_SIZE),
            missing => missing,
        };
        match missing {
            Some(why) => then(UploadDigest::Missing(why)),
            None => {
                let unfinished = UnfinishedDigest::new(self.unfinished);
                self.hasher.end(Box::new(move |digest| {
                    then(digest);
                    drop(unfinished);
                }));
            }
        }
    }
}

/// Counts one digest as unfinished until it is dropped.
struct UnfinishedDigest(Arc<AtomicUsize>);

impl UnfinishedDigest {
    fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for UnfinishedDigest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// Receives the digest of a file.
type DigestReceiver = Box<dyn FnOnce(UploadDigest) + Send>;

/// The bytes of one handle that wait to be hashed, and the digest of those before.
struct StreamHasher {
    queue: Mutex<HashQueue>,
    /// Only the thread that has the stream locks it.
    digest: Mutex<Box<dyn sha2::digest::DynDigest + Send>>,
    sender: Sender<Arc<StreamHasher>>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Default)]
struct HashQueue {
    pieces: VecDeque<Vec<u8>>,
    /// The bytes of the pieces, and what the pieces themselves cost.
    bytes: usize,
    /// Whether the stream waits for a thread, or has one.
    scheduled: bool,
    /// Whether nobody wants the digest any more.
    cancelled: bool,
    then: Option<DigestReceiver>,
}

impl StreamHasher {
    /// Adds bytes; returns `false` if too many wait already.
    fn push(self: &Arc<Self>, data: &[u8]) -> bool {
        let mut queue = self.queue.lock();
        let cost = data.len() + PIECE_COST;
        let waiting = self.waiting.fetch_add(cost, Ordering::Relaxed) + cost;
        if waiting > MOST_WAITING || queue.bytes + cost > MOST_WAITING_OF_ONE {
            self.waiting.fetch_sub(cost, Ordering::Relaxed);
            return false;
        }
        queue.bytes += cost;
        queue.pieces.push_back(data.to_vec());
        let is_new = !std::mem::replace(&mut queue.scheduled, true);
        drop(queue);
        // Without threads, nothing would be hashed.
        !is_new || self.sender.send(Arc::clone(self)).is_ok()
    }

    /// Has the digest passed on when all bytes are hashed.
    fn end(self: &Arc<Self>, then: DigestReceiver) {
        let mut queue = self.queue.lock();
        if queue.scheduled {
            queue.then = Some(then);
            return;
        }
        drop(queue);
        then(self.finish());
    }

    fn finish(&self) -> UploadDigest {
        let bytes = self.digest.lock().finalize_reset();
        match <[u8; 32]>::try_from(&*bytes) {
            Ok(digest) => UploadDigest::Sha256(digest),
            Err(_) => UploadDigest::Missing(OTHER_SIZE),
        }
    }

    /// Hashes what waits now. If more has come meanwhile, the stream waits for a thread again, behind the others.
    fn hash(self: &Arc<Self>) {
        let (pieces, bytes, cancelled) = {
            let mut queue = self.queue.lock();
            let bytes = std::mem::take(&mut queue.bytes);
            (std::mem::take(&mut queue.pieces), bytes, queue.cancelled)
        };
        if !cancelled {
            let mut digest = self.digest.lock();
            pieces.iter().for_each(|piece| digest.update(piece));
        }
        drop(pieces);
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        let mut queue = self.queue.lock();
        if !queue.pieces.is_empty() {
            drop(queue);
            // It fails only if there are no threads any more.
            let _ = self.sender.send(Arc::clone(self));
            return;
        }
        queue.scheduled = false;
        let then = queue.then.take();
        drop(queue);
        if let Some(then) = then {
            then(self.finish());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use base::visible::hex;

    /// Writes these pieces, and returns the digest.
    fn digest(is_empty: bool, pieces: &[(u64, &[u8])], size: u64) -> String {
        let workers = DigestWorkers::start().unwrap();
        let mut stream = workers.begin(is_empty);
        for (offset, data) in pieces {
            stream.written(data, *offset);
        }
        let (sender, receiver) = mpsc::channel();
        stream.finish(Some(size), false, move |digest| sender.send(digest).unwrap());
        match receiver.recv().unwrap() {
            UploadDigest::Sha256(digest) => hex(&digest),
            UploadDigest::Missing(why) => why.to_owned(),
        }
    }

    #[test]
    fn only_a_file_that_was_written_in_order_has_a_digest() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(true, &[(0, b"abc")], 3), abc);
        assert_eq!(digest(true, &[(0, b"a"), (1, b""), (1, b"bc")], 3), abc);
        assert_eq!(digest(true, &[], 0), nothing);
        assert_eq!(digest(true, &[(0, b"a"), (2, b"c"), (1, b"b")], 3), NOT_IN_ORDER);
        assert_eq!(digest(true, &[(0, b"abc"), (0, b"a")], 3), NOT_IN_ORDER);
        assert_eq!(digest(false, &[(0, b"abc")], 3), HAD_CONTENT);
        assert_eq!(digest(true, &[(0, b"abc")], 4), OTHER_SIZE);
    }

    #[test]
    fn a_long_file_is_hashed_as_it_comes() {
        let piece = vec![7; 32 * 1024];
        let pieces: Vec<(u64, &[u8])> = (0..200).map(|n| (n * piece.len() as u64, &piece[..])).collect();
        let mut hasher = Algorithm::Sha256.hasher();
        pieces.iter().for_each(|(_, piece)| hasher.update(piece));
        let expected = hex(&hasher.finalize());
        assert_eq!(digest(true, &pieces, 200 * piece.len() as u64), expected);
    }

    #[test]
    fn bytes_that_come_too_fast_are_given_up_and_their_room_is_free_again() {
        let (sender, receiver) = channel();
        // Nobody hashes.
        let workers = DigestWorkers {
            sender,
            waiting: Arc::default(),
            unfinished: Arc::default(),
        };
        let mut stream = workers.begin(true);
        let piece = vec![0; 1 << 20];
        for n in 0..20 {
            stream.written(&piece, n << 20);
        }
        assert_eq!(stream.missing, Some(TOO_FAST));
        let waiting = workers.waiting.load(Ordering::Relaxed);
        assert!((MOST_WAITING_OF_ONE - (2 << 20)..=MOST_WAITING_OF_ONE).contains(&waiting));
        receiver.recv().unwrap().hash();
        assert_eq!(workers.waiting.load(Ordering::Relaxed), 0);

        // Many small pieces take memory, too.
        let mut stream = workers.begin(true);
        let most = (MOST_WAITING_OF_ONE / PIECE_COST) as u64;
        assert!((0..most).any(|n| {
            stream.written(b"x", n);
            stream.missing == Some(TOO_FAST)
        }));
    }

    #[test]
    fn a_closed_file_is_unfinished_until_its_digest_was_passed_on() {
        let (sender, receiver) = channel();
        let workers = DigestWorkers {
            sender,
            waiting: Arc::default(),
            unfinished: Arc::default(),
        };
        let workers = Arc::new(workers);
        let mut stream = workers.begin(true);
        stream.written(b"abc", 0);
        assert!(!workers.are_busy(), "the file is still open");
        let (seen, busy) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&workers));
        let passed_on = Arc::clone(&seen);
        stream.finish(Some(3), false, move |_| {
            passed_on.store(1 + usize::from(busy.are_busy()), Ordering::Relaxed);
        });
        assert!(workers.are_busy());
        receiver.recv().unwrap().hash();
        assert_eq!(seen.load(Ordering::Relaxed), 2, "while it is passed on, too");
        assert!(!workers.are_busy());
        // One that is given up is not waited for.
        let mut stream = workers.begin(false);
        stream.written(b"abc", 0);
        stream.finish(Some(3), false, |_| {});
        assert!(!workers.are_busy());
    }
}
