//! Busy sessions, for tests in which the administrator changes the rights of their user.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::Value;

use testkit::packets::{CREAT, Part, READ, WRITE, copy_data, extended, nth, open};
use testkit::raw::{RawSftp, Received};
use testkit::server::{TestServer, password};
use testkit::stock::By;
use testkit::{PATIENCE, wait_for};

/// The size of a sparse file: no operation on it ends within a test.
const LARGE: u64 = 8 << 30;

/// What a session does while its user loses a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Nothing,
    Upload,
    Download,
    Hash,
    Scp,
    Copy,
}

/// A session that is doing something.
pub enum Session {
    Raw(RawSftp),
    Client(Child),
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Session::Client(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub const PASSWORD: By = By::Password("password");

/// Runs `user … --json`, which must succeed, and returns its result.
pub fn change(server: &TestServer, command: &[&str], input: &str) -> Value {
    let words = [&["user"], command, &["--json"]].concat();
    let said: Value = serde_json::from_str(&server.admin_ok(&words, input)).unwrap();
    assert_eq!(
        (&said["v"], &said["confirmed"]),
        (&1.into(), &true.into()),
        "{said}"
    );
    said
}

/// Starts a stock client that signs in by key or password and runs longer than any test.
fn client(server: &TestServer, program: &str, user: &str, by: By, arguments: &[&str]) -> Child {
    let command = server.client(program, user, by);
    let mut command = server.with_password(command, &password(user));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null()).spawn().unwrap()
}

/// Returns a session of the raw driver that signed in by key or password.
pub fn raw(server: &TestServer, user: &str, by: By) -> RawSftp {
    let command = server.client("ssh", user, by);
    let mut command = server.with_password(command, &password(user));
    command.args(["-s", &format!("{user}@127.0.0.1"), "sftp"]);
    RawSftp::start(command)
}

/// Returns the path of the file that grows while a session runs.
pub fn growing(server: &TestServer, user: &str, doing: Doing) -> Option<PathBuf> {
    match doing {
        Doing::Nothing | Doing::Hash => None,
        Doing::Upload | Doing::Scp | Doing::Copy => Some(server.home(user).join("f")),
        Doing::Download => Some(server.path().join(format!("got-{user}"))),
    }
}

pub fn size(path: &PathBuf) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

/// Begins a session, and waits until it is in the middle of what it does.
pub fn begin(server: &TestServer, user: &str, by: By, doing: Doing) -> Session {
    let remote = format!("{user}@127.0.0.1");
    let large = server.home(user).join("large");
    fs::File::create(&large).unwrap().set_len(LARGE).unwrap();
    let local = server.path().join("local");
    let session = match doing {
        Doing::Nothing => Session::Raw(raw(server, user, by)),
        Doing::Upload => {
            let batch = server.path().join(format!("batch-{user}"));
            fs::write(&batch, "put local f\n").unwrap();
            // The option `-b` would forbid password prompts.
            let command = server.client("sftp", user, by);
            let mut command = server.with_password(command, &password(user));
            command
                .args(["-q", "-l", "4000", &remote])
                .stdin(fs::File::open(&batch).unwrap());
            Session::Client(
                command
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap(),
            )
        }
        Doing::Download => {
            let from = format!("{remote}:large");
            let to = format!("got-{user}");
            Session::Client(client(
                server,
                "sftp",
                user,
                by,
                &["-q", "-l", "4000", &from, &to],
            ))
        }
        Doing::Scp => {
            let to = format!("{remote}:f");
            let from = local.to_str().unwrap();
            Session::Client(client(
                server,
                "scp",
                user,
                by,
                &["-O", "-q", "-l", "4000", from, &to],
            ))
        }
        Doing::Hash => {
            let mut session = raw(server, user, by);
            let text = |text: &str| Part::Text(text.into());
            let parts = vec![text("large"), Part::U64(0), Part::U64(0), text("")];
            let request = extended("md5-hash", parts);
            send(&mut session, &request, &[]);
            server.wait_for_audit("\"hashed\"");
            Session::Raw(session)
        }
        Doing::Copy => {
            let mut session = raw(server, user, by);
            let from = session.handle(&open("large", READ));
            let to = session.handle(&open("f", WRITE | CREAT));
            send(&mut session, &copy_data(nth(0), 0, 0, nth(1), 0), &[from, to]);
            Session::Raw(session)
        }
    };
    if let Some(file) = growing(server, user, doing) {
        wait_for(&format!("{doing:?} of {user}"), || size(&file) > 0);
    }
    session
}

fn send(session: &mut RawSftp, request: &testkit::packets::Request, handles: &[Vec<u8>]) {
    let context = testkit::packets::Context { base: "", handles };
    assert!(session.send(&request.encode(77, &context)));
}

/// Waits until the client notices that the session has ended.
pub fn assert_over(session: &mut Session, what: &str) {
    match session {
        Session::Raw(session) => loop {
            match session.receive(PATIENCE) {
                // Pending requests may still be refused.
                Received::Packet(_) => {}
                Received::Ended => return,
                Received::Silence => panic!("{what}: the session lives on"),
            }
        },
        Session::Client(child) => {
            let mut status = None;
            wait_for(&format!("{what}: the client to end"), || {
                status = child.try_wait().unwrap();
                status.is_some()
            });
            assert!(!status.unwrap().success(), "{what}: the client is content");
        }
    }
}
