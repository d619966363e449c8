//! Folders and permissions by directory, as clients see them: one tree with several storages and accounts.
//!
//! The folders lie beside the homes, at `data/homes/NAME`.

mod accounts;
mod attack;
mod hang;
mod races;
mod rights;
mod unavailable;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use homeportd::domain::folder::{CreationChoice, Folder};
use homeportd::domain::permission::PermissionRules;
use homeportd::domain::user::{Quota, User};
use homeportd::store::{GroupStore, Store};
use testkit::packets::{
    Attrs, CREAT, READ, Request, TRUNC, WRITE, bogus, close, copy_data, extended_handle, extended_paths,
    lsetstat, lstat, mkdir, open, opendir, read, readdir, readlink, realpath, remove, rename, rmdir, setstat,
    stat, symlink, write,
};
use testkit::raw::RawSftp;
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::store::with_store;

const NO_SUCH_FILE: u32 = 2;
const DENIED: u32 = 3;
const FAILURE: u32 = 4;

/// Rules as an operator writes them: the path and the permissions.
type Rules<'a> = &'a [(&'a str, &'a str)];

fn rules(list: Rules<'_>) -> PermissionRules {
    let rule = |(path, set): &(&str, &str)| (path.parse().unwrap(), set.parse().unwrap());
    list.iter().map(rule).collect()
}

/// Returns what lies in the zone that takes new files only, but is not a file with one name. A file that was replaced
/// after its name was looked up has no name any more.
fn intruders(zone: &Path) -> BTreeSet<PathBuf> {
    use std::os::unix::fs::MetadataExt as _;
    let entries = fs::read_dir(zone).unwrap().map(|entry| entry.unwrap().path());
    let is_intruder = |path: &PathBuf| {
        let meta = path.symlink_metadata();
        meta.is_ok_and(|meta| !meta.is_file() || meta.nlink() > 1)
    };
    entries.filter(is_intruder).collect()
}

/// Returns where a folder lies.
pub(crate) fn place(server: &TestServer, name: &str) -> PathBuf {
    server.path().join("data/homes").join(name)
}

/// Makes a folder with this quota in bytes.
pub(crate) fn add_folder(server: &TestServer, name: &str, bytes: Option<u64>) {
    add_folder_at(server, name, &place(server, name), bytes);
}

/// Makes a folder at this path.
fn add_folder_at(server: &TestServer, name: &str, path: &Path, bytes: Option<u64>) {
    fs::create_dir_all(path).unwrap();
    let folder = Folder {
        name: name.parse().unwrap(),
        path: fs::canonicalize(path).unwrap(),
        comment: String::new(),
        quota: Quota { bytes, files: None },
        creation: CreationChoice::default(),
    };
    with_store(server, async |store| store.add_folder(&folder).await.unwrap());
}

/// Changes a user's record.
fn change_user(server: &TestServer, user: &str, change: impl Fn(&mut User) + Send + Sync + 'static) {
    let change = Box::new(move |user: &mut User| {
        change(user);
        Ok(())
    });
    with_store(server, async |store| {
        store.change_user(&user.parse().unwrap(), change).await.unwrap()
    });
}

/// Gives a user a folder with these rules.
pub(crate) fn give(server: &TestServer, user: &str, folder: &str, list: Rules<'_>) {
    let (name, rules) = (folder.parse().unwrap(), rules(list));
    change_user(server, user, move |user| {
        user.settings.folders.insert(Clone::clone(&name), rules.clone());
    });
}

/// Gives a user these permissions in the home.
pub(crate) fn permit(server: &TestServer, user: &str, list: Rules<'_>) {
    let rules = rules(list);
    change_user(server, user, move |user| {
        user.settings.permissions = Some(rules.clone())
    });
}

/// Starts a server with the user alice, and the folders `in` and `out` that she may use in every way.
fn with_folders(quota_in: Option<u64>) -> TestServer {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    add_folder(&server, "in", quota_in);
    add_folder(&server, "out", None);
    for folder in ["in", "out"] {
        give(&server, "alice", folder, &[("/", "all")]);
    }
    server.serve();
    server
}

/// Returns the code and the message of a STATUS reply.
fn status(reply: Reply) -> (u32, String) {
    match reply {
        Reply::Status { code, message, .. } => (code, String::from_utf8(message).unwrap()),
        other => panic!("{other:?}"),
    }
}

