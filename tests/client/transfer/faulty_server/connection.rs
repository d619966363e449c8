//! One connection to the faulty server: the SSH callbacks, and the reply to each request.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use md5::Digest as _;
use russh::server::{self, Auth, Handler, Session};
use russh::{Channel, ChannelId};
use sftp_wire::extension::{ContinueHashQuery, Md5HashReply, Md5Query};
use sftp_wire::frame::{LENGTH_FIELD, request_length};
use sftp_wire::{
    Announcement, Attributes, ExtendedReply as _, ExtendedRequest, Extension, Name, NamesReply, OpenFlags,
    Packet, PacketType, Reply, Request, StatusCode, Times,
};

use super::continued::continued;
use super::counters::{HashedBytes, SharedCounters};
use super::replies::{attributes, flip, no_such_file, status};
use super::{Faults, Files, HashFault};

/// The state of one connection.
#[derive(Default)]
pub(super) struct FaultyConnection {
    faults: Arc<Faults>,
    files: Files,
    counters: Arc<SharedCounters>,
    /// The number of connections to the server before this one.
    earlier: usize,
    buffer: Vec<u8>,
    handles: HashMap<Vec<u8>, Vec<u8>>,
    requests: usize,
    /// Whether the first READ or WRITE has been answered.
    was_late: bool,
    /// The number of READDIRs that were answered.
    listed: usize,
    /// The replies to READs that are held back, so that later ones are sent first.
    waiting: Vec<Bytes>,
    /// Whether a READ began at or behind the end of a file. From then on nothing is held back, because no more READs
    /// may come.
    probed: bool,
}

impl Handler for FaultyConnection {
    type Error = russh::Error;

    async fn auth_none(&mut self, _user: &str) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<server::Msg>,
        reply: server::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.earlier == 0 && self.faults.dies_at_command {
            return session.disconnect(russh::Disconnect::ByApplication, "enough", "en");
        }
        let Some(shell) = &self.faults.shell else {
            session.channel_failure(channel)?;
            return session.close(channel);
        };
        let text = String::from_utf8_lossy(command).into_owned();
        self.counters.commands.lock().unwrap().push(text);
        session.channel_success(channel)?;
        let (output, code) = shell.run(command, &self.files.lock().unwrap());
        let (session, quiet) = (session.handle(), shell.starts_when_quiet);
        let counters = Arc::clone(&self.counters);
        // SFTP goes on meanwhile.
        tokio::spawn(async move {
            counters.wait_for_quiet(quiet).await;
            // The client may have gone.
            let _ = session.data(channel, output).await;
            let _ = session.exit_status_request(channel, code).await;
            let _ = session.close(channel).await;
        });
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.buffer.extend_from_slice(data);
        while let Some(length) = request_length(&self.buffer).unwrap() {
            if self.buffer.len() < LENGTH_FIELD + length {
                break;
            }
            let packet = self.buffer[LENGTH_FIELD..LENGTH_FIELD + length].to_vec();
            self.buffer.drain(..LENGTH_FIELD + length);
            self.requests += 1;
            let is_over = self.faults.dies_after.is_some_and(|after| self.requests > after);
            if self.earlier <= self.faults.dies_again && is_over {
                // Only the newest of the replies that are held back is sent.
                self.waiting.drain(..self.waiting.len().saturating_sub(1));
                self.send_waiting(channel, session)?;
                return session.disconnect(russh::Disconnect::ByApplication, "enough", "en");
            }
            let packet_type = PacketType::of(&packet);
            let moves = matches!(packet_type, Some(PacketType::Read | PacketType::Write));
            if moves && !std::mem::replace(&mut self.was_late, true) {
                tokio::time::sleep(self.faults.late).await;
            }
            let reply = self.answer(&packet);
            if packet_type == Some(PacketType::Read) && !self.probed {
                self.waiting.push(reply);
                // On a later connection, fewer READs may be left than would be held back.
                let in_order = self.faults.dies_after.is_some() && self.earlier > 0;
                if !in_order && self.waiting.len() < self.faults.backwards {
                    continue;
                }
            } else {
                self.waiting.insert(0, reply);
            }
            self.send_waiting(channel, session)?;
        }
        Ok(())
    }
}

impl FaultyConnection {
    /// Creates the state of a new connection, and counts it.
    pub fn new(faults: Arc<Faults>, files: Files, counters: Arc<SharedCounters>) -> Self {
        let earlier = counters.connections.fetch_add(1, SeqCst);
        let files = match &faults.second_server {
            Some(second) if earlier > 0 => Arc::clone(second),
            _ => files,
        };
        Self {
            earlier,
            faults,
            files,
            counters,
            ..Self::default()
        }
    }

