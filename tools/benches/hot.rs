//! Benchmarks the code that every request runs: reading a packet, building a reply, charging the accounts.
//!
//! ```sh
//! cargo bench -p homeport-tools --bench hot
//! ```
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot begin has nothing to say"
)]

use std::sync::{Arc, OnceLock};

use divan::{Bencher, black_box};
use homeportd::accounts::account::Account;
use homeportd::accounts::id::AccountSpec;
use homeportd::accounts::{Accounts, QuotaSettings};
use homeportd::domain::user::Quota;
use homeportd::sftp::longname::{LongnameFormatter, OwnIds};
use homeportd::sftp::read::Read;
use homeportd::storage::local::backend::LocalDisks;
use homeportd::storage::{FileKind, InodeId, Metadata, Wait};
use homeportd::store::sql::SqlStore;
use sftp_wire::{Attributes, ExtendedRequest, OpenFlags, Packet, Reply, Request, StatusCode};
use tokio_util::sync::CancellationToken;

fn main() {
    divan::main();
}

/// Returns a packet as the stock client sends it, without its length field.
fn wire(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(7, &mut bytes);
    bytes.split_off(4)
}

/// Whether a packet decodes to a request.
fn is_request(packet: &[u8]) -> bool {
    matches!(Packet::decode(black_box(packet)), Packet::Request { .. })
}

#[divan::bench]
fn parse_read(bencher: Bencher) {
    let bytes = wire(&Request::Read {
        handle: &[0, 0, 0, 1],
        offset: 1 << 30,
        length: 32_768,
    });
    bencher.bench(|| Read::of_packet(black_box(&bytes)));
}

#[divan::bench]
fn parse_write_of_32_kib(bencher: Bencher) {
    let data = vec![7; 32_768];
    let bytes = wire(&Request::Write {
        handle: &[0, 0, 0, 1],
        offset: 1 << 30,
        data: &data,
    });
    bencher.bench(|| is_request(&bytes));
}

#[divan::bench]
fn parse_open(bencher: Bencher) {
    let bytes = wire(&Request::Open {
        path: b"/a/directory/and/a/file.txt",
        flags: OpenFlags::WRITE | OpenFlags::CREAT | OpenFlags::TRUNC,
        attrs: Attributes {
            permissions: Some(0o644),
            ..Attributes::default()
        },
    });
    bencher.bench(|| is_request(&bytes));
}

#[divan::bench]
fn reply_status(bencher: Bencher) {
    bencher.bench(|| Reply::status(StatusCode::Ok, StatusCode::Ok.text()).to_bytes(black_box(7)));
}

#[divan::bench]
fn line_of_a_listing(bencher: Bencher) {
    let lister = LongnameFormatter {
        own_ids: OwnIds {
            uid: 1000,
            gid: 1000,
            file_group: None,
        },
        user: "calvin".into(),
        zone: jiff::tz::TimeZone::UTC,
    };
    let meta = Metadata {
        kind: FileKind::File,
        mode: 0o100_644,
        size: 123_456,
        uid: 1000,
        gid: 1000,
        links: 1,
        inode: InodeId { device: 1, number: 2 },
        atime: 1_700_000_000,
        mtime: 1_700_000_000,
    };
    bencher.bench(|| lister.line(black_box(b"name-of-a-file-000001"), &meta, 1_700_000_100));
}

/// Returns an account with a limit that is far away, as for most users.
fn account() -> &'static Arc<Account> {
    static ACCOUNT: OnceLock<Arc<Account>> = OnceLock::new();
    ACCOUNT.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory").keep();
        let home = dir.join("home");
        std::fs::create_dir(&home).expect("a home");
        // The runtime is kept until the process ends, because the account's background task runs on it.
        let runtime = Box::leak(Box::new(tokio::runtime::Runtime::new().expect("a runtime")));
        runtime.block_on(async {
            let store = SqlStore::open(&dir.join("store.db")).await.expect("a store");
            let accounts = Accounts::start(
                Arc::new(store),
                Arc::new(LocalDisks),
                QuotaSettings::default(),
                CancellationToken::new(),
            );
            let quota = Quota {
                bytes: Some(1 << 40),
                files: None,
            };
            accounts
                .account(&AccountSpec::of_home(&home, quota))
                .await
                .expect("an account")
        })
    })
}

/// Measures what a WRITE of 32 KiB that grows its file costs besides the write.
#[divan::bench(threads = [1, 2, 8])]
fn charge_and_release_32_kib(bencher: Bencher) {
    let account = account();
    bencher.bench(|| {
        account.retry_until(Wait::Allowed, || {
            let change = account.begin()?;
            account.reserve_bytes(&change, 32_768)?;
            account.release_bytes(&change, 32_768);
            Ok(())
        })
    });
}

#[divan::bench]
fn fields_of_an_extension(bencher: Bencher) {
    let bytes = wire(&Request::Extended(ExtendedRequest::CopyData {
        from: &[0, 0, 0, 1],
        from_offset: 1,
        length: 2,
        to: &[0, 0, 0, 2],
        to_offset: 3,
    }));
    bencher.bench(|| is_request(&bytes));
}
