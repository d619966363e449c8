//! Random mixes of requests, each with the only reply that is possible if their order is kept.
//!
//! Requests are sent while earlier ones are pending, so the model applies their effects to the scratch file at once: a
//! READ that overtakes a WRITE, or the reverse, returns other bytes than expected.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use testkit::packets::{
    Attrs, CREAT, Handle, READ, Request, WRITE, bogus, close, copy_data, extended_handle, fsetstat, fstat,
    open, opendir, read, readdir, stat, write,
};
use testkit::random::Random;
use testkit::replies::Reply;

/// A file that is only read, with its content.
#[derive(Clone)]
pub struct Fixed {
    pub handle: Vec<u8>,
    pub content: Arc<Vec<u8>>,
}

/// The expected reply to a request.
pub enum Expected {
    Data(Fixed, Range<usize>),
    Bytes(Vec<u8>),
    Status(u32),
    Size(u64),
    Handle(Opened),
    /// A part of the listing of this handle, or its end.
    Names(Vec<u8>),
}

/// The use of a handle that the server returns.
#[derive(Clone, Copy)]
pub enum Opened {
    File,
    Directory,
}

/// The files of a mix, and the content of the scratch file after all requests so far.
pub struct Mix {
    random: Random,
    pub warm: Fixed,
    pub cold: Fixed,
    pub scratch_handle: Vec<u8>,
    pub scratch: Vec<u8>,
    spare: Vec<Vec<u8>>,
    directories: Vec<Vec<u8>>,
    /// The number of names seen so far in each listing.
    seen: HashMap<Vec<u8>, usize>,
}

/// The limit on the size of the scratch file, in bytes.
const SCRATCH: u64 = 512 * 1024;
/// The number of entries of the listed directory, including `.` and `..`.
pub const ENTRIES: usize = 250;
const OK: u32 = 0;
const EOF: u32 = 1;

impl Mix {
    pub fn new(seed: u64, warm: Fixed, cold: Fixed, scratch_handle: Vec<u8>) -> Self {
        Self {
            random: Random::new(seed),
            warm,
            cold,
            scratch_handle,
            scratch: Vec::new(),
            spare: Vec::new(),
            directories: Vec::new(),
            seen: HashMap::new(),
        }
    }

    /// Returns how many requests to put into one message.
    pub fn burst(&mut self) -> u64 {
        match self.random.within(0..3) {
            0 => 1,
            1 => self.random.within(2..20),
            _ => self.random.within(20..200),
        }
    }

    /// Adds a handle for later requests.
    pub fn opened(&mut self, what: Opened, handle: Vec<u8>) {
        match what {
            Opened::File => self.spare.push(handle),
            Opened::Directory => self.directories.push(handle),
        }
    }

    /// Counts the names of a part of a listing.
    pub fn listed(&mut self, handle: &[u8], reply: &Reply) {
        let seen = self.seen.entry(handle.to_vec()).or_default();
        match reply {
            Reply::Names(names) => *seen += names.len(),
            Reply::Status { code: EOF, .. } => assert_eq!(*seen, ENTRIES, "the listing lacks names"),
            other => panic!("{other:?} is no listing"),
        }
    }

    /// Returns the next request and its expected reply.
    pub fn next(&mut self) -> (Request, Expected) {
        match self.random.within(0..100) {
            0..28 => self.read_fixed(self.warm.clone()),
            28..40 => self.read_fixed(self.cold.clone()),
            40..55 => self.read_scratch(),
            55..72 => self.write_scratch(),
            72..79 => (stat("mix/scratch"), Expected::Size(self.scratch.len() as u64)),
            79..83 => {
                let size = self.scratch.len() as u64;
                (fstat(bogus(&self.scratch_handle)), Expected::Size(size))
            }
            83..86 => {
                let size = self.random.within(0..SCRATCH);
                self.scratch.resize(size as usize, 0);
                let request = fsetstat(bogus(&self.scratch_handle), &Attrs::size(size));
                (request, Expected::Status(OK))
            }
            86..88 => {
                let request = extended_handle("fsync@openssh.com", bogus(&self.scratch_handle));
                (request, Expected::Status(OK))
            }
            88..91 => self.copy(),
            91..93 => {
                let name = format!("mix/spare-{}", self.random.within(0..20));
                (open(name, READ | WRITE | CREAT), Expected::Handle(Opened::File))
            }
            93..95 => match self.spare.pop() {
                Some(handle) => (close(bogus(&handle)), Expected::Status(OK)),
                None => (stat("mix/nothing"), Expected::Status(2)),
            },
            95..96 => (opendir("many"), Expected::Handle(Opened::Directory)),
            _ => match self.directories.last() {
                Some(handle) if self.random.within(0..8) > 0 => {
                    (readdir(bogus(handle)), Expected::Names(handle.clone()))
                }
                Some(_) => {
                    let handle = self.directories.pop().unwrap_or_default();
                    (close(bogus(&handle)), Expected::Status(OK))
                }
                None => (opendir("many"), Expected::Handle(Opened::Directory)),
            },
        }
    }

