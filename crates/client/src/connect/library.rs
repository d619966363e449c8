//! The settings of the SSH library for one connection: algorithms, windows, keepalives.

use std::borrow::Cow;
use std::time::Duration;

use russh::client::Config;
use russh::{Limits, Preferred, SshId, compression};

use super::destination::Destination;
use super::host_key::KnownTypes;

/// The identification string of the client, without its version.
const CLIENT_ID: &str = "SSH-2.0-Homeport";
/// How much a server may send before it has to wait, in bytes: more than a far, fast link holds.
const WINDOW: u32 = 32 << 20;
/// The largest packet, in bytes, that russh accepts: a READ of 32 KiB fits into one with its header.
const MAX_PACKET: u32 = 65_535;
/// The bytes after which new keys are agreed on. RFC 4253 recommends a gigabyte; russh takes no more.
const REKEY_BYTES: usize = 1 << 30;
const REKEY_AFTER: Duration = Duration::from_secs(3600);

/// The configuration of one connection.
pub(super) fn config(destination: &Destination, known: &KnownTypes) -> Config {
    let algorithms = &destination.algorithms;
    Config {
        client_id: SshId::Standard(Cow::Borrowed(CLIENT_ID)),
        limits: Limits::new(REKEY_BYTES, REKEY_BYTES, REKEY_AFTER),
        window_size: WINDOW,
        maximum_packet_size: MAX_PACKET,
        preferred: Preferred {
            kex: algorithms.kex().into(),
            key: algorithms.host_keys(&known.keys).into(),
            host_key_certificates: match known.certificates {
                true => algorithms.host_certificates().into(),
                false => Cow::Borrowed(&[]),
            },
            cipher: algorithms.ciphers().into(),
            mac: algorithms.macs().into(),
            compression: Cow::Borrowed(&[compression::NONE]),
        },
        keepalive_interval: Some(destination.keepalive.every),
        keepalive_max: destination.keepalive.unanswered,
        // A transfer may wait for a slow disk on either side. Keepalives distinguish a slow peer from a dead one.
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    }
}
