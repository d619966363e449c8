//! Links to files and folders, for people without an account.

mod downloads;
mod limits;
mod owners;
mod uploads;

use serde_json::{Value, json};
use testkit::server::TestServer;

use super::uploads::tus_client::{OpenRequest, PIECE, TusClient, TusReply, metadata};

/// The section of the configuration that serves the web page.
const WEB: (&str, &str) = ("web", "listen = [\"127.0.0.1:0\"]");

/// The bytes of one mebibyte.
const MIB: usize = 1 << 20;

/// A link, and a page that somebody without an account has open.
struct Link {
    page: TusClient,
    /// The number of the share.
    id: i64,
    /// The path of the link.
    path: String,
}

/// Starts a server with the web page and the user alice, and returns the client of alice.
fn start(user_options: &[&str]) -> (TestServer, TusClient) {
    let mut server = TestServer::new(&[WEB]);
    server.add_user("alice", user_options);
    server.serve();
    let alice = TusClient::of(&server, "alice");
    (server, alice)
}

/// Asks for a link.
fn try_share(owner: &TusClient, wish: &Value) -> TusReply {
    let json = [("Content-Type", "application/json")];
    owner.ask("POST", "/api/v1/shares", &json, wish.to_string().as_bytes())
}

/// Makes a link.
#[track_caller]
fn share(server: &TestServer, owner: &TusClient, wish: Value) -> Link {
    let reply = try_share(owner, &wish);
    assert_eq!(reply.status, 201, "{reply:?}");
    let made = reply.json();
    Link {
        page: TusClient::page(server),
        id: made["id"].as_i64().unwrap(),
        path: made["url"].as_str().unwrap().to_owned(),
    }
}

/// Makes a link for downloads.
fn download(server: &TestServer, owner: &TusClient, path: &str) -> Link {
    share(server, owner, json!({"path": path, "download": true}))
}

/// Makes a link for uploads.
fn upload(server: &TestServer, owner: &TusClient, path: &str) -> Link {
    share(server, owner, json!({"path": path, "upload": true}))
}

/// Removes a link.
fn remove(owner: &TusClient, link: &Link) {
    let path = format!("/api/v1/shares/{}", link.id);
    assert_eq!(owner.ask("DELETE", &path, &[], b"").status, 204);
}

impl Link {
    /// Makes a request below the link.
    fn ask(&self, method: &str, below: &str, headers: &[(&str, &str)], body: &[u8]) -> TusReply {
        self.page
            .ask(method, &format!("{}{below}", self.path), headers, body)
    }

    fn get(&self, below: &str) -> TusReply {
        self.ask("GET", below, &[], b"")
    }

    /// Begins a request, and reads nothing of its answer.
    fn open(&self, method: &str, below: &str, headers: &[(&str, &str)]) -> OpenRequest {
        self.page.open(method, &format!("{}{below}", self.path), headers)
    }

    /// Fetches the file `a` with the cookie of a visit; returns the status.
    fn fetch(&self, cookie: &str) -> u16 {
        self.ask("GET", "/files/a", &[("Cookie", cookie)], b"").status
    }

    /// Fails unless a request is answered with this status.
    #[track_caller]
    fn expect(&self, method: &str, below: &str, status: u16) -> TusReply {
        let reply = self.ask(method, below, &[], b"");
        assert_eq!(reply.status, status, "{method} {below}: {reply:?}");
        reply
    }

    /// Asks for an upload.
    fn begin_upload(&self, path: &str, size: usize) -> TusReply {
        let (size, metadata) = (size.to_string(), metadata(path, &[]));
        let headers = [("Upload-Length", size.as_str()), ("Upload-Metadata", &metadata)];
        self.ask("POST", "/api/uploads", &headers, b"")
    }

    /// Begins an upload, and returns its path below the link.
    fn begun(&self, path: &str, size: usize) -> String {
        let reply = self.begin_upload(path, size).expect(201);
        let place = reply.header("location").unwrap();
        place.strip_prefix(self.path.as_str()).unwrap().to_owned()
    }

    fn send(&self, upload: &str, offset: usize, body: &[u8]) -> TusReply {
        let headers = [PIECE, ("Upload-Offset", &offset.to_string())];
        self.ask("PATCH", upload, &headers, body)
    }

    /// Opens the link by its form; returns the cookie, if it was opened.
    fn opened(&self, password: &str) -> Option<String> {
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let body = format!("password={password}");
        let reply = self.ask("POST", "", &form, body.as_bytes());
        let cookie = reply.header("set-cookie")?;
        for part in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        Some(cookie.split(';').next().unwrap().to_owned())
    }
}

/// Returns the text of a page.
fn text(reply: &TusReply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}
