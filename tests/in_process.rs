//! The server as a library: bound, run and stopped within this process.

use testkit::in_process::InProcess;
use testkit::packets::{CREAT, WRITE, nth, write};
use testkit::replies::Reply;
use testkit::russh_client::Session;
use testkit::server::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_runs_and_stops_within_a_process() {
    let directory = TestServer::new(&[]);
    directory.add_user("alice", &[]);
    let server = InProcess::serve(&directory).await;
    let key = russh::keys::load_secret_key(directory.key("alice"), None).unwrap();
    let mut session = Session::start(russh::client::Config::default(), server.port(), "alice", &key).await;
    let handle = session.open("hello", WRITE | CREAT).await;
    let written = session.ask(&write(nth(0), 0, "world"), &handle).await;
    assert!(matches!(written, Reply::Status { code: 0, .. }), "{written:?}");
    drop(session);
    server.stop().await;
    assert_eq!(
        std::fs::read(directory.home("alice").join("hello")).unwrap(),
        b"world"
    );
}
