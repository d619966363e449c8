//! Random sequences of what clients do, compared with a model: the bytes that the server says it has are the bytes that
//! were sent to it.
//!
//! `HOMEPORT_TEST_ROUNDS=50` makes more of them.

use std::fs;

use testkit::random::{Random, noise};
use testkit::wait_for;

use super::tus_client::{OpenRequest, TusClient, WRITTEN};
use super::{expect_exact_use, parts, start, uploaded};

/// An upload, as its client has to believe it is.
struct ModelUpload {
    name: String,
    path: String,
    content: Vec<u8>,
    /// The least and the most bytes that the server can have.
    least: u64,
    most: u64,
    /// A request whose body is not complete.
    open: Option<OpenRequest>,
}

impl ModelUpload {
    fn create(alice: &TusClient, number: u64, random: &mut Random) -> Self {
        let size = random.within(0..2_000_000);
        let content = noise(usize::try_from(size).unwrap(), number);
        let name = format!("f{number}");
        Self {
            path: alice.create(&format!("/{name}"), size),
            name,
            content,
            least: 0,
            most: 0,
            open: None,
        }
    }

    fn size(&self) -> u64 {
        self.content.len() as u64
    }

    fn bytes(&self, from: u64, to: u64) -> &[u8] {
        let at = |offset: u64| usize::try_from(offset).unwrap();
        &self.content[at(from)..at(to)]
    }

    /// Asks for the offset, and checks that it is possible.
    fn look(&mut self, alice: &TusClient) -> u64 {
        let offset = alice.offset(&self.path);
        let possible = self.least..=self.most;
        assert!(
            possible.contains(&offset),
            "{}: {offset} is not in {possible:?}",
            self.name
        );
        self.least = offset;
        offset
    }

    /// Sends a piece of random length, correct or not.
    fn patch(&mut self, alice: &TusClient, random: &mut Random) {
        let offset = self.look(alice);
        let end = random.within(offset..self.size() + 1);
        let is_shifted = random.within(0..6) == 0 && offset > 0;
        let at = if is_shifted { offset - 1 } else { offset };
        let reply = alice.patch(&self.path, at, self.bytes(at, end.max(at)));
        match reply.status {
            423 => assert!(self.open.is_some(), "{reply:?}"),
            204 => {
                assert!(!is_shifted && reply.offset() == end, "{reply:?}");
                self.has_exactly(end);
            }
            409 => {
                // If the open request has given way, its last bytes were written.
                assert!(is_shifted || self.open.is_some(), "{reply:?}");
                self.has_exactly(reply.offset());
            }
            status => panic!("{status}: {reply:?}"),
        }
    }

    /// Nothing is under way, and the server has said how much it has.
    fn has_exactly(&mut self, offset: u64) {
        assert!(
            offset >= self.least,
            "{}: {offset} after {}",
            self.name,
            self.least
        );
        self.open = None;
        (self.least, self.most) = (offset, offset);
    }

    /// Begins a body, or sends more of it.
    fn send_some(&mut self, alice: &TusClient, random: &mut Random) {
        let Some(open) = &mut self.open else {
            let offset = self.look(alice);
            let written = WRITTEN as u64;
            if self.size() - offset > written + 1 {
                let at = usize::try_from(offset).unwrap();
                self.open = Some(alice.patch_under_way(&self.path, at, &self.content));
                (self.least, self.most) = (offset + written, offset + written + 1);
            }
            return;
        };
        // The end is left out, so that the body never becomes complete by itself.
        let most = (self.content.len() as u64).saturating_sub(self.most + 1);
        let length = random.within(0..most.min(400_000) + 1);
        let from = usize::try_from(self.most).unwrap();
        open.send(&self.content[from..from + usize::try_from(length).unwrap()]);
        self.most += length;
    }

    /// Breaks the open body off. Everything that was sent arrives.
    fn break_off(&mut self, alice: &TusClient) {
        if let Some(open) = self.open.take() {
            open.break_off();
            alice.wait_for_offset(&self.path, self.most);
            self.least = self.most;
        }
    }

    /// Sends what is left.
    fn finish(&mut self, alice: &TusClient) {
        self.break_off(alice);
        wait_for("the last bytes to be taken", || {
            let offset = alice.offset(&self.path);
            let reply = alice.patch(&self.path, offset, self.bytes(offset, self.size()));
            assert!(matches!(reply.status, 204 | 423), "{reply:?}");
            reply.status == 204
        });
    }
}

#[test]
fn whatever_is_interleaved_the_bytes_are_those_that_were_sent() {
    let rounds = std::env::var("HOMEPORT_TEST_ROUNDS").map_or(3, |text| text.parse().unwrap());
    for seed in 0..rounds {
        let (mut server, mut alice) = start(&["--quota", "100MiB"]);
        let mut random = Random::new(seed + 1);
        let mut uploads: Vec<ModelUpload> = (0..3)
            .map(|number| ModelUpload::create(&alice, number, &mut random))
            .collect();
        for _ in 0..60 {
            let which = usize::try_from(random.within(0..3)).unwrap();
            let upload = &mut uploads[which];
            match random.within(0..10) {
                0..=2 => upload.patch(&alice, &mut random),
                3..=5 => upload.send_some(&alice, &mut random),
                6..=7 => {
                    upload.look(&alice);
                }
                8 => upload.break_off(&alice),
                _ if random.within(0..5) == 0 => {
                    // Bytes that the server has not written yet are lost with it.
                    server.signal("KILL");
                    server.wait_for_exit();
                    server.serve();
                    alice.return_to(&server);
                    for upload in &mut uploads {
                        upload.open = None;
                        let offset = upload.look(&alice);
                        (upload.least, upload.most) = (offset, offset);
                    }
                }
                _ => {}
            }
        }
        for upload in &mut uploads {
            upload.finish(&alice);
            let found = fs::read(server.home("alice").join(&upload.name)).unwrap();
            assert!(found == upload.content, "{} of seed {seed}", upload.name);
        }
        assert!(parts(&server).is_empty() && alice.list().is_empty());
        for upload in &uploads {
            server.wait_for_audit(&format!("\"path\":\"/{}\"", upload.name));
        }
        let published = uploaded(&server).len();
        assert!(published <= 3, "{published} events for three files");
        expect_exact_use(&server);
    }
}