    fn send_waiting(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        for reply in self.waiting.drain(..).rev() {
            session.data(channel, reply)?;
        }
        Ok(())
    }

    fn answer(&mut self, packet: &[u8]) -> Bytes {
        match Packet::decode(packet) {
            Packet::Init { .. } => self.version(),
            Packet::Request { id, request } => self.request(id, request),
            Packet::Bad { .. } => panic!("our client sends {packet:?}"),
        }
    }

    fn version(&self) -> Bytes {
        let offered = [
            (Extension::Md5Hash, !self.faults.no_hashes),
            (Extension::ContinueHash, self.faults.continues_hashes),
        ];
        let offered = offered.into_iter().filter(|(_, is_offered)| *is_offered);
        let extensions = offered
            .map(|(extension, _)| Announcement {
                name: extension.name().as_bytes(),
                data: b"1",
            })
            .collect();
        let version = sftp_wire::VERSION;
        Reply::<&[u8]>::Version { version, extensions }.to_bytes(0)
    }

    fn request(&mut self, id: u32, request: Request<'_>) -> Bytes {
        match request {
            Request::Open { path, flags, .. } => self.open(id, path, flags),
            Request::Remove { path } => self.remove(id, path),
            Request::Rename { from, to } => self.rename(id, from, to),
            Request::Opendir { path } => self.handle(id, path),
            Request::Mkdir { path, .. } if self.faults.refuses_mkdir.as_deref() == Some(path) => {
                status(id, StatusCode::PermissionDenied, "Permission denied")
            }
            Request::Read {
                handle,
                offset,
                length,
            } => self.read(id, handle, offset, length),
            Request::Write { handle, offset, data } => self.write(id, handle, offset, data),
            Request::Stat { path } | Request::Lstat { path } => self.attrs(id, path),
            Request::Fstat { handle } => self.attrs(id, &self.handles[handle].clone()),
            Request::Setstat { attrs, .. } | Request::Fsetstat { attrs, .. }
                if self.faults.refuses_times && attrs.times.is_some() =>
            {
                status(id, StatusCode::PermissionDenied, "Permission denied")
            }
            Request::Setstat { path, attrs } => self.set(id, path, attrs),
            Request::Realpath { path } => NamesReply::single(id, path),
            Request::Readdir { .. } => self.names(id),
            Request::Extended(ExtendedRequest::Md5Hash { path, query }) if !self.faults.no_hashes => {
                self.md5(id, path, query)
            }
            Request::Extended(ExtendedRequest::ContinueHash { handle, query }) => {
                self.continued(id, handle, query)
            }
            Request::Extended(_) => status(id, StatusCode::OpUnsupported, "no"),
            _ => status(id, StatusCode::Ok, ""),
        }
    }

    fn handle(&mut self, id: u32, path: &[u8]) -> Bytes {
        let handle = (self.handles.len() as u32).to_be_bytes().to_vec();
        self.handles.insert(handle.clone(), path.to_vec());
        Reply::Handle(&handle[..]).to_bytes(id)
    }

    fn remove(&self, id: u32, path: &[u8]) -> Bytes {
        match self.files.lock().unwrap().remove(path) {
            Some(_) => status(id, StatusCode::Ok, ""),
            None => no_such_file(id),
        }
    }

    /// Renames a file. As the protocol has it, it does not replace another.
    fn rename(&self, id: u32, from: &[u8], to: &[u8]) -> Bytes {
        let mut files = self.files.lock().unwrap();
        if files.contains_key(to) {
            return status(id, StatusCode::Failure, "Failure");
        }
        match files.remove(from) {
            Some(content) => {
                files.insert(to.to_vec(), content);
                status(id, StatusCode::Ok, "")
            }
            None => no_such_file(id),
        }
    }

    fn open(&mut self, id: u32, path: &[u8], flags: OpenFlags) -> Bytes {
        if self.faults.refuses_open.as_deref() == Some(path) {
            return status(id, StatusCode::PermissionDenied, "Permission denied");
        }
        let mut files = self.files.lock().unwrap();
        if !flags.contains(OpenFlags::CREAT) && !files.contains_key(path) {
            return no_such_file(id);
        }
        let file = files.entry(path.to_vec()).or_default();
        let empties = self.faults.empties_opened && flags.contains(OpenFlags::WRITE);
        if empties || flags.contains(OpenFlags::TRUNC) {
            file.clear();
        }
        drop(files);
        self.counters.opened.fetch_add(1, SeqCst);
        self.handle(id, path)
    }

    fn refuses(&self, offset: u64) -> bool {
        self.faults.refuses == Some(offset) && self.counters.refused.fetch_add(1, SeqCst) == 0
    }