fn code(sftp: &mut RawSftp, request: &Request) -> u32 {
    status(sftp.ask(request)).0
}

/// Returns the names that a directory lists, without `.` and `..`.
fn names(sftp: &mut RawSftp, directory: &str) -> Vec<String> {
    let handle = sftp.handle(&opendir(directory));
    let mut names = Vec::new();
    while let Reply::Names(batch) = sftp.ask(&readdir(bogus(&handle))) {
        names.extend(
            batch
                .into_iter()
                .map(|entry| String::from_utf8(entry.name).unwrap()),
        );
    }
    sftp.ask(&close(bogus(&handle)));
    names.retain(|name| name != "." && name != "..");
    names.sort();
    names
}

/// Returns the path that REALPATH answers.
fn real(sftp: &mut RawSftp, path: &str) -> Option<String> {
    match sftp.ask(&realpath(path)) {
        Reply::Names(names) => Some(String::from_utf8(names[0].name.clone()).unwrap()),
        _ => None,
    }
}

/// Writes a file, and returns the code of the first refusal.
fn put(sftp: &mut RawSftp, path: &str, content: &[u8]) -> u32 {
    let handle = match sftp.ask(&open(path, WRITE | CREAT | TRUNC)) {
        Reply::Handle(handle) => handle,
        refused => return status(refused).0,
    };
    let written = status(sftp.ask(&write(bogus(&handle), 0, content))).0;
    let closed = status(sftp.ask(&close(bogus(&handle)))).0;
    written.max(closed)
}

/// Reads a file.
fn get(sftp: &mut RawSftp, path: &str) -> Result<Vec<u8>, u32> {
    let handle = match sftp.ask(&open(path, READ)) {
        Reply::Handle(handle) => handle,
        refused => return Err(status(refused).0),
    };
    let bytes = match sftp.ask(&read(bogus(&handle), 0, 1 << 16)) {
        Reply::Data(bytes) => bytes,
        Reply::Status { code: 1, .. } => Vec::new(),
        refused => return Err(status(refused).0),
    };
    sftp.ask(&close(bogus(&handle)));
    Ok(bytes)
}

#[test]
fn homes_and_folders_are_one_tree() {
    let server = with_folders(None);
    let mut sftp = server.raw("alice");
    assert_eq!(put(&mut sftp, "/in/f", b"in"), 0);
    assert_eq!(put(&mut sftp, "f", b"home"), 0);
    assert_eq!(fs::read(place(&server, "in").join("f")).unwrap(), b"in");
    fs::create_dir(server.home("alice").join("in")).unwrap();
    fs::write(server.home("alice").join("in/hidden"), "").unwrap();
    assert_eq!(names(&mut sftp, "."), ["f", "in", "out"]);
    assert_eq!(names(&mut sftp, "/in"), ["f"]);
    let Reply::Attrs(looks) = sftp.ask(&lstat("/in")) else {
        panic!()
    };
    assert_eq!(looks.mode.unwrap() & 0o170_000, 0o040_000);
    assert_eq!(code(&mut sftp, &mkdir("/in/d", &Attrs::mode(0o755))), 0);
    for (path, expected) in [
        ("/in", Some("/in")),
        ("in/d/..", Some("/in")),
        ("in/..", Some("/")),
        ("in/d/../../out", Some("/out")),
        ("in/new", Some("/in/new")),
        ("in/missing/../f", None),
        ("missing/../in", None),
    ] {
        assert_eq!(real(&mut sftp, path).as_deref(), expected, "{path}");
    }
    assert_eq!(get(&mut sftp, "in/d/../../f").unwrap(), b"home");
    assert_eq!(get(&mut sftp, "out/../in/./d/../f").unwrap(), b"in");
    // A link leads nowhere but within its storage.
    assert_eq!(code(&mut sftp, &symlink("/f", "/in/link")), 0);
    assert_eq!(get(&mut sftp, "/in/link").unwrap(), b"in");
    assert!(matches!(sftp.ask(&readlink("/in/link")), Reply::Names(names) if names[0].name == b"/f"));
    let listing = server.sftp_ok("alice", "cd in/d\ncd ..\npwd\ncd ..\nls -l\n");
    assert!(listing.contains("Remote working directory: /in"), "{listing}");
    assert!(
        listing
            .lines()
            .any(|line| line.starts_with('d') && line.contains("alice") && line.ends_with(" out"))
    );
}

