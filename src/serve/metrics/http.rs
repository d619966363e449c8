//! HTTP as far as metrics need it: one request without a body on each connection, and one response. Whatever a strict
//! reading does not allow is refused.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The longest head of a request in bytes. Prometheus sends about 300, a browser a few thousand.
const LONGEST_HEAD: usize = 8 * 1024;
/// The bytes that are read at once.
const PIECE: usize = 1024;

/// How long the peer of one connection is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct HttpTimeouts {
    /// The most time for a head to arrive.
    head: Duration,
    /// The most time for sending a response.
    send: Duration,
    /// The most time for the peer to close the connection after the response.
    close: Duration,
}

impl Default for HttpTimeouts {
    fn default() -> Self {
        Self {
            // A head fits into a few packets.
            head: Duration::from_secs(5),
            // The metrics of 10,000 homes are 2 MB.
            send: Duration::from_secs(10),
            close: Duration::from_secs(1),
        }
    }
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HttpRequest {
    /// The path, without the query.
    pub path: String,
    /// Whether only the head of the response is wanted.
    head_only: bool,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HttpResponse {
    status: HttpStatus,
    content_type: &'static str,
    body: String,
}

/// The statuses of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HttpStatus {
    /// 200: the body is what was asked for.
    Ok,
    /// 400: the request is malformed.
    BadRequest,
    /// 403: the peer may not ask.
    Forbidden,
    /// 404: there is nothing at this path.
    NotFound,
    /// 405: only GET and HEAD are answered.
    MethodNotAllowed,
    /// 408: the request has not arrived in time.
    RequestTimeout,
    /// 431: the head of the request is too long.
    HeadTooLarge,
    /// 503: the server is not ready.
    Unavailable,
    /// 505: the version of HTTP is not 1.0 or 1.1.
    VersionNotSupported,
}

impl HttpStatus {
    fn line(self) -> &'static str {
        match self {
            HttpStatus::Ok => "200 OK",
            HttpStatus::BadRequest => "400 Bad Request",
            HttpStatus::Forbidden => "403 Forbidden",
            HttpStatus::NotFound => "404 Not Found",
            HttpStatus::MethodNotAllowed => "405 Method Not Allowed",
            HttpStatus::RequestTimeout => "408 Request Timeout",
            HttpStatus::HeadTooLarge => "431 Request Header Fields Too Large",
            HttpStatus::Unavailable => "503 Service Unavailable",
            HttpStatus::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

impl HttpResponse {
    /// Creates a response of one sentence.
    pub(super) fn text(status: HttpStatus, sentence: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{sentence}\n"),
        }
    }

    /// Creates a response with what was asked for.
    pub(super) fn page(content_type: &'static str, body: String) -> Self {
        Self {
            status: HttpStatus::Ok,
            content_type,
            body,
        }
    }

    /// Returns the bytes of the response; without the body if only the head is wanted.
    pub(super) fn to_bytes(&self, head_only: bool) -> Vec<u8> {
        let allow = match self.status {
            HttpStatus::MethodNotAllowed => "Allow: GET, HEAD\r\n",
            _ => "",
        };
        let mut bytes = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            self.status.line(),
            self.content_type,
            self.body.len()
        )
        .into_bytes();
        if !head_only {
            bytes.extend_from_slice(self.body.as_bytes());
        }
        bytes
    }
}

/// Serves one connection: reads a request, answers it, and closes the connection. `answer` is called for a request that
/// was understood.
pub(super) async fn serve<S, F>(mut stream: S, timeouts: HttpTimeouts, answer: impl FnOnce(HttpRequest) -> F)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = HttpResponse>,
{
    let read = tokio::time::timeout(timeouts.head, read_head(&mut stream)).await;
    let request = match read {
        Ok(Ok(Some(head))) => parse(&head),
        // The peer has left.
        Ok(Ok(None) | Err(_)) => return,
        Err(_) => Err(HttpResponse::text(
            HttpStatus::RequestTimeout,
            "the request has not arrived in time",
        )),
    };
    let bytes = match request {
        Ok(request) => {
            let head_only = request.head_only;
            answer(request).await.to_bytes(head_only)
        }
        Err(refusal) => refusal.to_bytes(false),
    };
    let sending = async {
        stream.write_all(&bytes).await?;
        stream.shutdown().await
    };
    if matches!(tokio::time::timeout(timeouts.send, sending).await, Ok(Ok(()))) {
        // Closing at once could destroy the response, if something of the request has not been read.
        let mut ignored = [0; PIECE];
        let closed = async { while stream.read(&mut ignored).await.is_ok_and(|count| count > 0) {} };
        let _ = tokio::time::timeout(timeouts.close, closed).await;
    }
}

/// Reads until the end of a head, or until more has arrived than a head may have; `None` if the peer leaves before.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    let mut piece = [0; PIECE];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() <= LONGEST_HEAD {
        match stream.read(&mut piece).await? {
            0 => return Ok(None),
            count => head.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
    Ok(Some(head))
}

/// Parses the head of a request; what follows it is ignored. The error is the response.
fn parse(bytes: &[u8]) -> Result<HttpRequest, HttpResponse> {
    let bad = |sentence: &str| HttpResponse::text(HttpStatus::BadRequest, sentence);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end.filter(|end| *end <= LONGEST_HEAD) else {
        let sentence = "the head of the request is too long";
        return Err(HttpResponse::text(HttpStatus::HeadTooLarge, sentence));
    };
    let head = std::str::from_utf8(bytes.get(..end).unwrap_or_default());
    let head = head.map_err(|_| bad("the request is not text"))?;
    if head
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\r' | '\n' | '\t'))
    {
        return Err(bad("the request has control characters"));
    }
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words[..] else {
        return Err(bad("the first line is not METHOD PATH VERSION"));
    };
    let is_later = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        version if version.starts_with("HTTP/") => {
            let sentence = "only HTTP/1.0 and HTTP/1.1 are understood";
            return Err(HttpResponse::text(HttpStatus::VersionNotSupported, sentence));
        }
        _ => return Err(bad("the first line has no version")),
    };
    if !matches!(method, "GET" | "HEAD") {
        let sentence = "only GET and HEAD are answered";
        return Err(HttpResponse::text(HttpStatus::MethodNotAllowed, sentence));
    }
    if !target.starts_with('/') {
        return Err(bad("the path does not begin with a slash"));
    }
    check_fields(lines, is_later).map_err(bad)?;
    let path = target.split('?').next().unwrap_or_default();
    Ok(HttpRequest {
        path: path.to_owned(),
        head_only: method == "HEAD",
    })
}