    fn read(&mut self, id: u32, handle: &[u8], offset: u64, length: u32) -> Bytes {
        if self.refuses(offset) {
            return status(id, StatusCode::Failure, "the disk \u{1b}[31mbroke");
        }
        let files = self.files.lock().unwrap();
        let content = files.get(&self.handles[handle]).unwrap();
        let rest = content.get(offset as usize..).unwrap_or_default();
        let count = rest
            .len()
            .min(length as usize)
            .min(self.faults.short.unwrap_or(usize::MAX));
        self.probed |= rest.is_empty();
        match count {
            0 => status(id, StatusCode::Eof, "End of file"),
            count => {
                let mut data = rest[..count].to_vec();
                flip(&mut data, offset, self.faults.reads_flipped);
                Reply::Data(&data[..]).to_bytes(id)
            }
        }
    }

    fn write(&mut self, id: u32, handle: &[u8], offset: u64, data: &[u8]) -> Bytes {
        if self.refuses(offset) {
            return status(id, StatusCode::Failure, "the disk \u{1b}[31mbroke");
        }
        let mut data = data.to_vec();
        flip(&mut data, offset, self.faults.flips);
        let mut files = self.files.lock().unwrap();
        let content = files.get_mut(&self.handles[handle]).unwrap();
        let end = offset as usize + data.len();
        content.resize(content.len().max(end), 0);
        content[offset as usize..end].copy_from_slice(&data);
        status(id, StatusCode::Ok, "")
    }

    fn attrs(&mut self, id: u32, path: &[u8]) -> Bytes {
        let attrs = match self.files.lock().unwrap().get(path) {
            _ if self.faults.directory.as_deref() == Some(path) => attributes(0, 0o040_755),
            Some(content) => {
                let size = (content.len() as u64).saturating_add_signed(self.faults.size_lie);
                let times = self.faults.modified.map(|modified| Times {
                    accessed: modified,
                    modified,
                });
                Attributes {
                    times,
                    ..attributes(size, 0o100_644)
                }
            }
            None => return status(id, StatusCode::NoSuchFile, "No such file"),
        };
        Reply::<&[u8]>::Attrs(attrs).to_bytes(id)
    }

    /// Sets the size; other attributes are ignored.
    fn set(&mut self, id: u32, path: &[u8], attrs: Attributes) -> Bytes {
        if let Some(size) = attrs.size {
            let mut files = self.files.lock().unwrap();
            let content = files.get_mut(path).unwrap();
            content.resize(size as usize, 0);
        }
        status(id, StatusCode::Ok, "")
    }

    fn names(&mut self, id: u32) -> Bytes {
        self.listed += 1;
        if self.listed > 1 && self.faults.listing_fails {
            return status(id, StatusCode::Failure, "Failure");
        }
        if self.listed > 1 {
            return status(id, StatusCode::Eof, "End of file");
        }
        let entry = |name: &Vec<u8>| Name {
            name: Bytes::copy_from_slice(name),
            long: Bytes::copy_from_slice(name),
            attrs: attributes(5, 0o100_644),
        };
        Reply::Names(self.faults.names.iter().map(entry).collect()).to_bytes(id)
    }

    /// Goes on with the client's hash over the bytes that are stored.
    fn continued(&self, id: u32, handle: &[u8], query: ContinueHashQuery<'_>) -> Bytes {
        let files = self.files.lock().unwrap();
        let content = &files[&self.handles[handle]];
        self.note_hash(query.offset, query.length, content);
        continued(id, content, query, self.faults.hashes == HashFault::Lie)
    }

    fn note_hash(&self, offset: u64, length: u64, content: &[u8]) {
        let size = content.len() as u64;
        let mut hashed = self.counters.hashed.lock().unwrap();
        hashed.push(HashedBytes { offset, length, size });
    }

    /// Hashes the bytes that are stored.
    fn md5(&mut self, id: u32, path: &[u8], query: Md5Query<'_>) -> Bytes {
        let Md5Query { offset, length, .. } = query;
        let files = self.files.lock().unwrap();
        let Some(content) = files.get(path) else {
            return no_such_file(id);
        };
        self.note_hash(offset, length, content);
        let end = match length {
            0 => content.len(),
            length => content.len().min((offset + length) as usize),
        };
        let mut hash = md5::Md5::digest(&content[offset as usize..end]).to_vec();
        match self.faults.hashes {
            HashFault::None => {}
            HashFault::OfNothing => hash = md5::Md5::digest(b"").to_vec(),
            HashFault::Short => drop(hash.pop()),
            HashFault::Lie => hash[0] ^= 1,
            HashFault::Denied => return status(id, StatusCode::PermissionDenied, ""),
        }
        let name = b"md5-hash";
        Md5HashReply { name, hash: &hash }.to_bytes(id)
    }
}
