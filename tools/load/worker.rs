//! The work of one channel, sans-io: it takes replies and returns requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use sftp_wire::frame::next_reply;
use sftp_wire::{Attributes, OpenFlags, Reply, Request, StatusCode, encode_init};

use crate::plan::{Kind, Plan};
use crate::report::Totals;

/// The number of READs of the greedy work: one below what the server disconnects for.
const GREEDY_READS: u32 = 399_000;
const GREEDY_OPENS: u32 = 1_000;
/// The flags with which a writer opens its file.
const REPLACE: OpenFlags = OpenFlags::WRITE.with(OpenFlags::CREAT).with(OpenFlags::TRUNC);

/// The purpose of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// The request opens the file that all operations use.
    Setup,
    /// The reply to this request starts the work.
    Kick,
    Read,
    Write,
    Stat,
    /// The OPEN of a small file, before its WRITE and CLOSE.
    SmallOpen,
    SmallWrite,
    SmallClose,
    ListOpen,
    ListRead,
    ListClose,
}

struct Pending {
    purpose: Purpose,
    begun: Instant,
    handle: Vec<u8>,
}

/// The state of the work on one channel.
pub struct Worker {
    plan: Plan,
    totals: Arc<Totals>,
    /// The prefix of the names that this worker uses.
    name: String,
    buffer: BytesMut,
    pending: HashMap<u32, Pending>,
    /// The number of operations under way.
    under_way: usize,
    next_id: u32,
    handle: Vec<u8>,
    offset: u64,
    block: Vec<u8>,
    until: Option<Instant>,
    files: u64,
    ready: bool,
}

impl Worker {
    pub fn new(plan: &Plan, name: String, totals: &Arc<Totals>) -> Self {
        Self {
            plan: plan.clone(),
            totals: Arc::clone(totals),
            name,
            buffer: BytesMut::new(),
            pending: HashMap::new(),
            under_way: 0,
            next_id: 1,
            handle: Vec::new(),
            offset: 0,
            block: (0..plan.size).map(|n| n.to_be_bytes()[3]).collect(),
            until: None,
            files: 0,
            ready: false,
        }
    }

    /// Whether the worker is ready to start.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether no operation is under way. The requests of the greedy work do not count, because nothing reads their
    /// replies.
    pub fn is_done(&self) -> bool {
        self.pending.is_empty()
    }

    /// Returns the first packet of the session, INIT.
    pub fn hello(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        encode_init(sftp_wire::VERSION, &mut out);
        out
    }

    /// Starts the work and returns the first requests.
    pub fn start(&mut self, until: Instant) -> Vec<u8> {
        self.until = Some(until);
        let mut out = Vec::new();
        if self.plan.kind == Kind::Greedy {
            // The replies are never read, so there is none to wait for.
            self.ask_for_too_much(&mut out);
        } else if self.plan.pace.is_none() {
            // Most requests are sent where replies are taken. Data that is sent from elsewhere may be split, and those
            // requests could get between its parts.
            let kick = Request::Realpath { path: b"." };
            self.ask(&kick, Purpose::Kick, Instant::now(), &mut out);
        }
        out
    }

    /// Returns the requests of one more operation, because its time has come.
    pub fn tick(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.begin(&mut out);
        out
    }

    /// Processes bytes from the server, and returns the bytes to send.
    pub fn take(&mut self, data: &[u8]) -> Vec<u8> {
        self.buffer.extend_from_slice(data);
        let mut out = Vec::new();
        while let Ok(Some((id, reply))) = next_reply(&mut self.buffer) {
            self.reply(id, reply, &mut out);
        }
        out
    }

    fn ask(&mut self, request: &Request<'_>, purpose: Purpose, begun: Instant, out: &mut Vec<u8>) -> u32 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        request.encode(id, out);
        self.pending.insert(
            id,
            Pending {
                purpose,
                begun,
                handle: Vec::new(),
            },
        );
        id
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.until.is_none_or(|until| Instant::now() >= until) {
            return;
        }
        let now = Instant::now();
        let (handle, offset) = (self.handle.clone(), self.offset);
        self.under_way += 1;
        match self.plan.kind {
            Kind::Read => {
                self.offset += u64::from(self.plan.size);
                let length = self.plan.size;
                let read = Request::Read {
                    handle: &handle,
                    offset,
                    length,
                };
                self.ask(&read, Purpose::Read, now, out);
            }
            Kind::Write => {
                self.offset = (offset + u64::from(self.plan.size)) % self.plan.largest;
                let data = std::mem::take(&mut self.block);
                let write = Request::Write {
                    handle: &handle,
                    offset,
                    data: &data,
                };
                self.ask(&write, Purpose::Write, now, out);
                self.block = data;
            }
            Kind::Stat => {
                let path = self.plan.file.clone();
                self.ask(&Request::Stat { path: &path }, Purpose::Stat, now, out);
            }
            Kind::Small => {
                self.files += 1;
                let path = [
                    &self.plan.dir[..],
                    format!("{}-{}", self.name, self.files).as_bytes(),
                ]
                .concat();
                let open = Request::Open {
                    path: &path,
                    flags: REPLACE,
                    attrs: Attributes::default(),
                };
                self.ask(&open, Purpose::SmallOpen, now, out);
            }
            Kind::List => {
                let path = match self.plan.dir.is_empty() {
                    true => b".".to_vec(),
                    false => self.plan.dir.clone(),
                };
                self.ask(&Request::Opendir { path: &path }, Purpose::ListOpen, now, out);
            }
            Kind::Signin | Kind::Idle | Kind::Greedy => self.under_way -= 1,
        }
    }

