//! Tests what is left after a client that was refused has cleaned up.

use super::*;

/// Returns the size of a file after a client has cleaned up. The file has 800 bytes in a home of 1000. The client
/// opens it, writes 300 bytes at each of these offsets, one of which finds no room, and then truncates it to
/// `wanted`.
fn left(flags: &str, offsets: &[u64], wanted: u64) -> u64 {
    let fixture = AccountsFixture::new();
    let home = home(&fixture, Some(1000), None);
    put(&home.storage, "f", &[1; 800]);
    let file = home.storage.open(&path("f"), how(flags), Wait::Allowed).unwrap();
    for &offset in offsets {
        let _ = file.write_at(&[2; 300], offset, Wait::Allowed);
    }
    file.set_attrs(&size(wanted)).unwrap();
    let left = home.dir.path().join("f").metadata().unwrap().len();
    assert_eq!(home.used(), (left, 1));
    left
}

#[test]
fn what_was_there_stays() {
    // The old part was not touched: a truncation stops where the client began.
    assert_eq!(left("w", &[800], 0), 800);
    assert_eq!(left("wc", &[800], 500), 800);
    assert_eq!(left("w", &[900], 0), 800);
    assert_eq!(left("wa", &[0], 0), 800);
    // The client may truncate what it has added itself.
    assert_eq!(left("w", &[800], 801), 801);
    assert_eq!(left("w", &[800], 800), 800);
    // The client has changed the old part, or tried to.
    assert_eq!(left("w", &[0, 800], 0), 0);
    assert_eq!(left("w", &[799], 0), 0);
    // The client has replaced everything.
    assert_eq!(left("wt", &[0, 300, 600, 900], 0), 0);
    // The client was not refused.
    assert_eq!(left("w", &[], 0), 0);
    assert_eq!(left("w", &[300], 200), 200);
}

/// Room is made between two WRITEs that are in progress.
#[test]
fn no_hole_is_left_where_a_write_was_refused() {
    let fixture = AccountsFixture::new();
    let home = home(&fixture, Some(1000), None);
    put(&home.storage, "ballast", &[1; 800]);
    let file = home.storage.open(&path("f"), how("wc"), Wait::Allowed).unwrap();
    file.write_at(&[2; 100], 0, Wait::Allowed).unwrap();
    let refused = error(file.write_at(&[3; 200], 100, Wait::Allowed));
    home.storage.remove(&path("ballast"), Wait::Allowed).unwrap();
    assert_eq!(error(file.write_at(&[4; 100], 300, Wait::Allowed)), refused);
    assert_eq!(home.used(), (100, 1));
    // The missing piece is written, and then the rest. Another handle is not restricted.
    file.write_at(&[3; 200], 100, Wait::Allowed).unwrap();
    file.write_at(&[4; 100], 300, Wait::Allowed).unwrap();
    let other = home.storage.open(&path("f"), how("w"), Wait::Allowed).unwrap();
    other.write_at(&[5; 1], 900, Wait::Allowed).unwrap();
    assert_eq!(home.used(), (901, 1));
}

/// Writes as `reput` does: 8 bytes of room are left, and the last piece is shorter than the others.
#[test]
fn nothing_is_appended_behind_what_was_refused() {
    let fixture = AccountsFixture::new();
    let home = home(&fixture, Some(1000), None);
    put(&home.storage, "f", &[1; 800]);
    let file = home.storage.open(&path("f"), how("wca"), Wait::Allowed).unwrap();
    file.write_at(&[2; 192], 800, Wait::Allowed).unwrap();
    for (offset, length) in [(992, 192), (1184, 192), (1376, 5)] {
        let refused = file.write_at(&vec![3; length], offset, Wait::Allowed);
        assert!(matches!(error(refused), Error::OverBytes { .. }), "{offset}");
    }
    assert_eq!(home.used(), (992, 1));
    // A client that resumes where it was refused can continue, and so can one that never sends an offset.
    file.write_at(&[3; 5], 992, Wait::Allowed).unwrap();
    file.write_at(&[3; 2], 997, Wait::Allowed).unwrap();
    assert!(file.write_at(&[3; 2], 0, Wait::Allowed).is_err());
    file.write_at(&[3; 1], 0, Wait::Allowed).unwrap();
    assert_eq!(home.used(), (1000, 1));
}

#[test]
fn other_attributes_are_set_all_the_same() {
    let fixture = AccountsFixture::new();
    let home = home(&fixture, Some(1000), None);
    put(&home.storage, "f", &[1; 800]);
    let file = home.storage.open(&path("f"), how("w"), Wait::Allowed).unwrap();
    assert!(file.write_at(&[2; 300], 800, Wait::Allowed).is_err());
    let wish = SetAttrs {
        size: Some(0),
        permissions: Some(0o600),
        ..SetAttrs::default()
    };
    file.set_attrs(&wish).unwrap();
    let meta = file.stat().unwrap();
    assert_eq!((meta.size, meta.mode & 0o777), (800, 0o600));
    // Another handle truncates the file, and the first one must not make it longer.
    home.storage
        .set_attrs(&path("f"), &size(5), Links::Follow)
        .unwrap();
    file.set_attrs(&size(0)).unwrap();
    assert_eq!((file.stat().unwrap().size, home.used()), (5, (5, 1)));
}
