//! A client of the web page's API that can do what no good client does: break off, lie about lengths, and read as slowly as
//! it likes. It blocks, and every connection has one request.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use super::server::TestServer;
use super::{PATIENCE, wait_for};

/// The section of the configuration that serves the web page, on a free port of the loopback address.
pub const WEB: (&str, &str) = ("web", "listen = [\"127.0.0.1:0\"]");

/// A client, with the token of a user or without one.
#[derive(Debug, Clone)]
pub struct WebClient {
    port: u16,
    token: Option<String>,
}

/// A request whose body is still to be sent, or the rest of it.
pub struct WebRequest(TcpStream);

/// A reply whose body is still to be read, or the rest of it.
pub struct OpenReply {
    /// The status.
    pub status: u16,
    headers: Vec<String>,
    reader: BufReader<TcpStream>,
}

/// A reply that was read to its end.
#[derive(Debug)]
pub struct WebReply {
    /// The status.
    pub status: u16,
    headers: Vec<String>,
    /// The body, as far as it has arrived.
    pub body: Vec<u8>,
    /// Whether the body has ended as its headers say, and did not break off.
    pub is_whole: bool,
}

impl WebClient {
    /// Gives a user a token for files, and returns a client with it.
    pub fn of(server: &TestServer, user: &str) -> Self {
        let printed = server.admin_ok(&["token", "add", user, "--scope", "files"], "");
        let token = printed.lines().last().unwrap().trim().to_owned();
        Self {
            token: Some(token),
            ..Self::anonymous(server)
        }
    }

    /// Returns a client that nobody has signed in.
    pub fn anonymous(server: &TestServer) -> Self {
        let mut port = None;
        wait_for("the web page to be served", || {
            let log = server.log();
            let address = log.split_once("the web page is on http://127.0.0.1:");
            port = address.and_then(|(_, rest)| {
                let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
                digits.parse().ok()
            });
            port.is_some()
        });
        Self {
            port: port.unwrap(),
            token: None,
        }
    }

    /// Sends the head of a request, exactly with these headers besides those that say who asks.
    pub fn open(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> WebRequest {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let port = self.port;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
        if let Some(token) = &self.token {
            write!(head, "Authorization: Bearer {token}\r\n").unwrap();
        }
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        WebRequest(stream)
    }

    /// Sends a request with a body, and returns the reply.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> WebReply {
        let length = body.len().to_string();
        let mut headers = headers.to_vec();
        if !body.is_empty() || matches!(method, "PUT" | "POST" | "PATCH") {
            headers.push(("Content-Length", &length));
        }
        let mut request = self.open(method, path, &headers);
        request.send(body);
        request.reply().rest(method != "HEAD")
    }

    /// Sends a GET.
    pub fn get(&self, path: &str) -> WebReply {
        self.ask("GET", path, &[], b"")
    }
}

impl WebRequest {
    /// Sends bytes of the body. A server that has answered already may not read them.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Reads the head of the reply.
    pub fn reply(self) -> OpenReply {
        let mut reader = BufReader::new(self.0);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no reply but {line:?}"));
        let mut headers = Vec::new();
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            match line.trim_end() {
                "" => break,
                header => headers.push(header.to_owned()),
            }
        }
        OpenReply {
            status,
            headers,
            reader,
        }
    }
}

impl OpenReply {
    /// Reads so many bytes of what is sent behind the head.
    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads the body to its end, or until it breaks off. A reply to HEAD has none.
    pub fn rest(mut self, has_body: bool) -> WebReply {
        let length = header_of(&self.headers, "content-length");
        let length = length.map(|length| length.parse::<usize>().unwrap());
        let is_chunked = header_of(&self.headers, "transfer-encoding").is_some();
        let mut body = Vec::new();
        let is_whole = match (has_body, length) {
            (false, _) => true,
            (true, Some(length)) => {
                let _ = self.reader.read_to_end(&mut body);
                body.len() == length
            }
            (true, None) if is_chunked => self.chunks(&mut body).is_some(),
            (true, None) => self.reader.read_to_end(&mut body).is_ok(),
        };
        WebReply {
            status: self.status,
            headers: self.headers,
            body,
            is_whole,
        }
    }

    /// Reads the body to its end, without keeping it; returns whether it is whole. `read` is what was read of it before.
    pub fn skip(mut self, read: usize) -> bool {
        let length = header_of(&self.headers, "content-length").map(|length| length.parse::<u64>().unwrap());
        let mut left = length.expect("the reply has a length") - read as u64;
        let mut buffer = vec![0; 1 << 16];
        while left > 0 {
            match self.reader.read(&mut buffer) {
                Ok(0) | Err(_) => return false,
                Ok(count) => left -= count as u64,
            }
        }
        true
    }

    /// Reads chunks of a body that are so many bytes together, or some more.
    pub fn read_chunks(&mut self, at_least: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < at_least {
            let chunk = self.chunk().expect("the body goes on");
            assert!(!chunk.is_empty(), "the body ends after {} bytes", bytes.len());
            bytes.extend_from_slice(&chunk);
        }
        bytes
    }

    /// Reads chunks up to the last one; `None` if there is none.
    fn chunks(&mut self, body: &mut Vec<u8>) -> Option<()> {
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Some(());
            }
            body.extend_from_slice(&chunk);
        }
    }

    /// Reads one chunk, which is empty at the end; `None` if the body has broken off.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim_end(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        self.reader.read_exact(&mut chunk).ok()?;
        chunk.truncate(length);
        Some(chunk)
    }
}

impl WebReply {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header_of(&self.headers, name)
    }

    /// Returns the body.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the fixed word of an error.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }

    /// Returns the sentence of an error.
    pub fn sentence(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap().to_owned()
    }

    /// Fails unless the reply is whole and has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!((self.status, self.is_whole), (status, true), "{self:?}");
        self
    }
}

fn header_of<'a>(headers: &'a [String], name: &str) -> Option<&'a str> {
    headers.iter().find_map(|header| {
        let (found, value) = header.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