    /// Appends OPENs and READs, as many of each as the server accepts from one channel.
    fn ask_for_too_much(&self, out: &mut Vec<u8>) {
        for id in 0..GREEDY_OPENS {
            let open = Request::Open {
                path: &self.plan.file,
                flags: OpenFlags::READ,
                attrs: Attributes::default(),
            };
            open.encode(id, out);
        }
        for id in 0..GREEDY_READS {
            let read = Request::Read {
                handle: &self.handle,
                offset: 0,
                length: self.plan.size,
            };
            read.encode(id, out);
        }
    }

    /// Returns the time until which nothing may be read from the socket, if this is a greedy worker that has started.
    pub fn is_deaf(&self) -> Option<Instant> {
        self.until.filter(|_| self.plan.kind == Kind::Greedy)
    }

    fn setup(&mut self, out: &mut Vec<u8>) {
        let (path, flags) = match self.plan.kind {
            Kind::Read | Kind::Greedy => (self.plan.file.clone(), OpenFlags::READ),
            Kind::Write => {
                let path = [&self.plan.dir[..], self.name.as_bytes()].concat();
                (path, REPLACE)
            }
            Kind::Small | Kind::Stat | Kind::List | Kind::Signin | Kind::Idle => {
                self.ready = true;
                return;
            }
        };
        let open = Request::Open {
            path: &path,
            flags,
            attrs: Attributes::default(),
        };
        self.ask(&open, Purpose::Setup, Instant::now(), out);
    }

    fn reply(&mut self, id: u32, reply: Reply<Bytes>, out: &mut Vec<u8>) {
        if matches!(reply, Reply::Version { .. }) {
            return self.setup(out);
        }
        let Some(pending) = self.pending.remove(&id) else {
            return self.totals.failed();
        };
        let begun = pending.begun;
        match (pending.purpose, reply) {
            (_, Reply::Handle(handle)) => self.opened(&pending, &handle, out),
            (_, Reply::Status { code, .. }) => self.status(&pending, code, out),
            (Purpose::Kick, Reply::Names(_)) => {
                for _ in 0..self.plan.depth {
                    self.begin(out);
                }
            }
            (Purpose::Read, Reply::Data(data)) => self.done(begun, data.len() as u64, out),
            (Purpose::Stat, Reply::Attrs(_)) => self.done(begun, 0, out),
            (Purpose::ListRead, Reply::Names(_)) => self.list_on(pending.handle, begun, out),
            _ => self.unexpected(),
        }
    }

    fn opened(&mut self, pending: &Pending, handle: &Bytes, out: &mut Vec<u8>) {
        match pending.purpose {
            Purpose::Setup => {
                self.handle = handle.to_vec();
                self.ready = true;
            }
            Purpose::SmallOpen => {
                let data = std::mem::take(&mut self.block);
                let write = Request::Write {
                    handle,
                    offset: 0,
                    data: &data,
                };
                self.ask(&write, Purpose::SmallWrite, pending.begun, out);
                self.block = data;
                let close = Request::Close { handle };
                self.ask(&close, Purpose::SmallClose, pending.begun, out);
            }
            Purpose::ListOpen => self.list_on(handle.to_vec(), pending.begun, out),
            _ => self.unexpected(),
        }
    }

    fn status(&mut self, pending: &Pending, code: StatusCode, out: &mut Vec<u8>) {
        let begun = pending.begun;
        match (pending.purpose, code) {
            (Purpose::Read, StatusCode::Eof) => {
                self.offset = 0;
                self.done(begun, 0, out);
            }
            (Purpose::ListRead, StatusCode::Eof) => {
                let handle = &pending.handle;
                self.ask(&Request::Close { handle }, Purpose::ListClose, begun, out);
            }
            (Purpose::SmallWrite, StatusCode::Ok) => {}
            (Purpose::Write | Purpose::SmallClose, StatusCode::Ok) => {
                self.done(begun, u64::from(self.plan.size), out);
            }
            (Purpose::ListClose, StatusCode::Ok) => self.done(begun, 0, out),
            _ => self.unexpected(),
        }
    }

    /// Counts an operation whose reply is an error, or not of the expected type.
    fn unexpected(&mut self) {
        self.totals.failed();
        self.under_way = self.under_way.saturating_sub(1);
        self.ready = true;
    }

    fn list_on(&mut self, handle: Vec<u8>, begun: Instant, out: &mut Vec<u8>) {
        let id = self.ask(
            &Request::Readdir { handle: &handle },
            Purpose::ListRead,
            begun,
            out,
        );
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.handle = handle;
        }
    }

    fn done(&mut self, begun: Instant, bytes: u64, out: &mut Vec<u8>) {
        self.under_way = self.under_way.saturating_sub(1);
        self.totals.done(begun.elapsed(), bytes);
        if self.plan.pace.is_none() {
            self.begin(out);
        }
    }
}
