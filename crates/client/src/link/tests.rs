use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;
use tokio::sync::{mpsc, oneshot};

use super::channel::ByteRange;
use super::error::{OpenError, TransportError};
use super::inbox::{CompletedRequest, Completion, DataSink, Inbox, PendingRequest};
use super::outbox::{Outbox, OutgoingPackets};
use super::watch::ReplyWatch;
use super::{
    Extent, HashAnswer, HashKind, HashQuestion, HashRoute, HashValue, Link, OpenLimits, ReplyLimits,
    Transport, hashing,
};
use sftp_wire::frame::{LENGTH_FIELD, request_length};
use sftp_wire::{Attributes, Name, Packet, Reply, Request, StatusCode};

/// Records the bytes that it receives, with their offsets.
#[derive(Default)]
struct Recorder(Mutex<Vec<(u64, Vec<u8>)>>);

impl DataSink for Recorder {
    fn bytes(&self, offset: u64, bytes: &[u8]) {
        self.0.lock().push((offset, bytes.to_vec()));
    }
}

fn data(id: u32, bytes: &[u8]) -> Vec<u8> {
    Reply::Data(bytes).to_bytes(id).to_vec()
}

fn status(id: u32, code: StatusCode) -> Vec<u8> {
    Reply::status(code, "").to_bytes(id).to_vec()
}

/// Expects a DATA reply with `length` bytes at `offset` under this id.
fn ask(
    inbox: &Inbox,
    id: u32,
    range: ByteRange,
    sink: &Arc<Recorder>,
) -> mpsc::UnboundedReceiver<CompletedRequest> {
    let ByteRange { offset, length } = range;
    let (done, message) = mpsc::unbounded_channel();
    let sink = Some(Arc::clone(sink) as Arc<dyn DataSink>);
    inbox.expect(
        id,
        PendingRequest::Many {
            offset,
            length,
            sink,
            done,
        },
    );
    message
}

proptest! {
    /// However the stream is split, each byte arrives at its offset, and each reply at its caller.
    #[test]
    fn replies_are_decoded_however_the_stream_is_split(cuts in prop::collection::vec(1_usize..40, 1..60), sizes in prop::collection::vec(0_u32..50, 1..6)) {
        let inbox = Inbox::default();
        let sink = Arc::<Recorder>::default();
        let mut stream = Vec::new();
        let mut reads = Vec::new();
        for (id, size) in (10..).zip(&sizes) {
            let bytes: Vec<u8> = (0..*size).map(|n| u8::try_from(n + id).unwrap()).collect();
            reads.push((id, bytes.clone(), ask(&inbox, id, ByteRange { offset: u64::from(id) * 1000, length: 50 }, &sink)));
            stream.extend(data(id, &bytes));
            stream.extend(status(id + 100, StatusCode::NoSuchFile));
        }
        let mut answers = Vec::new();
        for (id, _, _) in &reads {
            let (waiter, answer) = oneshot::channel();
            inbox.expect(id + 100, PendingRequest::One(waiter));
            answers.push(answer);
        }
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            inbox.data(now).unwrap();
            rest = later;
        }
        for (id, bytes, mut message) in reads {
            let done = message.try_recv().unwrap();
            prop_assert!(matches!(done.ended, Completion::Data(count) if count as usize == bytes.len()));
            let mut kept = vec![0; bytes.len()];
            for (offset, piece) in sink.0.lock().iter().filter(|(offset, _)| offset / 1000 == u64::from(id)) {
                let at = usize::try_from(offset % 1000).unwrap();
                kept[at..at + piece.len()].copy_from_slice(piece);
            }
            prop_assert_eq!(kept, bytes);
        }
        for mut answer in answers {
            let is_status = matches!(answer.try_recv(), Ok(Reply::Status { code: StatusCode::NoSuchFile,
                     .. }));
            prop_assert!(is_status);
        }
    }

    /// Arbitrary bytes end in an error or an incomplete packet, never in a panic.
    #[test]
    fn arbitrary_bytes_do_not_panic(stream in prop::collection::vec(any::<u8>(), 0..200)) {
        let inbox = Inbox::default();
        let _told = ask(&inbox, 1, ByteRange { offset: 0, length: 10 }, &Arc::default());
        let _ = inbox.data(&stream);
    }
}

