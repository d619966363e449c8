//! Tests limits that change, and growth that is stopped, while sessions continue.

use super::*;

#[test]
fn a_limit_counts_from_now_on() {
    let fixture = AccountsFixture::new();
    let home = home(&fixture, None, None);
    put(&home.storage, "f", &[1; 100]);
    let file = home.storage.open(&path("f"), how("rw"), Wait::Allowed).unwrap();
    let limit = |bytes| {
        home.account.set_quota(user::Quota {
            bytes,
            files: Some(0),
        });
    };
    limit(Some(50));
    assert!(file.write_at(b"x", 100, Wait::Allowed).is_err());
    file.write_at(b"x", 99, Wait::Allowed).unwrap();
    let shown = home.storage.space(&path("/"), Wait::Allowed).unwrap();
    assert_eq!((shown.blocks, shown.blocks_available, shown.files), (0, 0, 1));
    file.set_attrs(&size(10)).unwrap();
    file.write_at(&[1; 40], 10, Wait::Allowed).unwrap();
    limit(Some(60));
    file.write_at(&[1; 10], 50, Wait::Allowed).unwrap();
    limit(Some(0));
    assert!(file.write_at(b"x", 60, Wait::Allowed).is_err());
    home.storage.remove(&path("f"), Wait::Allowed).unwrap();
}

/// A second channel of a session that began long ago still has the limit of that time.
#[test]
fn the_last_limit_counts_even_if_a_session_has_an_older_one() {
    let fixture = AccountsFixture::new();
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let quota = |bytes| user::Quota {
        bytes: Some(bytes),
        files: None,
    };
    let account = fixture.account(dir.path(), Some(100), None);
    assert!(
        fixture
            .accounts
            .set_quota(&AccountId::of_home(dir.path()), quota(50))
            .is_some()
    );
    assert!(
        fixture
            .accounts
            .set_quota(&AccountId::of_home(dir.path()), quota(50))
            .is_none(),
        "as it was"
    );
    assert!(
        fixture
            .accounts
            .set_quota(&AccountId::of_home(other.path()), quota(70))
            .is_none(),
        "nobody is there"
    );
    assert_eq!(account.usage().quota, quota(50));
    let again = fixture.account(dir.path(), Some(100), None);
    assert!(Arc::ptr_eq(&account, &again));
    assert_eq!(again.usage().quota, quota(50));
    // The session signed in before the change, and mounts after it.
    assert_eq!(
        fixture.account(other.path(), Some(100), None).usage().quota,
        quota(70)
    );
    // A home without a user is kept for the sessions that are still in it, and is then forgotten.
    fixture.accounts.forget(&AccountId::of_home(dir.path()));
    assert!(Arc::ptr_eq(&account, &fixture.account(dir.path(), Some(1), None)));
    drop((account, again));
    std::fs::write(dir.path().join("f"), "later").unwrap();
    until(|| {
        fixture.accounts.forget(&AccountId::of_home(dir.path()));
        fixture.account(dir.path(), Some(100), None).usage().bytes == 5
    });
}

#[test]
fn a_marker_that_goes_stops_growth_at_the_next_ceiling_and_nothing_else() {
    let fixture = AccountsFixture::new();
    let home = home(&fixture, None, None);
    let ours = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let marker = Arc::clone(&ours);
    fixture.accounts.watch_ownership(Box::new(move |_| {
        match marker.load(std::sync::atomic::Ordering::SeqCst) {
            true => Ok(()),
            false => Err(base::error::Error::new("this server does not own the storage")),
        }
    }));
    let make = |name: &str| {
        let how = OpenHow {
            write: true,
            create: true,
            ..OpenHow::default()
        };
        home.storage
            .open(&VirtualPath::parse(name.as_bytes()).unwrap(), how, Wait::Allowed)
    };
    let file = make("/one").unwrap();
    file.write_at(b"some", 0, Wait::Allowed).unwrap();
    ours.store(false, std::sync::atomic::Ordering::SeqCst);
    // The recorded number is not exact any more, and a ceiling is wanted again after much growth.
    until(|| {
        let grown = file.set_attrs(&SetAttrs {
            size: Some(file.stat().unwrap().size + (40 << 20)),
            ..SetAttrs::default()
        });
        grown == Err(Error::NotOwned)
    });
    assert!(matches!(make("/two"), Err(Error::NotOwned)));
    file.write_at(b"more", 0, Wait::Allowed).unwrap();
    home.storage
        .remove(&VirtualPath::parse(b"/one").unwrap(), Wait::Allowed)
        .unwrap();
    // At the next sign-in the marker is found again.
    home.account.set_owned(true);
    make("/two").unwrap();
}

/// Bytes are reserved under the old limit, and are not yet written when the new one applies.
#[test]
fn a_new_limit_can_wait_for_what_the_old_one_allowed() {
    let fixture = AccountsFixture::new();
    let dir = tempfile::tempdir().unwrap();
    let account = fixture.account(dir.path(), Some(100), None);
    std::fs::write(dir.path().join("f"), "x").unwrap();
    let local = LocalStorage::open(dir.path()).unwrap();
    let meta = local.stat(&path("f"), Links::Follow).unwrap();
    let inode = crate::accounts::inode::Inode::of_new(&account, &meta);
    let writing = inode.lock(Wait::Allowed).unwrap();
    let waiting = std::thread::spawn({
        let account = Arc::clone(&account);
        move || account.wait_for_growth()
    });
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(!waiting.is_finished());
    drop(writing);
    waiting.join().unwrap();
}
