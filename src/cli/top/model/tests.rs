use std::time::{Duration, Instant};

use super::*;
use crate::domain::event::Protocol;
use base::error::Error;

/// Returns a session that has received so many bytes.
pub(in crate::cli::top) fn session(id: u64, user: &str, bytes: u64) -> SessionView {
    SessionView {
        id,
        user: user.parse().unwrap(),
        share: None,
        peer: "192.0.2.7:50122".parse().unwrap(),
        client: "SSH-2.0-x".to_owned(),
        protocol: Protocol::Ssh,
        since: "2026-01-02T03:04:05Z".parse().unwrap(),
        channels: 1,
        bytes_in: Some(bytes),
        bytes_out: Some(0),
        home: None,
        folders: Vec::new(),
        open_files: 0,
        work: Vec::new(),
    }
}

/// Returns a sample of a server, so many seconds after `start`.
pub(in crate::cli::top) fn sample(start: Instant, seconds: u64, sessions: Vec<SessionView>) -> TopSample {
    let sum = sessions.iter().filter_map(|session| session.bytes_in).sum();
    TopSample {
        taken: start + Duration::from_secs(seconds),
        status: StatusView {
            version: "0.1.0".to_owned(),
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
            is_stopping: false,
            sessions: sessions.len(),
            unauthenticated: 0,
            bytes_up: sum,
            bytes_down: 0,
            file_systems: Vec::new(),
            places: Vec::new(),
        },
        sessions,
    }
}

pub(in crate::cli::top) fn press(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

fn writing(path: &str, bytes: u64) -> WorkView {
    WorkView {
        kind: "writing".to_owned(),
        path: path.to_owned(),
        bytes,
        position: bytes,
        size: None,
        duration: Duration::from_secs(2),
    }
}

fn ids(model: &TopModel) -> Vec<u64> {
    model.rows().iter().map(|row| row.session.id).collect()
}

#[test]
fn rates_are_those_of_some_seconds() {
    let start = Instant::now();
    let at = |seconds: u64, bytes: u64| {
        let mut one = session(1, "alice", bytes);
        one.work = vec![writing("/f", bytes)];
        Box::new(sample(start, seconds, vec![one]))
    };
    let mut model = TopModel::new(*at(0, 0), DeviceMounts::default());
    assert_eq!((model.rates(), model.rows()[0].rates), (None, None));
    for seconds in 1..=20 {
        model.take(FeedEvent::Sample(at(seconds, seconds * 1000)));
    }
    model.take(FeedEvent::Sample(at(21, 120_000)));
    // (120,000 - 16,000) / 5
    let expected = ShownRates { up: 20_800, down: 0 };
    assert_eq!(
        (model.rates(), model.rows()[0].rates),
        (Some(expected), Some(expected))
    );
    assert_eq!(model.rows()[0].files[0].rate, 20_800);
    // The same name is another file now.
    model.take(FeedEvent::Sample(at(22, 100)));
    assert_eq!(model.rows()[0].files[0].rate, 50);
}

#[test]
fn a_server_that_was_started_again_has_no_rates_yet() {
    let start = Instant::now();
    let mut model = TopModel::new(
        sample(start, 0, vec![session(1, "alice", 900)]),
        DeviceMounts::default(),
    );
    let mut later = sample(start, 1, vec![session(1, "bob", 5000)]);
    later.status.since = "2026-01-01T00:00:09Z".parse().unwrap();
    model.take(FeedEvent::Sample(Box::new(later)));
    assert_eq!((model.rates(), model.rows()[0].rates), (None, None));
}

#[test]
fn the_selected_session_stays_selected() {
    let start = Instant::now();
    let all = |bytes: [u64; 3]| {
        (1..)
            .zip(bytes)
            .map(|(id, bytes)| session(id, "alice", bytes))
            .collect()
    };
    let mut model = TopModel::new(sample(start, 0, all([0, 0, 0])), DeviceMounts::default());
    assert_eq!(model.selected, Some(1));
    model.key(press(KeyCode::Down));
    model.take(FeedEvent::Sample(Box::new(sample(start, 1, all([0, 10, 20])))));
    assert_eq!((ids(&model), model.selected), (vec![1, 2, 3], Some(2)));
    model.key(press(KeyCode::Char('s')));
    assert_eq!((ids(&model), model.selected), (vec![3, 2, 1], Some(2)));
    model.key(press(KeyCode::End));
    assert_eq!(model.selected, Some(1));
    model.key(press(KeyCode::PageUp));
    assert_eq!(model.selected, Some(3));
    // When it is gone, another one takes its place.
    model.take(FeedEvent::Sample(Box::new(sample(
        start,
        2,
        vec![session(1, "alice", 0)],
    ))));
    assert_eq!(model.selected, Some(1));
    model.take(FeedEvent::Sample(Box::new(sample(start, 3, Vec::new()))));
    assert_eq!(model.selected, None);
    assert_eq!(model.key(press(KeyCode::Char('k'))), KeyEffect::None);
    assert_eq!(model.message(), Some("there is no session to disconnect"));
}

#[test]
fn a_session_is_disconnected_only_after_a_yes() {
    let start = Instant::now();
    let mut model = TopModel::new(
        sample(start, 0, vec![session(7, "alice", 0)]),
        DeviceMounts::default(),
    );
    let keys = |model: &mut TopModel, keys: &str| -> Vec<KeyEffect> {
        keys.chars().map(|c| model.key(press(KeyCode::Char(c)))).collect()
    };
    assert_eq!(keys(&mut model, "kxn"), vec![KeyEffect::None; 3]);
    assert_eq!(model.asking(), None);
    assert_eq!(keys(&mut model, "ky").pop(), Some(KeyEffect::Kick(7)));
    model.take(FeedEvent::Kicked(Ok(1)));
    assert_eq!(model.message(), Some("the session was disconnected"));
    // It does not stay until it could be taken for something new.
    for _ in 0..10 {
        assert!(model.message().is_some());
        model.take(FeedEvent::Sample(Box::new(sample(
            start,
            1,
            vec![session(8, "alice", 0)],
        ))));
    }
    assert_eq!(model.message(), None);
    // A session that leaves meanwhile takes the question with it.
    keys(&mut model, "k");
    model.take(FeedEvent::Sample(Box::new(sample(start, 1, Vec::new()))));
    assert_eq!(keys(&mut model, "y"), [KeyEffect::None]);
}

#[test]
fn q_and_ctrl_c_quit_and_a_silent_server_is_told() {
    let start = Instant::now();
    let mut model = TopModel::new(
        sample(start, 0, vec![session(7, "alice", 0)]),
        DeviceMounts::default(),
    );
    assert_eq!(model.key(press(KeyCode::Char('q'))), KeyEffect::Quit);
    model.key(press(KeyCode::Char('k')));
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(model.key(ctrl_c), KeyEffect::Quit);
    model.take(FeedEvent::Silent(Error::new("no server is running")));
    assert_eq!(model.message(), Some("no server is running"));
    model.take(FeedEvent::Sample(Box::new(sample(start, 1, Vec::new()))));
    assert_ne!(model.message(), Some("no server is running"));
}