#[test]
fn a_reply_that_is_longer_than_asked_for_is_refused() {
    let inbox = Inbox::default();
    let sink = Arc::<Recorder>::default();
    let _told = ask(&inbox, 1, ByteRange { offset: 0, length: 3 }, &sink);
    assert!(inbox.data(&data(1, b"four")).is_err());
    assert!(sink.0.lock().is_empty(), "nothing of it is written");
}

#[test]
fn data_whose_lengths_disagree_are_refused() {
    let inbox = Inbox::default();
    let _told = ask(
        &inbox,
        1,
        ByteRange {
            offset: 0,
            length: 30,
        },
        &Arc::default(),
    );
    let mut lying = data(1, b"abc");
    lying[3] += 1;
    assert!(inbox.data(&lying).is_err());
}

#[test]
fn data_without_a_request_is_dropped() {
    let inbox = Inbox::default();
    let (waiter, mut answer) = oneshot::channel();
    inbox.expect(2, PendingRequest::One(waiter));
    inbox
        .data(&[data(99, b"abc"), data(98, b""), status(2, StatusCode::Ok)].concat())
        .unwrap();
    assert!(matches!(
        answer.try_recv(),
        Ok(Reply::Status {
            code: StatusCode::Ok,
            ..
        })
    ));
}

#[test]
fn pending_requests_end_when_the_connection_is_lost() {
    let inbox = Inbox::default();
    let mut message = ask(
        &inbox,
        1,
        ByteRange {
            offset: 5,
            length: 10,
        },
        &Arc::default(),
    );
    let (waiter, mut answer) = oneshot::channel();
    inbox.expect(2, PendingRequest::One(waiter));
    inbox.data(&data(1, b"0123456789")[..15]).unwrap();
    inbox.lose("the cable was cut");
    inbox.lose("a second reason");
    let done = message.try_recv().unwrap();
    assert!(
        matches!(
            done,
            CompletedRequest {
                offset: 5,
                length: 10,
                ended: Completion::ConnectionLost
            }
        ),
        "even in the middle of its reply"
    );
    assert!(answer.try_recv().is_err());
    assert_eq!(inbox.lost().as_deref(), Some("the cable was cut"));
    let mut late = ask(&inbox, 3, ByteRange { offset: 0, length: 1 }, &Arc::default());
    assert!(
        matches!(late.try_recv().unwrap().ended, Completion::ConnectionLost),
        "and so does who asks afterwards"
    );
}

/// The limits of connections in these tests.
const LIMITS: OpenLimits = OpenLimits {
    answer: Duration::from_secs(60),
    replies: ReplyLimits {
        usual: Duration::from_secs(60),
        long: Duration::from_secs(60),
    },
};

/// The path of every file of the server in [`MemoryTransport`].
const REAL_PATH: &[u8] = b"/home/it's";

/// A transport within the test. Its server answers each REALPATH with the same path, does nothing else, and runs
/// `md5sum`.
#[derive(Default)]
struct MemoryTransport {
    inbox: Arc<Inbox>,
    commands: Arc<Mutex<Vec<String>>>,
}

/// The answers to the requests in `packets`, each of which is whole.
fn answers(mut packets: &[u8]) -> Vec<u8> {
    let mut answers = Vec::new();
    while let Some(length) = request_length(packets).unwrap() {
        let (packet, rest) = packets[LENGTH_FIELD..].split_at(length);
        packets = rest;
        let Packet::Request { id, request } = Packet::decode(packet) else {
            panic!("{packet:?} is a request");
        };
        let real = Name {
            name: REAL_PATH,
            long: REAL_PATH,
            attrs: Attributes::default(),
        };
        let reply = match request {
            Request::Realpath { .. } => Reply::Names(vec![real]),
            _ => Reply::status(StatusCode::OpUnsupported, ""),
        };
        answers.extend_from_slice(&reply.to_bytes(id));
    }
    answers
}

