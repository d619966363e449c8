use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream as Blocking;
use std::sync::Mutex;

use super::*;
use crate::accounts::measure::Sum;

/// A server with two sessions.
struct Two(Mutex<Vec<Kick>>, Arc<tokio::sync::Notify>);

fn usage(name: &str, bytes: u64) -> HomeUsage {
    let mut user = crate::domain::user::User::blank(name.parse().unwrap());
    user.home = "/homes/calvin".into();
    user.quota.bytes = Some(8);
    HomeUsage::measured(
        &user,
        &Sum {
            bytes,
            files: 1,
            ..Sum::default()
        },
    )
}

#[async_trait::async_trait]
impl ControlHandler for Two {
    async fn sessions(&self) -> Vec<SessionInfo> {
        let info = |id| SessionInfo {
            id,
            user: "calvin".into(),
            peer: "[::1]:5".into(),
            client: "SSH-2.0-\u{1b}[2J".into(),
            since: "2026-01-02T03:04:05Z".into(),
            channels: 1,
            bytes_in: Some(7),
            bytes_out: None,
        };
        vec![info(1), info(2)]
    }
    fn listening(&self) -> Vec<SocketAddr> {
        vec!["[::1]:2222".parse().unwrap()]
    }
    async fn kick(&self, target: Kick) -> usize {
        self.0.lock().unwrap().push(target.clone());
        usize::from(target != Kick::Session(99))
    }
    async fn changed(&self, users: Vec<String>) -> Result<Applied> {
        Ok(Applied {
            sessions_ended: users.len(),
            still_busy: 0,
        })
    }
    async fn usage(&self, user: Option<String>) -> Result<Vec<HomeUsage>> {
        match user.as_deref() {
            Some("nobody") => Err(Error::new("there is no user \"nobody\"").hint("homeportd user list")),
            Some(name) => Ok(vec![usage(name, 7)]),
            None => Ok(vec![usage("calvin", 7), usage("tom", 8)]),
        }
    }
    async fn scan(&self, user: String) -> Result<Scanned> {
        // Until the others have been answered.
        self.1.notified().await;
        let (before, after) = (usage(&user, 7), usage(&user, 9));
        Ok(Scanned { before, after })
    }
}

/// Runs `client` on a thread of its own against a server on a socket.
async fn with_server<T: Send + 'static>(
    client: impl FnOnce(&Path, &tokio::sync::Notify) -> T + Send + 'static,
) -> (T, Vec<Kick>) {
    let dir = tempfile::tempdir().unwrap();
    // Longer than a socket's address may be.
    let deep = dir.path().join("x".repeat(100));
    std::fs::create_dir(&deep).unwrap();
    let path = deep.join("control.sock");
    let handler = Arc::new(Two(Mutex::default(), Arc::default()));
    let shutdown = CancellationToken::new();
    // A socket that nobody listens on any more is replaced.
    drop(bind(&path).unwrap());
    let listener = bind(&path).unwrap();
    let serving = tokio::spawn(serve(listener, handler.clone(), shutdown.clone()));
    let turn = Arc::clone(&handler.1);
    let result = tokio::task::spawn_blocking(move || client(&path, &turn))
        .await
        .unwrap();
    shutdown.cancel();
    serving.await.unwrap();
    let kicked = handler.0.lock().unwrap().clone();
    (result, kicked)
}

#[tokio::test]
async fn questions_are_answered() {
    use crate::admin::cli::SessionsCommand::{Kick as KickCommand, List};
    let ((), kicked) = with_server(|path, _| {
        let run = |command| crate::admin::sessions::run(command, path);
        let text = run(List { json: false }).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("SSH-2.0-\\u{1b}[2J"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&run(List { json: true }).unwrap()).unwrap();
        assert_eq!(json[1]["id"], 2);
        assert_eq!(json[0]["bytes_out"], serde_json::Value::Null);
        let calvin = Some("calvin".parse().unwrap());
        assert_eq!(
            run(KickCommand {
                id: None,
                user: calvin
            })
            .unwrap(),
            "disconnected 1 session\n"
        );
        let error = run(KickCommand {
            id: Some(99),
            user: None,
        })
        .unwrap_err()
        .to_string();
        assert_eq!(error, "there is no session 99 (hint: homeportd sessions list)");
        let mode = sockets::of_process(path, std::process::id()).metadata().unwrap();
        let mode = mode.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    })
    .await;
    assert_eq!(kicked, [Kick::User("calvin".into()), Kick::Session(99)]);
}

