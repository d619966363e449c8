mod two_sessions;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream as Blocking;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::client::{Client, ask_if_running};
use super::protocol::{ControlAnswer, ControlRequest};
use super::server::{MAX_CONNECTIONS, bind, serve};
use super::sockets::{self, SocketDir};
use crate::domain::user::UserName;
use crate::ops::running::{DisconnectTarget, RunningServer as _};
use crate::ops::sessions::list;
use crate::ops::usage::Remeasurement;
use crate::ops::users::change::{StoredChange, UserChange};
use base::error::Result;
use two_sessions::TwoSessions;

/// Asks the server at `path`.
fn ask(path: &Path, request: &ControlRequest) -> Result<ControlAnswer> {
    Ok(Client::new(path.to_owned()).ask(request)?)
}

/// Runs `client` on a thread of its own against a server on a socket.
pub(crate) async fn with_server<T: Send + 'static>(
    client: impl FnOnce(&Path, &tokio::sync::Notify) -> T + Send + 'static,
) -> (T, Vec<DisconnectTarget>) {
    let dir = tempfile::tempdir().unwrap();
    // Longer than a socket's address may be.
    let deep = dir.path().join("x".repeat(100));
    std::fs::create_dir(&deep).unwrap();
    let path = deep.join("control.sock");
    let handler = Arc::new(TwoSessions::default());
    let shutdown = CancellationToken::new();
    // A socket that nobody listens on any more is replaced.
    drop(bind(&path).unwrap());
    let listener = bind(&path).unwrap();
    let serving = tokio::spawn(serve(listener, handler.clone(), shutdown.clone()));
    let turn = Arc::clone(&handler.turn);
    let result = tokio::task::spawn_blocking(move || client(&path, &turn))
        .await
        .unwrap();
    shutdown.cancel();
    serving.await.unwrap();
    let disconnected = handler.disconnected.lock().clone();
    (result, disconnected)
}

#[tokio::test]
async fn nobody_else_may_open_the_socket() {
    with_server(|path, _| {
        let mode = sockets::of_process(path, std::process::id()).metadata().unwrap();
        let mode = mode.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    })
    .await;
}

#[tokio::test]
async fn nonsense_gets_an_answer_and_disturbs_nobody() {
    with_server(|path, _| {
        let raw = |bytes: &[u8]| {
            let (dir, name) = SocketDir::open(&sockets::of_process(path, std::process::id())).unwrap();
            let mut stream = Blocking::connect(dir.path(&name)).unwrap();
            stream.write_all(bytes).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            answer
        };
        let check = |bytes: &[u8], expected: &str| {
            let answer = raw(bytes);
            assert!(answer.contains(expected), "{answer}");
            serde_json::from_str::<serde_json::Value>(&answer).unwrap();
        };
        check(b"hello\n", "not understood");
        check(b"{\"quota\":1}\n", "not understood");
        check(b"{\"usage\":1}\n", "not understood");
        check(b"{\"scan\":{}}\n", "\"failed\":\"the request names neither");
        check(
            b"{\"usage\":{\"user\":\"nobody\"}}\n",
            "\"failed\":\"there is no user",
        );
        check(b"\"sessions\"", "has no end");
        check(&[b' '; 5000][..4096], "too long");
        assert_eq!(raw(b""), "");
        assert_eq!(raw(b"\"status\"\n\"status\"\n").lines().count(), 2);
        // Far more idle connections than are served: each is let go, and none keeps another from its turn for good.
        let (dir, name) = SocketDir::open(&sockets::of_process(path, std::process::id())).unwrap();
        let idle: Vec<_> = (0..MAX_CONNECTIONS - 1)
            .map(|_| Blocking::connect(dir.path(&name)).unwrap())
            .collect();
        assert!(
            matches!(ask(path, &ControlRequest::Sessions { after: 0 }), Ok(ControlAnswer::Sessions(s)) if s.len() == 1)
        );
        drop(idle);
    })
    .await;
}