/// Checks the lines behind the first one. With HTTP/1.1, there must be one host.
fn check_fields<'a>(lines: impl Iterator<Item = &'a str>, needs_host: bool) -> Result<(), &'static str> {
    let mut hosts = 0;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("a line of the head has no colon")?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_plain) || line.contains(['\r', '\n']) {
            return Err("a line of the head is malformed");
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "host" => hosts += 1,
            "content-length" if value == "0" => {}
            "content-length" | "transfer-encoding" => return Err("a request for metrics has no body"),
            _ => {}
        }
    }
    match (hosts, needs_host) {
        (1, _) | (0, false) => Ok(()),
        (0, true) => Err("the request names no host"),
        _ => Err("the request names several hosts"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Peers that do not do their part are not waited for any longer.
    const SHORT: HttpTimeouts = HttpTimeouts {
        head: Duration::from_millis(20),
        send: Duration::from_millis(20),
        close: Duration::from_millis(20),
    };

    /// Returns the path of a request that is understood, or the status and the sentence of its refusal.
    fn read(text: &str) -> Result<String, String> {
        let refused =
            |response: HttpResponse| format!("{} {}", response.status.line(), response.body.trim_end());
        parse(text.as_bytes())
            .map(|request| request.path)
            .map_err(refused)
    }

    #[test]
    fn plain_requests_are_understood() {
        let check = |text: &str, path: &str| assert_eq!(read(text).as_deref(), Ok(path), "{text}");
        check("GET /metrics HTTP/1.1\r\nHost: a:1\r\n\r\n", "/metrics");
        check(
            "GET /metrics?x=1 HTTP/1.1\r\nhost: a\r\nAccept: */*\r\n\r\n",
            "/metrics",
        );
        check("HEAD /healthz HTTP/1.0\r\n\r\n", "/healthz");
        check(
            "GET / HTTP/1.1\r\nHost:a\r\nContent-Length: 0\r\n\r\nignored",
            "/",
        );
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let check = |text: &str, expected: &str| {
            let refusal = read(text).unwrap_err();
            assert!(refusal.starts_with(expected), "{text:?}: {refusal}");
        };
        check("GET /\r\n\r\n", "400 Bad Request the first line");
        check(
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "400 Bad Request the first line",
        );
        check("GET / SSH-2.0\r\n\r\n", "400 Bad Request the first line");
        check("GET / HTTP/2\r\n\r\n", "505 ");
        check("POST / HTTP/1.1\r\nHost: a\r\n\r\n", "405 ");
        check(
            "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "400 Bad Request the path",
        );
        check(
            "GET / HTTP/1.1\r\n\r\n",
            "400 Bad Request the request names no host",
        );
        check(
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "400 Bad Request the request names several",
        );
        check(
            "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            "400 Bad Request a line",
        );
        check("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400 Bad Request a line");
        check(
            "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
            "400 Bad Request a line",
        );
        check(
            "GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
            "400 Bad Request a line",
        );
        check(
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
            "400 Bad Request a request for",
        );
        check(
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "400 Bad Request a request for",
        );
        check(
            "GET /\u{1b}[2J HTTP/1.1\r\nHost: a\r\n\r\n",
            "400 Bad Request the request has control",
        );
        check(
            &format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(LONGEST_HEAD)),
            "431 ",
        );
        assert!(parse(b"GET /\xff HTTP/1.0\r\n\r\n").is_err());
        assert!(parse(b"").is_err());
    }

    #[tokio::test]
    async fn a_peer_that_sends_nothing_is_not_waited_for() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let serving = tokio::spawn(serve(ours, SHORT, async |_| {
            HttpResponse::text(HttpStatus::Ok, "yes")
        }));
        theirs.write_all(b"GET /").await.unwrap();
        let mut answer = String::new();
        theirs.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        drop(theirs);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_not_waited_for() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let long = HttpResponse::page("text/plain", "x".repeat(4096));
        let serving = tokio::spawn(serve(ours, SHORT, async move |_| long));
        theirs.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_head_without_an_end_is_cut_off() {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let serving = tokio::spawn(serve(ours, HttpTimeouts::default(), async |_| {
            HttpResponse::text(HttpStatus::Ok, "yes")
        }));
        theirs.write_all(&[b'a'; LONGEST_HEAD + PIECE]).await.unwrap();
        let mut answer = String::new();
        theirs.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        drop(theirs);
        serving.await.unwrap();
    }
}
