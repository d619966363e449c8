//! Whole verbs against connections that break at any point, and against servers that do not tell the truth.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use homeport::commands::Session;
use homeport::commands::get::get;
use homeport::commands::put::put;
use homeport::commands::tail::TailArgs;
use homeport::commands::transfer::TransferArgs;
use homeport::commands::verb::Verb as _;
use homeport::output::{Output, Style};
use homeport::transfer::Direction;

use crate::client::transfer::broken::behind_proxy;
use crate::client::transfer::client::Client;
use crate::client::transfer::faulty_server::{Faults, FaultyServer};
use crate::client::transfer::proxy::Proxy;
use crate::client::transfer::read;

/// The distance between two offsets at which a connection is cut: each reply has more bytes on the wire.
const STEP: usize = 32;
/// The most bytes that the server sends for one link, with those of a new connection.
const MOST: usize = 20_000;

fn quiet(client: &Client) -> Arc<Session> {
    let output = Output {
        style: Style::Quiet,
        ..Output::default()
    };
    Session::new(Arc::clone(&client.remote), output, b"/".to_vec())
}

fn is_cut(proxy: &Proxy, direction: Direction) -> bool {
    proxy.direction_state(direction).cuts.lock().unwrap().is_empty()
}

fn connect_soon(client: &mut Client) {
    let remote = Arc::get_mut(&mut client.remote).unwrap();
    remote.set_pauses([1, 50, 100, 200, 400].map(Duration::from_millis));
}

/// The first question of a command is asked again, as all others are.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_look_is_repeated_after_a_break() {
    for direction in [Direction::Up, Direction::Down] {
        let (server, proxy, mut client) = behind_proxy(&[]).await;
        connect_soon(&mut client);
        let session = quiet(&client);
        let args = TransferArgs::default();
        client.write("f", b"content");
        proxy.cut_after(direction, 1);
        let code = put(&session, &args, vec![client.local("f")], b"/there").await;
        assert_eq!((code.unwrap(), is_cut(&proxy, direction)), (0, true));
        let there = server.home("alice").join("there");
        assert_eq!(read(&there).as_deref(), Some(&b"content"[..]));
        proxy.cut_after(direction, 1);
        let code = get(&session, &args, &["th*".into()], &client.local("back")).await;
        assert_eq!((code.unwrap(), is_cut(&proxy, direction)), (0, true));
        assert_eq!(read(&client.local("back")).as_deref(), Some(&b"content"[..]));
        // Nothing of standard input was read by then.
        proxy.cut_after(direction, 1);
        client.stream("stream", b"input").await.unwrap();
        assert!(is_cut(&proxy, direction));
        let stream = server.home("alice").join("stream");
        assert_eq!(read(&stream).as_deref(), Some(&b"input"[..]));
    }
}

/// Whichever reply is lost, a link is made once, under one name.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_whose_reply_is_lost_is_not_made_twice() {
    let (server, proxy, mut client) = behind_proxy(&[]).await;
    connect_soon(&mut client);
    let session = quiet(&client);
    let args = TransferArgs {
        links: true,
        rename: true,
        ..TransferArgs::default()
    };
    let stored = |name: String| server.home("alice").join(name);
    for number in (0..MOST).step_by(STEP) {
        let name = format!("l{number}");
        symlink("ours", client.local(&name)).unwrap();
        symlink("theirs", stored(name.clone())).unwrap();
        proxy.cut_after(Direction::Down, number as u64 + 1);
        let code = put(&session, &args, vec![client.local(&name)], b"/").await;
        assert_eq!(code.unwrap(), 0, "{number}");
        let points_to = |ending: &str| std::fs::read_link(stored(format!("{name}{ending}"))).ok();
        assert_eq!(points_to("").as_deref(), Some(Path::new("theirs")), "{number}");
        assert_eq!(points_to(".1").as_deref(), Some(Path::new("ours")), "{number}");
        assert_eq!(points_to(".2"), None, "{number}");
        if !is_cut(&proxy, Direction::Down) {
            assert!(number > STEP, "no reply was lost");
            return;
        }
    }
    panic!("the connection was cut each time");
}

/// A file that is said to be larger than any disk is not searched to its beginning.
#[tokio::test(flavor = "multi_thread")]
async fn tail_of_a_file_with_an_absurd_size_ends() {
    let server = FaultyServer::start(Faults {
        size_lie: 1 << 62,
        ..Faults::default()
    })
    .await;
    server.put("f", b"one\ntwo\n");
    let client = server.client().await;
    let session = quiet(&client);
    let args = TailArgs {
        lines: 1,
        follow: false,
        words: vec!["f".into()],
    };
    let shown = tokio::time::timeout(testkit::PATIENCE, args.run(&session)).await;
    assert_eq!(shown.expect("it ends").unwrap(), 1);
}