#[tokio::test]
async fn the_use_of_homes_has_stable_names() {
    with_server(|path, _| {
        let (dir, name) = SocketDir::open(&sockets::of_process(path, std::process::id())).unwrap();
        let stream = Blocking::connect(dir.path(&name)).unwrap();
        let mut answers = BufReader::new(&stream);
        let mut check = |question: &str, expected: &str| {
            (&stream).write_all(format!("{question}\n").as_bytes()).unwrap();
            let mut answer = String::new();
            answers.read_line(&mut answer).unwrap();
            assert_eq!(answer.trim_end(), expected, "{question}");
        };
        let told = |name: &str, bytes: u64| {
            format!(
                "{{\"name\":\"{name}\",\"kind\":\"user\",\"home\":\"/homes/calvin\",\"used_bytes\":{bytes},\"used_files\":1,\
                 \"quota_bytes\":8,\"quota_files\":null,\"usage_exact\":true,\"standing\":\"exact\"}}"
            )
        };
        let (calvin, tom) = (told("calvin", 7), told("tom", 8));
        check("{\"usage\":{}}", &format!("{{\"usage\":[{calvin},{tom}]}}"));
        check(
            "{\"changed\":{\"users\":[\"calvin\",\"tom\"]}}",
            "{\"applied\":{\"sessions_ended\":2,\"still_busy\":0}}",
        );
        check(
            "{\"usage\":{\"user\":null}}",
            &format!("{{\"usage\":[{calvin},{tom}]}}"),
        );
        check(
            "{\"usage\":{\"user\":\"calvin\"}}",
            &format!("{{\"usage\":[{calvin}]}}"),
        );
        let request = ControlRequest::Usage {
            user: Some("nobody".into()),
            folder: None,
        };
        let error = ask(path, &request).unwrap_err().to_string();
        assert_eq!(error, "there is no user \"nobody\" (hint: homeportd user list)");
    })
    .await;
}

#[tokio::test]
async fn what_the_server_does_arrives_as_it_was_sent() {
    with_server(|path, _| {
        let server = Client::new(path.to_owned());
        let (sent, received) = block_on(async {
            let two = TwoSessions::default();
            let sent = (two.status().await.unwrap(), list(&two).await.unwrap());
            (
                sent,
                (server.status().await.unwrap(), list(&server).await.unwrap()),
            )
        });
        assert_eq!(sent, received);
        assert_eq!(received.1.len(), 2, "all pages are read");
    })
    .await;
}

#[tokio::test]
async fn a_scan_holds_up_nobody_and_is_waited_for() {
    with_server(|path, turn| {
        std::thread::scope(|threads| {
            let scanning = threads.spawn(|| {
                ask(
                    path,
                    &ControlRequest::Scan {
                        user: Some("calvin".into()),
                        folder: None,
                    },
                )
            });
            for _ in 0..3 {
                assert!(matches!(
                    ask(path, &ControlRequest::Sessions { after: 0 }),
                    Ok(ControlAnswer::Sessions(_))
                ));
            }
            // Any other answer is not waited for so long: the server says that it works.
            let dir = tempfile::tempdir().unwrap();
            let silent = dir.path().join("control.sock");
            let _listener = silent_server(&silent);
            assert!(ask(&silent, &ControlRequest::Sessions { after: 0 }).is_err());
            assert!(!scanning.is_finished());
            turn.notify_one();
            let ControlAnswer::Scanned(scanned) = scanning.join().unwrap().unwrap() else {
                panic!("no answer to a scan")
            };
            let scanned = Remeasurement::try_from(*scanned).unwrap();
            assert_eq!(
                (scanned.before.used_bytes, scanned.after.used_bytes),
                (Some(7), Some(9))
            );
        });
    })
    .await;
}

