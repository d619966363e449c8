//! A client of the web page and its API that can do what no good client does: break off, lie about lengths, and read as
//! slowly as it likes. It blocks, and every connection has one request. With a cookie, it is a browser.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;

use super::server::TestServer;
use super::{PATIENCE, wait_for};

/// The section of the configuration that serves the web page, on a free port of the loopback address.
pub const WEB: (&str, &str) = ("web", "listen = [\"127.0.0.1:0\"]");

/// What browsers say that they want of a page.
pub const HTML: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// The name of the cookie of a sign-in.
const COOKIE: &str = "__Host-homeport";

/// A client, with the token of a user, with the cookie of a sign-in, or with neither. A clone goes on with the same cookie,
/// and does not see what the other one gets afterwards.
#[derive(Debug)]
pub struct WebClient {
    port: u16,
    token: Option<String>,
    /// The value of the cookie that the server has set last.
    cookie: Mutex<Option<String>>,
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

impl Clone for WebClient {
    fn clone(&self) -> Self {
        Self {
            port: self.port,
            token: self.token.clone(),
            cookie: Mutex::new(self.cookie()),
        }
    }
}

impl WebClient {
    /// Returns a browser that nobody has signed in.
    pub fn new(server: &TestServer) -> Self {
        Self::anonymous(server)
    }

    /// Signs a browser in by the form, with a one-time code or a recovery code if there is one.
    #[track_caller]
    pub fn sign_in(self, user: &str, password: &str, code: Option<&str>) -> Self {
        let code = code.unwrap_or_default();
        let fields = [("name", user), ("password", password), ("code", code)];
        let reply = self.form("/login", &fields);
        assert_eq!(reply.status, 303, "{}", reply.text());
        assert!(self.cookie().is_some(), "no cookie for {user}: {reply:?}");
        self
    }

    /// Sends the form for signing in with a password alone.
    pub fn try_sign_in(&self, user: &str, password: &str) -> WebReply {
        self.form("/login", &[("name", user), ("password", password)])
    }

    /// Returns the client with this token instead of what it has.
    pub fn with_token(self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            cookie: Mutex::default(),
            ..self
        }
    }

    /// Returns the value of the cookie, if there is one.
    pub fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    /// Returns the origin of the server's pages.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// GETs a page, as a browser does.
    pub fn page(&self, path: &str) -> WebReply {
        self.ask("GET", path, &[HTML], b"")
    }

    /// Sends a form of one of the server's pages, as a browser does.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> WebReply {
        self.form_from(Some(&self.origin()), path, fields)
    }

    /// Sends a form of a page of this origin.
    pub fn form_from(&self, origin: Option<&str>, path: &str, fields: &[(&str, &str)]) -> WebReply {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let mut headers = vec![HTML, ("Content-Type", "application/x-www-form-urlencoded")];
        headers.extend(origin.map(|origin| ("Origin", origin)));
        self.ask("POST", path, &headers, pairs.join("&").as_bytes())
    }

    /// Sends JSON, as a script of one of the server's pages or a program does.
    pub fn send(&self, method: &str, path: &str, body: &serde_json::Value) -> WebReply {
        let origin = self.origin();
        let headers = [("Content-Type", "application/json"), ("Origin", &origin)];
        self.ask(method, path, &headers, body.to_string().as_bytes())
    }

    /// Keeps the cookie that a reply sets, and drops the one that it removes.
    fn take_cookie(&self, headers: &[String]) {
        for header in headers {
            let Some((name, value)) = header.split_once(':') else {
                continue;
            };
            let pair = value
                .trim()
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='));
            if let (true, Some((COOKIE, value))) = (name.eq_ignore_ascii_case("set-cookie"), pair) {
                let value = Some(value.to_owned()).filter(|value| !value.is_empty());
                *self.cookie.lock().unwrap() = value;
            }
        }
    }

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
            cookie: Mutex::default(),
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
        if let Some(cookie) = self.cookie() {
            write!(head, "Cookie: {COOKIE}={cookie}\r\n").unwrap();
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
        let reply = request.reply().rest(method != "HEAD");
        self.take_cookie(&reply.headers);
        reply
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

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
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

/// Returns the value of a field as forms send it.
pub fn encoded(value: &str) -> String {
    let encode = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    value.bytes().map(encode).collect()
}

fn header_of<'a>(headers: &'a [String], name: &str) -> Option<&'a str> {
    headers.iter().find_map(|header| {
        let (found, value) = header.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
