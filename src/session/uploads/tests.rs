use super::*;

const FILE: InodeId = InodeId { device: 1, number: 7 };

fn uploads() -> Uploads {
    Uploads::new(&["*.part".to_owned(), "*.filepart".to_owned()])
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::parse(text.as_bytes()).unwrap()
}

/// What happens to a file.
enum UploadStep {
    /// A handle is opened that creates or truncates the file.
    Create,
    /// A handle is opened, and the file stays as it is.
    Open,
    /// A handle that has written is closed in this way.
    Wrote(FileEnd),
    /// A handle that has not written is closed in this way.
    Idle(FileEnd),
    /// The file gets another name.
    Rename(&'static str),
    /// The last handle is closed after the name was removed.
    Removed,
}

/// Takes the steps, and returns by which name the file was uploaded at each step that closes a handle.
fn run(steps: &[UploadStep]) -> Vec<Option<String>> {
    let uploads = uploads();
    let mut name = path("/f");
    let mut seen = Vec::new();
    let mut leave = |end, changed, has_name| {
        let writer = WriterEnd {
            end,
            changed,
            has_name,
        };
        seen.push(match uploads.left(FILE, writer) {
            LeftFile::Uploaded { path, .. } => Some(String::from_utf8(path.absolute()).unwrap()),
            LeftFile::Nothing | LeftFile::Partial { .. } => None,
        });
    };
    for step in steps {
        match step {
            UploadStep::Create => uploads.opened(FILE, &name, true),
            UploadStep::Open => uploads.opened(FILE, &name, false),
            UploadStep::Wrote(end) => leave(*end, true, true),
            UploadStep::Idle(end) => leave(*end, false, true),
            UploadStep::Removed => leave(FileEnd::Client, true, false),
            UploadStep::Rename(to) => {
                name = path(to);
                uploads.renamed(FILE, &name);
            }
        }
    }
    assert!(uploads.files.lock().written.len() <= 1);
    seen
}

#[test]
fn an_upload_is_complete_when_its_last_writer_has_closed_it() {
    use FileEnd::{Client, Error, Kicked, Lost, Stopping};
    use UploadStep::{Create, Idle, Open, Removed, Rename, Wrote};
    let check = |steps: &[UploadStep], expected: &[Option<&str>]| {
        let expected: Vec<Option<String>> = expected.iter().map(|name| name.map(str::to_owned)).collect();
        assert_eq!(run(steps), expected);
    };
    let f = Some("/f");
    check(&[Create, Wrote(Client)], &[f]);
    // An empty file is an upload, too.
    check(&[Create, Idle(Client)], &[f]);
    check(&[Open, Idle(Client)], &[None]);
    check(&[Open, Wrote(Client), Open, Idle(Client)], &[f, None]);
    // With several writers, the last one completes the file.
    check(&[Create, Open, Wrote(Client), Idle(Client)], &[None, f]);
    check(&[Open, Open, Idle(Client), Wrote(Client)], &[None, f]);
    // One that is lost earlier does not matter.
    check(&[Create, Open, Wrote(Lost), Idle(Client)], &[None, f]);
    // A file whose last writer was lost is completed by the next one.
    for lost in [Lost, Kicked, Stopping, Error] {
        check(&[Create, Wrote(lost)], &[None]);
        check(&[Create, Wrote(lost), Open, Idle(Client)], &[None, f]);
        check(
            &[Create, Wrote(lost), Open, Idle(Lost), Open, Wrote(Client)],
            &[None, None, f],
        );
    }
    check(&[Open, Idle(Lost), Open, Idle(Client)], &[None, None]);
    check(&[Create, Open, Wrote(Client), Wrote(Lost)], &[None, None]);
    // The name is the one that the file has then.
    check(&[Create, Rename("/g"), Wrote(Client)], &[Some("/g")]);
    check(&[Create, Rename("/g.part"), Wrote(Client)], &[None]);
    check(&[Create, Removed], &[None]);
}

#[test]
fn names_of_incomplete_files_are_known() {
    let uploads = uploads();
    for name in ["/a.part", "/dir/.part", "/a/b.filepart", "/d.part/"] {
        assert!(uploads.is_partial(&path(name)), "{name}");
    }
    for name in ["/a", "/", "/a.part/b", "/a.parts", ".."] {
        assert!(!uploads.is_partial(&path(name)), "{name}");
    }
}

#[test]
fn a_rename_completes_only_what_nobody_writes() {
    let uploads = uploads();
    assert_eq!(uploads.renamed(FILE, &path("/f")), RenamedUpload::Complete);
    uploads.opened(FILE, &path("/f.part"), true);
    assert!(uploads.is_tracking());
    assert_eq!(uploads.renamed(FILE, &path("/f")), RenamedUpload::BeingWritten);
    let writer = WriterEnd {
        end: FileEnd::Lost,
        changed: true,
        has_name: true,
    };
    assert_eq!(uploads.left(FILE, writer), LeftFile::Nothing);
    assert_eq!(uploads.renamed(FILE, &path("/f")), RenamedUpload::Complete);
    // What was left incomplete costs renames nothing.
    assert!(!uploads.is_tracking());
    uploads.completed(FILE);
    uploads.opened(FILE, &path("/f"), true);
    assert!(uploads.is_tracking());
}

#[test]
fn incomplete_files_are_forgotten_in_their_order() {
    let uploads = uploads();
    for number in 0..MOST_INCOMPLETE as u64 + 10 {
        let inode = InodeId { device: 1, number };
        uploads.opened(inode, &path("/f"), true);
        let writer = WriterEnd {
            end: FileEnd::Lost,
            changed: true,
            has_name: true,
        };
        assert_eq!(uploads.left(inode, writer), LeftFile::Nothing);
    }
    let files = uploads.files.lock();
    assert_eq!(files.written.len(), MOST_INCOMPLETE);
    assert!(!files.written.contains_key(&InodeId { device: 1, number: 9 }));
}

#[test]
fn the_digest_of_a_partial_file_is_known_when_it_is_renamed() {
    use std::sync::mpsc::{Receiver, channel};

    let uploads = uploads().with_digests(DigestWorkers::start().unwrap());
    let wanted = |uploads: &Uploads| -> Receiver<Option<UploadDigest>> {
        let (sender, receiver) = channel();
        uploads.digest_of_renamed(FILE, move |digest| sender.send(digest).unwrap());
        receiver
    };
    let digest = UploadDigest::Sha256([7; 32]);
    let missing = Some(UploadDigest::Missing(NOT_KEPT));
    assert_eq!(wanted(&uploads).recv(), Ok(missing));
    // The digest is known before the rename, or after it.
    let ticket = uploads.expect_digest(FILE);
    uploads.digest_is_known(FILE, ticket, digest);
    assert_eq!(wanted(&uploads).recv(), Ok(Some(digest)));
    let ticket = uploads.expect_digest(FILE);
    let receiver = wanted(&uploads);
    uploads.digest_is_known(FILE, ticket, digest);
    assert_eq!(receiver.recv(), Ok(Some(digest)));
    // Who writes to the file again makes it another one.
    let ticket = uploads.expect_digest(FILE);
    uploads.digest_is_known(FILE, ticket, digest);
    uploads.opened(FILE, &path("/f.part"), false);
    assert_eq!(wanted(&uploads).recv(), Ok(missing));
    let earlier = uploads.expect_digest(FILE);
    let receiver = wanted(&uploads);
    let later = uploads.expect_digest(FILE);
    assert_eq!(receiver.recv(), Ok(missing));
    uploads.digest_is_known(FILE, earlier, digest);
    let receiver = wanted(&uploads);
    uploads.digest_is_known(FILE, later, UploadDigest::Sha256([8; 32]));
    assert_eq!(receiver.recv(), Ok(Some(UploadDigest::Sha256([8; 32]))));
}

/// A digest is that of what one handle has written, so it must not be given for a file that was changed otherwise.
#[test]
fn a_change_without_a_handle_leaves_no_digest() {
    let writer = WriterEnd {
        end: FileEnd::Client,
        changed: true,
        has_name: true,
    };
    for is_changed in [false, true] {
        let uploads = uploads();
        uploads.opened(FILE, &path("/f"), true);
        if is_changed {
            uploads.changed(FILE);
        }
        let expected = LeftFile::Uploaded {
            path: path("/f"),
            shared: is_changed,
        };
        assert_eq!(uploads.left(FILE, writer), expected);
    }
}

#[test]
fn the_part_of_an_upload_over_http_is_incomplete_whatever_is_configured() {
    let uploads = Uploads::new(&[]);
    let part = path(&format!("/d/.homeport-upload-{}", "0".repeat(32)));
    assert!(uploads.is_partial(&part) && uploads.completes(&part, &path("/d/f")));
    assert!(!uploads.is_partial(&path("/d/.homeport-upload-x")));
}