#[tokio::test]
async fn nonsense_gets_an_answer_and_disturbs_nobody() {
    with_server(|path, _| {
        let raw = |bytes: &[u8]| {
            let (dir, name) = Short::new(&sockets::of_process(path, std::process::id())).unwrap();
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
        check(b"{\"scan\":{}}\n", "not understood");
        check(
            b"{\"usage\":{\"user\":\"nobody\"}}\n",
            "\"failed\":\"there is no user",
        );
        check(b"\"sessions\"", "has no end");
        check(&[b' '; 5000][..4096], "too long");
        assert_eq!(raw(b""), "");
        assert_eq!(raw(b"\"sessions\"\n\"sessions\"\n").lines().count(), 2);
        // Far more idle connections than are served: each is let go, and none keeps another from its turn for good.
        let (dir, name) = Short::new(&sockets::of_process(path, std::process::id())).unwrap();
        let idle: Vec<_> = (0..MAX_CONNECTIONS - 1)
            .map(|_| Blocking::connect(dir.path(&name)).unwrap())
            .collect();
        assert!(matches!(ask(path, &Request::Sessions), Ok(Answer::Sessions(s)) if s.len() == 2));
        drop(idle);
    })
    .await;
}

#[tokio::test]
async fn what_homes_hold_is_told_in_stable_words() {
    with_server(|path, _| {
        let (dir, name) = Short::new(&sockets::of_process(path, std::process::id())).unwrap();
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
                "{{\"name\":\"{name}\",\"home\":\"/homes/calvin\",\"used_bytes\":{bytes},\"used_files\":1,\
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
        let request = Request::Usage {
            user: Some("nobody".into()),
        };
        let error = ask(path, &request).unwrap_err().to_string();
        assert_eq!(error, "there is no user \"nobody\" (hint: homeportd user list)");
    })
    .await;
}

#[tokio::test]
async fn a_scan_holds_up_nobody_and_is_waited_for() {
    with_server(|path, turn| {
        std::thread::scope(|threads| {
            let begun = std::time::Instant::now();
            let scanning = threads.spawn(|| {
                ask(
                    path,
                    &Request::Scan {
                        user: "calvin".into(),
                    },
                )
            });
            for _ in 0..3 {
                assert!(matches!(ask(path, &Request::Sessions), Ok(Answer::Sessions(_))));
            }
            // Longer than any other answer is waited for: the server says that it works.
            while begun.elapsed() < Duration::from_secs(6) {
                assert!(!scanning.is_finished());
                std::thread::sleep(Duration::from_millis(50));
            }
            turn.notify_one();
            let Answer::Scanned(scanned) = scanning.join().unwrap().unwrap() else {
                panic!("no answer to a scan")
            };
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
    assert_eq!(ask_if_running(&path, &Request::Sessions).unwrap(), None);
    assert_eq!(
        ask_if_running(&dir.path().join("none"), &Request::Sessions).unwrap(),
        None
    );
    std::fs::remove_file(&path).unwrap();
    let accepting = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let hanging_up = std::thread::spawn(move || drop(accepting.accept()));
    let error = ask_if_running(&path, &Request::Sessions).unwrap_err().to_string();
    hanging_up.join().unwrap();
    assert!(error.starts_with("cannot ask the server at"), "{error}");
}

/// As a server that was stopped: the kernel takes connections and words for it, until its queue is full.
#[test]
fn a_server_that_says_nothing_is_waited_for_no_longer_than_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let listener = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    let address = rustix::net::SocketAddrUnix::new(&path).unwrap();
    rustix::net::bind(&listener, &address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let name: crate::domain::user::UserName = "calvin".parse().unwrap();
    let check = |what: &str, ask: &dyn Fn() -> String, expected: &str| {
        let begun = std::time::Instant::now();
        let error = ask();
        let took = begun.elapsed();
        assert!(error.contains(expected), "{what}: {error}");
        // The limit is 5 s; without one it would be for ever. The rest is for a machine that is busy.
        assert!(
            took >= Duration::from_millis(4500) && took < Duration::from_secs(50),
            "{what}: {took:?}"
        );
    };
    let silent = |request: Request| move |path: &Path| ask(path, &request).unwrap_err().to_string();
    let scan = silent(Request::Scan {
        user: "calvin".into(),
    });
    std::thread::scope(|threads| {
        // This one is in the queue; the others wait for a place in it.
        let path = &path;
        let first = threads.spawn(move || check("scan", &|| scan(path), "has not answered within 5 s"));
        std::thread::sleep(Duration::from_millis(200));
        let sessions = silent(Request::Sessions);
        threads.spawn(move || check("sessions", &|| sessions(path), "has not answered within 5 s"));
        let change = || {
            let stored = crate::admin::announce::Stored::done(&name, "changed calvin");
            stored.announce(path).unwrap_err().to_string()
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
    let error = ask(&dir.path().join("control.sock"), &Request::Sessions)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("no server is running"), "{error}");
    let error = ask(&dir.path().join("none/control.sock"), &Request::Sessions)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("no server is running"), "{error}");
}
