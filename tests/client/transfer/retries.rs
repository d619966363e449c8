//! `--retry-for`: the time that was given decides how long a run goes on without progress, and nothing else does.

use std::sync::Arc;
use std::time::Duration;

use homeport::connect::{ConfigFile, Credentials};
use homeport::remote::{Remote, RetryRule};
use homeport::transfer::{Direction, Settings};

use crate::client::connect::prompts::ScriptedPrompts;
use crate::client::destination::local_destination;
use crate::client::transfer::broken::behind_proxy;
use crate::client::transfer::client::{Client, Run};
use crate::client::transfer::faulty_server::{Faults, FaultyServer};
use crate::client::transfer::proxy::Proxy;
use testkit::server::TestServer;

/// The requests with which a client opens a connection: INIT and REALPATH.
const OPENING: usize = 2;
/// The number of connections that break without progress.
const BREAKS: usize = 9;
/// The time for tests in which it has to run out.
const SHORT: Duration = Duration::from_secs(5);
/// The pauses and limits that would outlast a test.
const LONG: Duration = Duration::from_secs(3600);

fn set(client: &mut Client, rule: RetryRule, pause: Duration) {
    let remote = Arc::get_mut(&mut client.remote).unwrap();
    remote.set_retry_rule(rule);
    remote.set_pauses([pause; 5]);
}

/// Sends a file, which must fail in time with this message.
async fn fails_in_time(client: &Client, message: &str) -> Run {
    client.write("f", b"content");
    let running = client.run(Settings::default(), vec![client.up("f")]);
    let run = tokio::time::timeout(testkit::PATIENCE, running).await;
    let run = run.expect("it ends when the time is over");
    run.failed_with(&[message]);
    run
}

/// Nine connections in a row break before anything has moved. Without a time a run gives up after five.
#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_was_given_outlasts_any_number_of_breaks() {
    for (rule, sent) in [(RetryRule::Count, 0), (RetryRule::For(testkit::PATIENCE), 1)] {
        let server = FaultyServer::start(Faults {
            dies_after: Some(OPENING),
            dies_again: BREAKS - 1,
            ..Faults::default()
        })
        .await;
        let mut client = server.client().await;
        set(&mut client, rule, Duration::from_millis(1));
        client.write("f", b"content");
        let run = client.run(Settings::default(), vec![client.up("f")]).await;
        assert_eq!(
            (run.summary.sent, run.summary.failed),
            (sent, 1 - sent),
            "{run:?}"
        );
        let again = run.warnings.matches("connected again").count();
        let expected = match rule {
            RetryRule::Count => 4,
            RetryRule::For(_) => BREAKS,
        };
        assert_eq!(again, expected, "{rule:?}: {}", run.warnings);
    }
}

/// A server that does not come back ends the run when the time is over, though the pauses would be much longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_the_time_that_was_given_is_over() {
    let (mut server, proxy, mut client) = behind_proxy(&[]).await;
    set(&mut client, RetryRule::For(SHORT), LONG);
    server.signal("KILL");
    server.wait_for_exit();
    let run = fails_in_time(&client, "the connection to the server was lost").await;
    assert!(run.warnings.contains("(attempt 1, for "), "{}", run.warnings);
    drop(proxy);
}

/// An attempt that is under way when the time is over ends with it, though its own limits are much longer.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_gets_no_more_than_the_time_that_is_left() {
    // Nobody answers here, and all connections are taken.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let mut destination = local_destination("alice", port, dir.path(), ConfigFile::None);
    destination.connect_timeout = LONG;
    let connecting = Remote::connect_by(
        destination,
        Credentials::default(),
        ScriptedPrompts::without_answers(),
        RetryRule::For(SHORT),
    );
    let refused = tokio::time::timeout(testkit::PATIENCE, connecting).await;
    let error = refused.expect("it ends when the time is over");
    let error = error.err().expect("nobody answers");
    assert!(error.to_string().contains("cannot connect to"), "{error}");
    drop(silent);
}

/// The same for a connection that is made again.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_to_connect_again_gets_no_more_than_the_time_that_is_left() {
    let server = TestServer::start(&["alice"]);
    let proxy = Proxy::to(server.port()).await;
    let key = server.key("alice");
    let config = format!(
        "IdentityFile {}\nConnectTimeout {}\n",
        key.display(),
        LONG.as_secs()
    );
    let mut client = Client::configured("alice", proxy.port, &config, b"").await;
    set(&mut client, RetryRule::For(SHORT), LONG);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    proxy.set_target(silent.local_addr().unwrap().port());
    proxy.cut_after(Direction::Up, 1);
    fails_in_time(&client, "cannot connect to").await;
    drop(silent);
}
