//! A client of tus that can do what no good client does: break off, lie about lengths, and send several bodies at once.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use data_encoding::BASE64;
use serde_json::Value;
use testkit::server::TestServer;
use testkit::{PATIENCE, wait_for};

/// The type of bodies that are pieces of files.
pub const PIECE: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

/// The bytes that the server writes at once. A body of more is under way as soon as so many of them are there.
pub const WRITTEN: usize = 256 * 1024;

/// A client with the token of one user, or a page without one.
#[derive(Clone)]
pub struct TusClient {
    port: u16,
    token: Option<String>,
}

/// A reply of the server.
#[derive(Debug)]
pub struct TusReply {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A request whose body is still to be sent, or the rest of it.
pub struct OpenRequest(TcpStream);

impl TusClient {
    /// Gives a user a token, and returns a client with it.
    pub fn of(server: &TestServer, user: &str) -> Self {
        let printed = server.admin_ok(&["token", "add", user, "--scope", "files"], "");
        let token = printed.lines().last().unwrap().trim().to_owned();
        Self {
            port: web_port(server),
            token: Some(token),
        }
    }

    /// Returns a client that nobody has signed in to: a page of the server in a browser.
    pub fn page(server: &TestServer) -> Self {
        Self {
            port: web_port(server),
            token: None,
        }
    }

    /// Finds the server again, which was started again.
    pub fn return_to(&mut self, server: &TestServer) {
        self.port = web_port(server);
    }

    /// Sends a request without a body that is announced.
    pub fn open(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> OpenRequest {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = format!("127.0.0.1:{}", self.port);
        let asker = match &self.token {
            Some(token) => format!("Authorization: Bearer {token}"),
            None => format!("Origin: http://{host}"),
        };
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{asker}\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Tus-Resumable") {
            head.push_str("Tus-Resumable: 1.0.0\r\n");
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        OpenRequest(stream)
    }

    /// Sends a request with a body, and returns the reply.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TusReply {
        let length = body.len().to_string();
        let mut headers = headers.to_vec();
        headers.push(("Content-Length", length.as_str()));
        let mut request = self.open(method, path, &headers);
        request.send(body);
        request.reply()
    }

    /// Creates an upload, and returns its path.
    pub fn create(&self, path: &str, size: u64) -> String {
        let reply = self.try_create(path, size, &[]);
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.header("location").unwrap().to_owned()
    }

    /// Asks for an upload; `more` are further pairs of `Upload-Metadata`.
    pub fn try_create(&self, path: &str, size: u64, more: &[(&str, &str)]) -> TusReply {
        let metadata = metadata(path, more);
        let headers = [("Upload-Length", size.to_string()), ("Upload-Metadata", metadata)];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.ask("POST", "/api/v1/uploads", &headers, b"")
    }

    /// Sends bytes of an upload.
    pub fn patch(&self, upload: &str, offset: u64, body: &[u8]) -> TusReply {
        self.ask(
            "PATCH",
            upload,
            &[PIECE, ("Upload-Offset", &offset.to_string())],
            body,
        )
    }

    /// Begins to send bytes of an upload, `announced` of them.
    pub fn open_patch(&self, upload: &str, offset: u64, announced: usize) -> OpenRequest {
        let (offset, length) = (offset.to_string(), announced.to_string());
        let headers = [
            PIECE,
            ("Upload-Offset", offset.as_str()),
            ("Content-Length", length.as_str()),
        ];
        self.open("PATCH", upload, &headers)
    }

    /// Begins to send the rest of a file, and returns when the server is in the middle of it, and has the bytes up to
    /// `offset` and [`WRITTEN`] more. One further byte is on its way.
    pub fn patch_under_way(&self, upload: &str, offset: usize, content: &[u8]) -> OpenRequest {
        let mut request = self.open_patch(upload, offset as u64, content.len() - offset);
        request.send(&content[offset..=offset + WRITTEN]);
        self.wait_for_offset(upload, (offset + WRITTEN) as u64);
        request
    }

    /// Returns how far an upload is.
    pub fn offset(&self, upload: &str) -> u64 {
        let reply = self.ask("HEAD", upload, &[], b"");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.offset()
    }

    /// Waits until an upload is that far.
    pub fn wait_for_offset(&self, upload: &str, offset: u64) {
        wait_for(&format!("{upload} to have {offset} bytes"), || {
            self.offset(upload) == offset
        });
    }

    /// Returns the list of unfinished uploads.
    pub fn list(&self) -> Vec<Value> {
        let reply = self.ask("GET", "/api/v1/uploads", &[], b"");
        assert_eq!(reply.status, 200, "{reply:?}");
        let mut list = reply.json();
        assert_eq!(list["v"], 1, "{list}");
        let Value::Array(uploads) = list["uploads"].take() else {
            panic!("{reply:?}");
        };
        uploads
    }
}

impl OpenRequest {
    /// Sends bytes of the body. A server that has answered already may not read them.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Sends a chunk of a body without a length; an empty one ends it.
    pub fn send_chunk(&mut self, bytes: &[u8]) {
        let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.send(&chunk);
    }

    /// Breaks the connection off.
    pub fn break_off(self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }

    /// Reads the reply.
    pub fn reply(self) -> TusReply {
        let mut reader = BufReader::new(self.0);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no reply but {line:?}"));
        let mut headers = Vec::new();
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut body = Vec::new();
        // The connection is closed behind the body. A body that was not read may reset it.
        let _ = reader.read_to_end(&mut body);
        TusReply {
            status,
            headers,
            body,
        }
    }
}

impl TusReply {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the value of `Upload-Offset`.
    pub fn offset(&self) -> u64 {
        let offset = self.header("upload-offset");
        offset.unwrap_or_else(|| panic!("{self:?}")).parse().unwrap()
    }

    /// Returns the body.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the fixed word of an error.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }

    /// Fails unless the reply has this status. Every reply is one of the protocol.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("tus-resumable"), Some("1.0.0"), "{self:?}");
        self
    }
}

/// Returns the value of `Upload-Metadata`.
pub fn metadata(path: &str, more: &[(&str, &str)]) -> String {
    let mut pairs = vec![format!("path {}", BASE64.encode(path.as_bytes()))];
    let more = more.iter();
    pairs.extend(more.map(|(key, value)| format!("{key} {}", BASE64.encode(value.as_bytes()))));
    pairs.join(",")
}

/// Returns the port of the web page.
fn web_port(server: &TestServer) -> u16 {
    let mut port = None;
    wait_for("the web page to be served", || {
        let log = server.log();
        port = log
            .split_once("the web page is on http://127.0.0.1:")
            .and_then(|(_, rest)| {
                let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
                digits.parse().ok()
            });
        port.is_some()
    });
    port.unwrap()
}
