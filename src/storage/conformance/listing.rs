//! The test of listings.

use super::*;

pub(super) fn a_listing_has_everything_once(storage: &dyn Storage) {
    storage.mkdir(&path("d"), 0o755, Wait::Allowed).unwrap();
    storage.mkdir(&path("d/sub"), 0o755, Wait::Allowed).unwrap();
    // The names need more than one batch.
    let long = "n".repeat(200);
    for i in 0..400 {
        storage
            .open(&path(&format!("d/{long}{i}")), how("wc"), Wait::Allowed)
            .unwrap();
    }
    put(storage, "d/full", b"12345");
    let links = storage.capabilities().links;
    if links {
        storage.symlink(b"full", &path("d/link"), Wait::Allowed).unwrap();
    }
    storage
        .open(
            &VirtualPath::parse(b"d/caf\xe9").unwrap(),
            how("wc"),
            Wait::Allowed,
        )
        .unwrap();
    let mut stream = storage.open_dir(&path("d")).unwrap();
    let mut entries = BTreeMap::new();
    while let Some(entry) = stream.next().unwrap() {
        assert_eq!(entries.insert(entry.name.clone(), entry.meta), None, "{entry:?}");
    }
    assert_eq!(stream.next().unwrap(), None);
    assert_eq!(entries.len(), 405 + usize::from(links));
    assert_eq!(entries[b"full".as_slice()].size, 5);
    if links {
        assert_eq!(entries[b"link".as_slice()].kind, FileKind::Symlink);
    }
    assert_eq!(entries[b"sub".as_slice()].kind, FileKind::Directory);
    assert!(entries.contains_key(b"caf\xe9".as_slice()));
    let of = |at| storage.stat(&path(at), Links::NoFollow).unwrap();
    assert_eq!(entries[b".".as_slice()].mtime, of("d").mtime);
    assert_eq!(entries[b"..".as_slice()].links, of("/").links);
}