#[test]
fn a_socket_that_a_dead_server_left_is_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert_eq!(
        ask_if_running(&path, &ControlRequest::Sessions { after: 0 }).unwrap(),
        None
    );
    assert_eq!(
        ask_if_running(&dir.path().join("none"), &ControlRequest::Sessions { after: 0 }).unwrap(),
        None
    );
    std::fs::remove_file(&path).unwrap();
    let accepting = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let hanging_up = std::thread::spawn(move || drop(accepting.accept()));
    let error = ask_if_running(&path, &ControlRequest::Sessions { after: 0 })
        .unwrap_err()
        .to_string();
    hanging_up.join().unwrap();
    assert!(error.starts_with("cannot ask the server at"), "{error}");
}

#[test]
fn a_server_of_another_user_is_said_with_what_to_do() {
    // Root may ask every server.
    if rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let _listening = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    let error = ask_if_running(&path, &ControlRequest::Sessions { after: 0 })
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("permission denied (hint: run the command as root, or as the server's user)"),
        "{error}"
    );
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(work)
}

#[test]
fn without_a_server_there_is_nobody_to_wait_for() {
    let dir = tempfile::tempdir().unwrap();
    let name: UserName = "calvin".parse().unwrap();
    let server = Client::new(dir.path().join("control.sock"));
    let confirmed = block_on(StoredChange::new(&name, UserChange::PasswordSet, true).confirm(&server));
    assert!(confirmed.unwrap().effect.is_none());
}

/// As a server that was stopped: the kernel takes connections and words for it, until its queue is full.
fn silent_server(path: &Path) -> std::os::fd::OwnedFd {
    let listener = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    let address = rustix::net::SocketAddrUnix::new(path).unwrap();
    rustix::net::bind(&listener, &address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    listener
}

/// Without a limit it would be waited for without an end.
#[test]
fn a_server_that_says_nothing_is_waited_for_no_longer_than_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let _listener = silent_server(&path);
    let name: crate::domain::user::UserName = "calvin".parse().unwrap();
    let check = |what: &str, ask: &dyn Fn() -> String, expected: &str| {
        let error = ask();
        assert!(error.contains(expected), "{what}: {error}");
    };
    let silent = |request: ControlRequest| move |path: &Path| ask(path, &request).unwrap_err().to_string();
    let scan = silent(ControlRequest::Scan {
        user: Some("calvin".into()),
        folder: None,
    });
    std::thread::scope(|threads| {
        // This one is in the queue; the others wait for a place in it.
        let path = &path;
        let first = threads.spawn(move || check("scan", &|| scan(path), "has not answered within 5 s"));
        std::thread::sleep(Duration::from_millis(200));
        let sessions = silent(ControlRequest::Sessions { after: 0 });
        threads.spawn(move || check("sessions", &|| sessions(path), "has not answered within 5 s"));
        let change = || {
            let stored = StoredChange::new(&name, UserChange::PasswordSet, true);
            let confirmed = block_on(stored.confirm(&Client::new(path.clone())));
            confirmed.unwrap_err().to_string()
        };
        check(
            "change",
            &change,
            "the change is stored, and the server has not confirmed it: ",
        );
        first.join().unwrap();
    });
}

#[test]
fn without_a_server_the_error_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let error = ask(
        &dir.path().join("control.sock"),
        &ControlRequest::Sessions { after: 0 },
    )
    .unwrap_err()
    .to_string();
    assert!(error.starts_with("no server is running"), "{error}");
    let error = ask(
        &dir.path().join("none/control.sock"),
        &ControlRequest::Sessions { after: 0 },
    )
    .unwrap_err()
    .to_string();
    assert!(error.starts_with("no server is running"), "{error}");
}

#[tokio::test]
async fn what_an_operator_must_do_something_about_is_asked_for() {
    let (answer, _) = with_server(|path, _| ask(path, &ControlRequest::Problems).unwrap()).await;
    let expected = vec!["commands cannot be run".to_owned()];
    assert_eq!(answer, ControlAnswer::Problems(expected));
}
