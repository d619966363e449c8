use std::sync::Mutex;

use super::*;

/// A server with two sessions.
struct Two(Mutex<Vec<Kick>>);

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
    async fn kick(&self, target: Kick) -> usize {
        self.0.lock().unwrap().push(target.clone());
        usize::from(target != Kick::Session(99))
    }
}

/// Runs `client` on a thread of its own against a server on a socket.
async fn with_server<T: Send + 'static>(client: impl FnOnce(&Path) -> T + Send + 'static) -> (T, Vec<Kick>) {
    let dir = tempfile::tempdir().unwrap();
    // Longer than a socket's address may be.
    let deep = dir.path().join("x".repeat(100));
    std::fs::create_dir(&deep).unwrap();
    let path = deep.join("control.sock");
    let handler = Arc::new(Two(Mutex::default()));
    let shutdown = CancellationToken::new();
    // A socket that nobody listens on any more is replaced.
    drop(bind(&path).unwrap());
    let listener = bind(&path).unwrap();
    let serving = tokio::spawn(serve(listener, handler.clone(), shutdown.clone()));
    let result = tokio::task::spawn_blocking(move || client(&path)).await.unwrap();
    shutdown.cancel();
    serving.await.unwrap();
    let kicked = handler.0.lock().unwrap().clone();
    (result, kicked)
}

#[tokio::test]
async fn questions_are_answered() {
    use crate::admin::cli::SessionsCommand::{Kick as KickCommand, List};
    let ((), kicked) = with_server(|path| {
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
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    })
    .await;
    assert_eq!(kicked, [Kick::User("calvin".into()), Kick::Session(99)]);
}

#[tokio::test]
async fn nonsense_gets_an_answer_and_disturbs_nobody() {
    with_server(|path| {
        let raw = |bytes: &[u8]| {
            let (dir, name) = Short::new(path).unwrap();
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
        check(b"\"sessions\"", "has no end");
        check(&[b' '; 5000][..4096], "too long");
        assert_eq!(raw(b""), "");
        assert_eq!(raw(b"\"sessions\"\n\"sessions\"\n").lines().count(), 2);
        // Far more idle connections than are served: each is let go, and none keeps another from its turn for good.
        let (dir, name) = Short::new(path).unwrap();
        let idle: Vec<_> = (0..MAX_CONNECTIONS - 1)
            .map(|_| Blocking::connect(dir.path(&name)).unwrap())
            .collect();
        assert!(matches!(ask(path, &Request::Sessions), Ok(Answer::Sessions(s)) if s.len() == 2));
        drop(idle);
    })
    .await;
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