#[async_trait]
impl Transport for MemoryTransport {
    fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    async fn start_sftp(&self, init: Vec<u8>) -> Result<Outbox, OpenError> {
        assert_eq!(init[LENGTH_FIELD..], [1, 0, 0, 0, 3], "INIT with version 3");
        let (outbox, mut packets) = OutgoingPackets::queue();
        let extensions = Vec::new();
        let version = Reply::<Bytes>::Version {
            version: 3,
            extensions,
        };
        self.inbox.data(&version.to_bytes(0)).unwrap();
        let inbox = Arc::clone(&self.inbox);
        tokio::spawn(async move {
            while let Some(packet) = packets.next().await {
                inbox.data(&answers(&packet)).unwrap();
            }
        });
        Ok(outbox)
    }

    async fn run(&self, command: Vec<u8>, _max_output: usize) -> Result<Option<Vec<u8>>, TransportError> {
        let command = String::from_utf8(command).unwrap();
        let name = match command.strip_prefix("md5sum ") {
            Some(_) => REAL_PATH,
            None => b"-",
        };
        let hash = b"000102030405060708090a0b0c0d0e0f";
        self.commands.lock().push(command);
        Ok(Some([hash, &b"  "[..], name, b"\n"].concat()))
    }

    fn takes_link_names_first(&self) -> bool {
        false
    }

    async fn close(&self) {
        self.inbox.lose("it was closed");
    }
}

#[tokio::test]
async fn a_link_works_over_any_transport() {
    let transport = MemoryTransport::default();
    let commands = Arc::clone(&transport.commands);
    let link = Link::open(Box::new(transport), LIMITS).await.unwrap();
    assert_eq!(link.home, Ok(REAL_PATH.to_vec()));
    let expected = HashValue::Md5(std::array::from_fn(|n| u8::try_from(n).unwrap()));
    for (extent, route) in [
        (Extent::Whole, HashRoute::Command),
        (Extent::First(7), HashRoute::CommandHead),
    ] {
        let question = HashQuestion {
            path: b"f",
            handle: None,
            extent,
            expected: None,
            kind: HashKind::Md5,
        };
        let answer = hashing::hash(&link, &question).await;
        assert_eq!(answer, Ok(HashAnswer::Value(expected, route)));
    }
    assert_eq!(
        commands.lock()[..],
        ["md5sum /home/it\\'s", "head -c 7 /home/it\\'s | md5sum"]
    );
    assert!(link.stat(b"f").await.unwrap_err().is_unsupported());
    link.close().await;
    assert!(link.channel.is_lost());
    assert!(link.stat(b"f").await.is_err(), "and later requests end at once");
}

/// A server that owes an answer and is silent is given up, later if the request may take long.
#[tokio::test]
async fn a_server_that_leaves_requests_without_an_answer_is_given_up() {
    let limits = |usual, long| ReplyLimits {
        usual: Duration::from_millis(usual),
        long: Duration::from_millis(long),
    };
    let lost = async |limits, pending: fn(oneshot::Sender<Reply<Bytes>>) -> PendingRequest| {
        let inbox = Arc::<Inbox>::default();
        let _watch = ReplyWatch::start(Arc::clone(&inbox), limits);
        let (waiter, answer) = oneshot::channel();
        inbox.expect(1, pending(waiter));
        assert!(answer.await.is_err(), "there is no answer");
        inbox.lost().expect("a reason")
    };
    let reason = lost(limits(20, 3_600_000), PendingRequest::One).await;
    assert!(reason.contains("it has not answered"), "{reason}");
    lost(limits(20, 60), PendingRequest::Long).await;

    let inbox = Arc::<Inbox>::default();
    assert_eq!(inbox.silence(), None, "nothing is owed");
    let (waiter, _answer) = oneshot::channel();
    inbox.expect(1, PendingRequest::Long(waiter));
    assert!(inbox.silence().expect("an answer is owed").long);
    inbox.data(&status(1, StatusCode::Ok)).unwrap();
    assert_eq!(inbox.silence(), None, "it was answered");
}
