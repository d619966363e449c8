//! Permissions by directory through SFTP.

use std::os::unix::fs::symlink as link_on_disk;

use super::*;

/// Starts a server whose user has these permissions in the home, which has the directories `a`, `b` and `c` with a file
/// `f` each.
fn server(list: Rules<'_>) -> TestServer {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    permit(&server, "alice", list);
    for directory in ["a", "b", "c"] {
        let directory = server.home("alice").join(directory);
        fs::create_dir_all(directory.join("d")).unwrap();
        fs::write(directory.join("f"), "content").unwrap();
    }
    server.serve();
    server
}

#[test]
fn each_directory_has_its_own_permissions() {
    let server = server(&[("/", "list,read"), ("/a", "create,list"), ("/c", "none")]);
    let mut sftp = server.raw("alice");
    assert_eq!(names(&mut sftp, "/"), ["a", "b"]);
    assert_eq!(get(&mut sftp, "b/f").unwrap(), b"content");
    assert_eq!(get(&mut sftp, "a/f"), Err(DENIED));
    assert_eq!(put(&mut sftp, "a/new", b"1"), 0);
    assert_eq!(put(&mut sftp, "a/f", b"1"), DENIED);
    assert_eq!(put(&mut sftp, "b/new", b"1"), DENIED);
    for request in [
        stat("c"),
        lstat("/c/f"),
        opendir("c"),
        open("c/f", READ),
        open("c/new", WRITE | CREAT),
        remove("c/f"),
        rename("c/f", "a/x"),
        mkdir("c/x", &Attrs::mode(0o755)),
        stat("a/../c/f"),
        stat("c/../a"),
    ] {
        assert_eq!(
            status(sftp.ask(&request)),
            (NO_SUCH_FILE, "No such file".to_owned()),
            "{request:?}"
        );
    }
    assert_eq!(real(&mut sftp, "c/f"), None);
    assert_eq!(get(&mut sftp, "a/../b/./d/../f").unwrap(), b"content");
    assert_eq!(code(&mut sftp, &stat("missing/../b")), NO_SUCH_FILE);
}

#[test]
fn what_crosses_permissions_is_a_file() {
    let server = server(&[("/", "all"), ("/b", "create,list"), ("/b/d", "all")]);
    let mut sftp = server.raw("alice");
    let only_files = "only files can be moved between directories with different permissions";
    let fixed =
        "permissions begin at this directory or below it, so it cannot be renamed, replaced or removed";
    let no_link = "a file cannot have names in directories with different permissions; copy the file instead";
    for (request, sentence) in [
        (rename("a/d", "b/x"), only_files),
        (
            extended_paths("posix-rename@openssh.com", &[b"a/d", b"b/x"]),
            only_files,
        ),
        (rename("b", "x"), fixed),
        (rename("a/d", "b/d"), fixed),
        (rmdir("b/d"), fixed),
        (extended_paths("posix-rename@openssh.com", &[b"a", b"b"]), fixed),
        (extended_paths("hardlink@openssh.com", &[b"a/f", b"b/x"]), no_link),
        (
            extended_paths("hardlink@openssh.com", &[b"a/f", b"b/d/x"]),
            no_link,
        ),
    ] {
        assert_eq!(
            status(sftp.ask(&request)),
            (DENIED, sentence.to_owned()),
            "{request:?}"
        );
    }
    assert_eq!(code(&mut sftp, &rename("a/f", "b/g")), 0);
    assert_eq!(code(&mut sftp, &rename("b/g", "a/f")), DENIED);
    assert_eq!(code(&mut sftp, &rename("c/f", "b/f")), FAILURE);
    assert_eq!(
        code(
            &mut sftp,
            &extended_paths("posix-rename@openssh.com", &[b"c/f", b"b/f"])
        ),
        DENIED
    );
    assert_eq!(names(&mut sftp, "b"), ["d", "f", "g"]);
}

#[test]
fn links_are_not_followed() {
    let server = server(&[("/", "all"), ("/c", "none"), ("/b", "list")]);
    let home = server.home("alice");
    link_on_disk("../c", home.join("a/to_c")).unwrap();
    link_on_disk("/b/f", home.join("a/to_f")).unwrap();
    let mut sftp = server.raw("alice");
    for request in [
        stat("a/to_c"),
        stat("a/to_f"),
        opendir("a/to_c"),
        open("a/to_f", READ),
        open("a/to_c/new", WRITE | CREAT),
        remove("a/to_c/f"),
        rename("a/to_c/f", "a/x"),
        stat("a/to_c/../a"),
        extended_paths("statvfs@openssh.com", &[b"a/to_c"]),
        extended_paths("hardlink@openssh.com", &[b"a/to_c/f", b"a/x"]),
    ] {
        assert_eq!(code(&mut sftp, &request), NO_SUCH_FILE, "{request:?}");
    }
    assert!(matches!(sftp.ask(&lstat("a/to_c")), Reply::Attrs(_)));
    assert!(matches!(sftp.ask(&readlink("a/to_f")), Reply::Names(names) if names[0].name == b"/b/f"));
    assert_eq!(real(&mut sftp, "a/to_c").as_deref(), Some("/a/to_c"));
    assert_eq!(code(&mut sftp, &remove("a/to_c")), 0);
    assert!(home.join("c/f").exists());
}

#[test]
fn a_folder_has_rules_of_its_own() {
    let mut server = TestServer::new(&[]);
    for user in ["alice", "bob"] {
        server.add_user(user, &[]);
    }
    add_folder(&server, "incoming", None);
    add_folder(&server, "secret", None);
    give(
        &server,
        "alice",
        "incoming",
        &[("/", "create,list"), ("/done", "list,read"), ("/work", "none")],
    );
    give(&server, "alice", "secret", &[("/", "none")]);
    give(&server, "bob", "incoming", &[("/", "all")]);
    for directory in ["done", "work"] {
        fs::create_dir(place(&server, "incoming").join(directory)).unwrap();
    }
    server.serve();
    let (mut alice, mut bob) = (server.raw("alice"), server.raw("bob"));
    assert_eq!(names(&mut alice, "/"), ["incoming"]);
    assert_eq!(code(&mut alice, &stat("/secret")), NO_SUCH_FILE);
    assert_eq!(put(&mut alice, "/incoming/f", b"1"), 0);
    assert_eq!(get(&mut alice, "/incoming/f"), Err(DENIED));
    assert_eq!(names(&mut alice, "/incoming"), ["done", "f"]);
    assert_eq!(code(&mut alice, &stat("/incoming/work")), NO_SUCH_FILE);
    assert_eq!(code(&mut bob, &rename("/incoming/f", "/incoming/done/f")), 0);
    assert_eq!(get(&mut alice, "/incoming/done/f").unwrap(), b"1");
    assert_eq!(put(&mut alice, "/incoming/done/f", b"2"), DENIED);
    // Her home is hers as ever.
    assert_eq!(put(&mut alice, "mine", b"1"), 0);
    assert_eq!(code(&mut alice, &symlink("mine", "link")), 0);
    assert_eq!(get(&mut alice, "link").unwrap(), b"1");
}
