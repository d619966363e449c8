//! Entries about several uploads of one file.

use super::*;
use crate::hooks::entry::{EntryFile, HexBytes};

/// An upload of the file with this inode and name.
fn upload(inode: u64, name: &str) -> EntryDraft {
    let file = EntryFile {
        home: HexBytes(b"/home".to_vec()),
        path: HexBytes(name.as_bytes().to_vec()),
        device: 1,
        inode,
        folder: None,
    };
    EntryDraft {
        file: Some(file.clone()),
        ..draft("uploaded", &["s", &file.order_key()])
    }
}

#[test]
fn the_next_upload_of_a_file_is_known_once_it_is_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    queue.push(upload(7, "/a"), None);
    queue.push(upload(8, "/a"), None);
    queue.push(upload(7, "/b"), None);
    queue.write();
    assert_eq!(queue.take(|_| true).unwrap().entry.id, 1);
    assert_eq!(queue.next_upload(1), None, "those are other files");
    let other_hook = EntryDraft {
        hook: "other".to_owned(),
        ..upload(7, "/a")
    };
    queue.push(other_hook, None);
    queue.push(upload(7, "/a"), None);
    assert_eq!(queue.next_upload(1), None);
    queue.write();
    assert_eq!(queue.next_upload(1), Some(5));
    assert_eq!(queue.next_upload(5), None, "an earlier one is not the next");
    queue.finish(5);
    assert_eq!(queue.next_upload(1), None);
}

#[test]
fn a_published_file_ends_what_was_set_aside_about_it() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    for (inode, name) in [(7, "/a"), (7, "/b"), (8, "/a"), (7, "/a")] {
        queue.push(upload(inode, name), None);
    }
    queue.write();
    for id in [1, 2, 3] {
        queue.set_aside(id, "broken");
    }
    assert_eq!(queue.take(|_| true).unwrap().entry.id, 4);
    queue.finish_published(4);
    let left = |queue: &HookQueue| states(queue).iter().map(|(id, ..)| *id).collect::<Vec<u64>>();
    assert_eq!(left(&queue), [2, 3]);
    assert_eq!(queue.stats().set_aside, 2);
    queue.write();
    assert_eq!(left(&open(dir.path())), [2, 3]);
}
