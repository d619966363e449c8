//! Addresses that are called.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use super::*;
use hmac::{Hmac, KeyInit as _, Mac as _};

/// A request that the test's HTTP server has received.
#[derive(Debug)]
struct HttpRequest {
    line: String,
    headers: Vec<String>,
    body: String,
}

impl HttpRequest {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            match header.trim_end() {
                "" => break,
                header => headers.push(header.to_owned()),
            }
        }
        let mut request = Self {
            line: line.trim_end().to_owned(),
            headers,
            body: String::new(),
        };
        let length: usize = request.header("content-length")?.parse().ok()?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        request.body = String::from_utf8(body).ok()?;
        Some(request)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|header| {
            let (found, value) = header.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Answers each request with the next of these answers, and then with the last one.
fn http_server(answers: Vec<String>) -> (u16, Receiver<HttpRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        let mut answers = answers.iter();
        let mut last = "";
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(request) = HttpRequest::read(&stream) else {
                continue;
            };
            last = answers.next().map_or(last, String::as_str);
            let _ = (&stream).write_all(last.as_bytes());
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (port, requests)
}

fn answer(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n{headers}\r\n")
}

fn hook(url: &str, more: &str) -> String {
    format!("[[hooks]]\non = [\"uploaded\"]\nurl = \"{url}\"\n{more}\n")
}

#[test]
fn a_signed_request_is_repeated_until_it_succeeds() {
    let (port, requests) = http_server(vec![answer("500 Broken", ""), answer("204 No Content", "")]);
    let url = format!("http://127.0.0.1:{port}/homeport?token=hidden");
    let mut story = HookStory::new("", &hook(&url, "secret_file = \"hook.secret\""));
    story.write("hook.secret", "0123456789abcdef0123456789abcdef\n");
    std::fs::set_permissions(story.path("hook.secret"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = story.server.admin(&["check"], "");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    std::fs::set_permissions(story.path("hook.secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    story.server.serve();
    assert_eq!(story.helper(), None, "no program is to be run");
    story.put("a", b"123");
    let receive = || requests.recv_timeout(testkit::PATIENCE).unwrap();
    let (first, second) = (receive(), receive());
    assert_eq!(first.line, "POST /homeport?token=hidden HTTP/1.1");
    for (request, attempt) in [(&first, 1), (&second, 2)] {
        assert_eq!(request.header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(
            (&body["path"], &body["delivery"]),
            (&"/a".into(), &1.into()),
            "{body}"
        );
        assert_eq!((&body["attempt"], &body["file"]), (&attempt.into(), &Value::Null));
        let signature = request.header("homeport-signature").unwrap();
        let (time, mac) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let mut expected = Hmac::<sha2::Sha256>::new_from_slice(b"0123456789abcdef0123456789abcdef").unwrap();
        expected.update(format!("{time}.{}", request.body).as_bytes());
        let expected: String = expected
            .finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(mac, expected);
    }
    story.wait_for_empty_queue();
    let log = story.server.log();
    assert!(log.contains("it answered 500"), "{log}");
    assert!(
        !log.contains("hidden") && !log.contains("0123456789abcdef"),
        "{log}"
    );
}

#[test]
fn redirects_are_not_followed_and_errors_are_set_aside() {
    let (other, elsewhere) = http_server(vec![answer("200 OK", "")]);
    let location = format!("location: http://127.0.0.1:{other}/\r\n");
    let (port, requests) = http_server(vec![
        answer("307 Temporary Redirect", &location),
        answer("404 Not Found", ""),
    ]);
    let story = HookStory::start("", &hook(&format!("http://127.0.0.1:{port}/"), "retries = 0"));
    story.put("a", b"1");
    let entry = story.wait_for_set_aside();
    let error = entry["error"].as_str().unwrap();
    assert!(
        error.contains("307") && error.contains("redirects are not followed"),
        "{error}"
    );
    assert_eq!(entry["hook"], format!("http://127.0.0.1:{port}"));
    story.put("b", b"1");
    wait_for("the second one", || {
        let list = story.list();
        list.len() == 2
            && list[1]["error"]
                .as_str()
                .is_some_and(|error| error.contains("404"))
    });
    assert_eq!(requests.try_iter().count(), 2);
    assert!(elsewhere.try_recv().is_err());
}

#[test]
fn an_address_that_does_not_answer_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let story = HookStory::start(
        "",
        &hook(
            &format!("http://127.0.0.1:{port}/"),
            "retries = 0\ntimeout_secs = 1",
        ),
    );
    let began = std::time::Instant::now();
    story.put("a", b"1");
    let entry = story.wait_for_set_aside();
    assert!(entry["error"].as_str().unwrap().contains("timeout"), "{entry}");
    // Without the setting, it would be 30 s.
    assert!(
        began.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_certificate_that_the_system_does_not_trust_is_refused() {
    let mut story = HookStory::new("", "");
    let https = HttpsServer::start(story.server.path());
    let url = format!("https://localhost:{}/", https.port);
    story.configure(&hook(&url, "retries = 0"));
    story.server.serve();
    story.put("a", b"1");
    let entry = story.wait_for_set_aside();
    let error = entry["error"].as_str().unwrap().to_lowercase();
    assert!(
        error.contains("certificate") || error.contains("issuer"),
        "{error}"
    );
    story.server.signal("TERM");
    story.server.wait_for_exit();
    // The same one, trusted, from a file that lies where nothing of the configuration does.
    let elsewhere = tempfile::tempdir().unwrap();
    let certificate = elsewhere.path().join("ca.pem");
    std::fs::copy(story.path("cert.pem"), &certificate).unwrap();
    let variable = format!("SSL_CERT_FILE={}", certificate.display());
    story.server.serve_by(&["env", &variable]);
    story.server.admin_ok(&["hooks", "retry", "--all"], "");
    story.wait_for_empty_queue();
    story.server.signal("TERM");
    story.server.wait_for_exit();
    // And from a directory whose links lead to yet another one.
    let links = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&certificate, links.path().join("01234567.0")).unwrap();
    let variable = format!("SSL_CERT_DIR={}", links.path().display());
    story.server.serve_by(&["env", &variable]);
    story.put("b", b"1");
    story.wait_for_empty_queue();
}

/// An HTTPS server that accepts everything. It ends with the test.
struct HttpsServer {
    process: std::process::Child,
    port: String,
}

impl HttpsServer {
    const SCRIPT: &str = "import http.server, ssl
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers['content-length']))
        self.send_response(200)
        self.end_headers()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('cert.pem', 'key.pem')
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()";

    /// Starts the server in this directory, with a certificate of its own for `localhost`: `cert.pem`.
    fn start(directory: &std::path::Path) -> Self {
        let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
                       -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
                       -keyout key.pem -out cert.pem";
        let made = std::process::Command::new("openssl")
            .args(request.split_whitespace())
            .current_dir(directory)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut process = std::process::Command::new("python3")
            .args(["-c", Self::SCRIPT])
            .current_dir(directory)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut port).unwrap();
        Self {
            process,
            port: port.trim().to_owned(),
        }
    }
}

impl Drop for HttpsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