    fn read_fixed(&mut self, file: Fixed) -> (Request, Expected) {
        let size = file.content.len() as u64;
        // Some READs are at the end of the file or beyond it.
        let offset = self.random.within(0..size + 1000);
        let length = match self.random.within(0..4) {
            0 => self.random.within(1..500),
            1 => 261_120,
            _ => 32_768,
        };
        let request = read(bogus(&file.handle), offset, length as u32);
        if offset >= size {
            return (request, Expected::Status(EOF));
        }
        let end = (offset + length).min(size);
        (request, Expected::Data(file, offset as usize..end as usize))
    }

    fn read_scratch(&mut self) -> (Request, Expected) {
        let offset = self.random.within(0..SCRATCH) as usize;
        let length = self.random.within(1..40_000) as usize;
        let request = read(bogus(&self.scratch_handle), offset as u64, length as u32);
        let end = (offset + length).min(self.scratch.len());
        let expected = match self.scratch.get(offset..end) {
            Some(bytes) if !bytes.is_empty() => Expected::Bytes(bytes.to_vec()),
            _ => Expected::Status(EOF),
        };
        (request, expected)
    }

    fn write_scratch(&mut self) -> (Request, Expected) {
        let length = match self.random.within(0..3) {
            0 => self.random.within(1..100),
            1 => 32_768,
            _ => self.random.within(100..20_000),
        } as usize;
        let offset = self.random.within(0..SCRATCH) as usize;
        let from = self.random.within(0..(self.warm.content.len() - length) as u64) as usize;
        let data = self.warm.content[from..from + length].to_vec();
        self.put(offset, &data);
        let request = write(bogus(&self.scratch_handle), offset as u64, data);
        (request, Expected::Status(OK))
    }

    fn copy(&mut self) -> (Request, Expected) {
        let length = self.random.within(1..100_000) as usize;
        let from = self.random.within(0..(self.warm.content.len() - length) as u64) as usize;
        let into = self.random.within(0..SCRATCH) as usize;
        let content = Arc::clone(&self.warm.content);
        self.put(into, &content[from..from + length]);
        let (source, target): (Handle, Handle) = (bogus(&self.warm.handle), bogus(&self.scratch_handle));
        let request = copy_data(source, from as u64, length as u64, target, into as u64);
        (request, Expected::Status(OK))
    }

    fn put(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        if self.scratch.len() < end {
            self.scratch.resize(end, 0);
        }
        self.scratch[offset..end].copy_from_slice(data);
    }
}

impl Expected {
    /// Asserts that the reply is the expected one, without printing a megabyte.
    pub fn check(&self, number: u32, reply: &Reply) {
        let same = |wanted: &[u8]| match reply {
            Reply::Data(data) => {
                let at = data.iter().zip(wanted).position(|(a, b)| a != b);
                assert!(
                    data == wanted,
                    "request {number}: {} bytes came, {} expected, the first difference at {at:?}",
                    data.len(),
                    wanted.len()
                );
            }
            other => panic!("request {number}: {other:?} instead of {} bytes", wanted.len()),
        };
        match self {
            Expected::Data(file, range) => same(&file.content[range.clone()]),
            Expected::Bytes(bytes) => same(bytes),
            Expected::Status(wanted) => match reply {
                Reply::Status { code, .. } if code == wanted => {}
                Reply::Data(data) => panic!("request {number}: {} bytes, not status {wanted}", data.len()),
                other => panic!("request {number}: {other:?} instead of status {wanted}"),
            },
            Expected::Size(wanted) => match reply {
                Reply::Attrs(attrs) => assert_eq!(attrs.size, Some(*wanted), "request {number}: the size"),
                other => panic!("request {number}: {other:?} instead of attributes"),
            },
            Expected::Handle(_) => assert!(matches!(reply, Reply::Handle(_)), "request {number}: {reply:?}"),
            Expected::Names(_) => assert!(
                matches!(reply, Reply::Names(_) | Reply::Status { code: EOF, .. }),
                "request {number}: {reply:?}"
            ),
        }
    }
}
