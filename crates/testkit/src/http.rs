//! Small HTTP servers, for what calls addresses.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// A request that the test's HTTP server has received.
#[derive(Debug)]
pub struct HttpRequest {
    /// The first line.
    pub line: String,
    /// The lines of the header.
    pub headers: Vec<String>,
    /// The body.
    pub body: String,
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

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|header| {
            let (found, value) = header.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Starts an HTTP server, and returns its port and what it receives. It answers each request with the next of these answers,
/// and then with the last one.
pub fn http_server(answers: Vec<String>) -> (u16, Receiver<HttpRequest>) {
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

/// An HTTPS server that gives the same answer to everything. It ends with the test.
pub struct HttpsServer {
    process: Child,
    /// The port that it listens on.
    pub port: String,
}

impl HttpsServer {
    const SCRIPT: &str = "import http.server, os, ssl
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers['content-length']))
        self.send_response(200)
        body = os.environ['BODY'].encode()
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('cert.pem', 'key.pem')
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()";

    /// Starts the server in this directory, with a certificate of its own for `localhost`: `cert.pem`. Its answers have this
    /// body.
    pub fn start(directory: &Path, body: &str) -> Self {
        let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
                       -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
                       -keyout key.pem -out cert.pem";
        let made = Command::new("openssl")
            .args(request.split_whitespace())
            .current_dir(directory)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut process = Command::new("python3")
            .args(["-c", Self::SCRIPT])
            .env("BODY", body)
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
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
