//! Connections from networks that `[limits] deny` names.

use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use testkit::PATIENCE;
use testkit::server::TestServer;
use testkit::stock::By;

/// Connects from this address of the loopback network, and returns what the server sends.
fn greeting(server: &TestServer, from: Ipv4Addr) -> String {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from((from, 0))).unwrap();
    connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()))).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = [0; 8];
    let mut length = 0;
    while let Ok(more @ 1..) = stream.read(&mut text[length..]) {
        length += more;
    }
    String::from_utf8_lossy(&text[..length]).into_owned()
}

fn refused(server: &TestServer) -> Vec<serde_json::Value> {
    let events = server.events().into_iter();
    events.filter(|event| event["event"] == "refused").collect()
}

#[test]
fn denied_networks_get_nothing_from_a_reload_on() {
    let server = TestServer::start_with(&[("limits", "deny = [\"127.0.0.8/31\"]")], &["alice"]);
    let denied = Ipv4Addr::new(127, 0, 0, 9);
    for _ in 0..3 {
        assert_eq!(greeting(&server, denied), "");
    }
    assert_eq!(greeting(&server, Ipv4Addr::new(127, 0, 0, 10)), "SSH-2.0-");
    server.wait_for_audit("\"code\":\"denied_network\"");
    // The first is reported at once, and the others are counted.
    let first = refused(&server).remove(0);
    assert_eq!(
        (first["ip"].as_str(), first["code"].as_str()),
        (Some("127.0.0.9"), Some("denied_network"))
    );
    assert!(
        first["reason"].as_str().unwrap().contains("[limits] deny"),
        "{first}"
    );

    // A session that exists goes on, and nobody comes from there any more.
    let mut session = server.raw("alice");
    let text = fs::read_to_string(server.config()).unwrap();
    fs::write(server.config(), text.replace("127.0.0.8/31", "127.0.0.1")).unwrap();
    server.admin_ok(&["reload"], "");
    assert!(!server.sign_in("alice", By::Key, "").status.success());
    assert!(matches!(
        session.ask(&testkit::packets::stat("/")),
        testkit::replies::Reply::Attrs(_)
    ));
    assert_eq!(greeting(&server, denied), "SSH-2.0-");
}
