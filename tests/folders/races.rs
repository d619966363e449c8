//! Sessions that swap files, directories and links while another one moves them to a zone with other permissions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use testkit::{PATIENCE, SetOnDrop};

use super::*;

/// The time of the race. It goes on for longer on a machine on which nothing was moved by then.
const DURATION: Duration = Duration::from_secs(4);

/// Sends requests until `stop` is set; refusals are expected.
fn repeat(mut sftp: RawSftp, requests: &[Request], stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for request in requests {
            sftp.ask(request);
        }
    }
}

/// The zone `/b` takes files and nothing else: no directory, no link, and no file that has another name where it could be
/// changed.
#[test]
fn nothing_but_files_reaches_another_zone() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    permit(&server, "alice", &[("/", "all"), ("/b", "create,overwrite,list")]);
    let home = server.home("alice");
    for directory in ["a", "a/d", "b"] {
        fs::create_dir_all(home.join(directory)).unwrap();
    }
    server.serve();
    let posix =
        |from: &str, to: &str| extended_paths("posix-rename@openssh.com", &[from.as_bytes(), to.as_bytes()]);
    let link =
        |from: &str, to: &str| extended_paths("hardlink@openssh.com", &[from.as_bytes(), to.as_bytes()]);
    let swap = [
        posix("a/x", "a/y"),
        posix("a/d", "a/x"),
        posix("a/x", "a/d"),
        symlink("d", "a/x"),
        remove("a/x"),
        posix("a/y", "a/x"),
    ];
    let alias = [link("a/x", "a/z"), posix("a/z", "a/x"), remove("a/z")];
    let moves = [
        posix("a/x", "b/x"),
        rename("a/x", "b/y"),
        posix("a/x/", "b/x"),
        posix("a", "b/x"),
        posix("a/d", "b/d"),
    ];
    let stop = AtomicBool::new(false);
    let was_moved = || home.join("b/x").is_file() || home.join("b/y").is_file();
    std::thread::scope(|scope| {
        let stop = &stop;
        let _stop = SetOnDrop(stop);
        for requests in [&swap[..], &alias[..], &moves[..], &moves[..]] {
            let sftp = server.raw("alice");
            scope.spawn(move || repeat(sftp, requests, stop));
        }
        let mut maker = server.raw("alice");
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                put(&mut maker, "a/x", b"content");
            }
        });
        let begun = Instant::now();
        let goes_on = || match begun.elapsed() {
            elapsed if elapsed < DURATION => true,
            elapsed => elapsed < PATIENCE && !was_moved(),
        };
        let mut found = None;
        while found.is_none() && goes_on() {
            found = intruders(&home.join("b")).pop_first();
        }
        assert_eq!(found, None);
    });
    assert!(was_moved(), "something was moved");
}