#[test]
fn the_name_of_a_folder_is_the_operators() {
    let server = with_folders(None);
    let mut sftp = server.raw("alice");
    assert_eq!(put(&mut sftp, "f", b"home"), 0);
    let sentence = (
        FAILURE,
        "this is a folder of the server: only its operator can change it".to_owned(),
    );
    for request in [
        mkdir("/in", &Attrs::mode(0o755)),
        rmdir("in"),
        remove("/in"),
        setstat("in/", &Attrs::mode(0o700)),
        lsetstat("in", &Attrs::times(1, 2)),
        symlink("f", "in"),
        rename("in", "x"),
        rename("f", "/in"),
        extended_paths("posix-rename@openssh.com", &[b"f", b"out"]),
        extended_paths("hardlink@openssh.com", &[b"f", b"in"]),
    ] {
        assert_eq!(status(sftp.ask(&request)), sentence, "{request:?}");
    }
    let crossing = (
        FAILURE,
        "the two names are in different folders; copy the file instead".to_owned(),
    );
    assert_eq!(put(&mut sftp, "in/g", b"in"), 0);
    for request in [
        rename("f", "in/f"),
        rename("in/g", "out/g"),
        extended_paths("posix-rename@openssh.com", &[b"in/g", b"g"]),
        extended_paths("hardlink@openssh.com", &[b"f", b"in/f"]),
    ] {
        assert_eq!(status(sftp.ask(&request)), crossing, "{request:?}");
    }
    assert_eq!(names(&mut sftp, "/"), ["f", "in", "out"]);
}

#[test]
fn bytes_go_from_one_storage_to_another() {
    let server = with_folders(None);
    let mut sftp = server.raw("alice");
    let content = vec![7; 300_000];
    fs::write(place(&server, "in").join("big"), &content).unwrap();
    let from = sftp.handle(&open("in/big", READ));
    let to = sftp.handle(&open("copy", WRITE | CREAT));
    assert_eq!(code(&mut sftp, &copy_data(bogus(&from), 0, 0, bogus(&to), 0)), 0);
    assert_eq!(
        code(&mut sftp, &extended_handle("fsync@openssh.com", bogus(&to))),
        0
    );
    assert_eq!(fs::read(server.home("alice").join("copy")).unwrap(), content);
    // Many requests at once, to both storages, are answered in order.
    let batch: String = (0..40)
        .map(|i| format!("put {0} in/p{i}\nput {0} p{i}\n", server.config().display()))
        .collect();
    server.sftp_ok("alice", &batch);
    let expected = fs::read(server.config()).unwrap();
    for i in 0..40 {
        assert_eq!(
            fs::read(place(&server, "in").join(format!("p{i}"))).unwrap(),
            expected
        );
        assert_eq!(
            fs::read(server.home("alice").join(format!("p{i}"))).unwrap(),
            expected
        );
    }
}

#[test]
fn a_session_ends_when_it_loses_a_folder_or_a_permission_in_it() {
    let server = with_folders(None);
    type Loss = (&'static str, fn(&TestServer));
    let lose: [Loss; 3] = [
        ("may not read in one of the folders", |server| {
            give(server, "alice", "in", &[("/", "all"), ("/x", "list")])
        }),
        ("does not have one of the folders", |server| {
            change_user(server, "alice", |user| {
                user.settings.folders.remove(&"in".parse().unwrap());
            });
        }),
        ("was moved", |server| {
            let path = fs::canonicalize(place(server, "out"))
                .unwrap()
                .with_file_name("elsewhere");
            fs::create_dir(&path).unwrap();
            let change = Box::new(move |folder: &mut Folder| {
                folder.path.clone_from(&path);
                Ok(())
            });
            with_store(server, async |store| {
                store
                    .change_folder(&"out".parse().unwrap(), change)
                    .await
                    .unwrap()
            });
        }),
    ];
    for (reason, lose) in lose {
        let mut sftp = server.raw("alice");
        assert_eq!(put(&mut sftp, "/out/f", b"1"), 0);
        lose(&server);
        server.wait_for_audit(reason);
        assert_ne!(sftp.finish(), Some(0), "{reason}");
    }
}
