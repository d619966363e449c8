use std::time::{Duration, Instant};

use ratatui::crossterm::event::KeyCode;
use ratatui::layout::Rect;

use super::*;
use crate::cli::top::feed::{FeedEvent, TopSample};
use crate::cli::top::model::tests::{press, sample, session};
use crate::cli::top::mounts::DeviceMounts;
use crate::ops::running::{PlaceSpace, WorkView};

/// Draws the view in a terminal of this size, and returns its lines without spaces at their ends.
fn drawn(model: &TopModel, width: u16, height: u16) -> Vec<String> {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(&mut buffer, model);
    let cells: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
    let lines = cells.chunks(usize::from(width).max(1));
    lines.map(|line| line.concat().trim_end().to_owned()).collect()
}

fn busy(start: Instant, seconds: u64) -> TopSample {
    let mut alice = session(1, "alice", seconds << 20);
    alice.home = Some(HomeFilling {
        used_bytes: 97,
        quota_bytes: Some(100),
    });
    alice.folders = vec![FolderFilling {
        name: "team".parse().unwrap(),
        filling: HomeFilling {
            used_bytes: 50,
            quota_bytes: Some(200),
        },
    }];
    alice.open_files = 3;
    let work = |kind: &str, path: &str, size: Option<u64>| WorkView {
        kind: kind.to_owned(),
        path: path.to_owned(),
        bytes: seconds << 20,
        position: seconds << 20,
        size,
        duration: Duration::from_secs(seconds),
    };
    alice.work = vec![
        work("reading", "/\u{1b}[2Jfilm\n.mkv", Some(4 << 20)),
        work("hashing", &format!("/{}/end", "long".repeat(100)), Some(1 << 30)),
    ];
    let mut sample = sample(start, seconds, vec![alice, session(2, "bob", 0)]);
    sample.status.file_systems = vec![FilesystemState {
        device: 0x801,
        is_slow: true,
        hangs: false,
    }];
    sample.status.places = vec![PlaceSpace {
        path: "/srv/homeport".into(),
        free_bytes: 1 << 30,
        total_bytes: 4 << 30,
    }];
    sample
}

fn model() -> TopModel {
    let start = Instant::now();
    let mut model = TopModel::new(busy(start, 0), DeviceMounts::default());
    model.take(FeedEvent::Sample(Box::new(busy(start, 2))));
    model
}

#[test]
fn everything_that_matters_fits_into_80_columns() {
    let lines = drawn(&model(), 80, 24);
    let check = |line: usize, parts: &[&str]| {
        for part in parts {
            assert!(lines[line].contains(part), "{part} in {lines:#?}");
        }
    };
    check(
        0,
        &["homeportd 0.1.0", "2 sessions", "0 signing in", "in 1.0 MiB/s"],
    );
    check(1, &["1.0 GiB of 4.0 GiB free in /srv/homeport"]);
    check(2, &["file system 8:1 is slow"]);
    check(3, &["ID USER", "FROM", "HOME", "IN/s", "OUT/s", "DOING"]);
    check(
        4,
        &[
            "1 alice",
            "192.0.2.7:50122",
            "97% of 100 B",
            " 1.0 MiB ",
            "film\\n.mkv",
        ],
    );
    check(5, &["folder team", "25% of 200 B"]);
    check(
        6,
        &["reading", "1.0 MiB/s", "50% of 4.0 MiB", "/\\u{1b}[2Jfilm\\n.mkv"],
    );
    check(7, &["hashing", "1.0 GiB", "…", "longlong/end"]);
    check(8, &["and 1 more open"]);
    check(9, &["2 bob"]);
    check(23, &["q quit", "k disconnect"]);
}

/// Returns a model with disks at these paths, all of which are slow.
fn with_disks(paths: &[&str]) -> TopModel {
    let mut sample = busy(Instant::now(), 0);
    sample.status.places = paths
        .iter()
        .map(|path| PlaceSpace {
            path: path.into(),
            free_bytes: 1 << 30,
            total_bytes: 4 << 30,
        })
        .collect();
    sample.status.file_systems = (0..paths.len())
        .map(|at| FilesystemState {
            device: 0x800 + at as u64,
            is_slow: true,
            hangs: false,
        })
        .collect();
    TopModel::new(sample, DeviceMounts::default())
}

#[test]
fn disks_that_do_not_fit_into_a_line_get_another_one() {
    let long = "/srv/a-long-name/of-a-directory/on-a-disk/that-does-not-fit-into-a-line/homes";
    let lines = drawn(&with_disks(&["/srv/homeport", "/var/lib/homeport", long]), 80, 24);
    let free = "1.0 GiB of 4.0 GiB free in ";
    assert_eq!(lines[1], format!("{free}/srv/homeport"));
    assert_eq!(lines[2], format!("{free}/var/lib/homeport"));
    assert!(lines[3].starts_with(&format!("{free}…")), "{lines:#?}");
    assert!(lines[3].ends_with("not-fit-into-a-line/homes"), "{lines:#?}");
    let slow = "file system 8:0 is slow   file system 8:1 is slow   file system 8:2 is slow";
    assert_eq!(lines[4], slow);
    assert!(lines[5].contains("ID USER"), "{lines:#?}");
    assert!(lines[6].contains("1 alice"), "{lines:#?}");
    assert!(lines[23].contains("q quit"), "{lines:#?}");
    // Together, if there is room.
    let wide = drawn(&with_disks(&["/srv/homeport", "/var/lib/homeport"]), 120, 24);
    assert_eq!(wide[1], format!("{free}/srv/homeport   {free}/var/lib/homeport"));
    // Many disks leave room for the sessions.
    let many = drawn(&with_disks(&[long; 9]), 80, 24);
    assert_eq!(many[3], "and 7 more: homeportd top --json has all");
    assert!(many[7].contains("ID USER"), "{many:#?}");
}

/// Returns the line of the session of a user with a long name and a long address, in a terminal of this width.
fn busy_line(width: u16) -> String {
    let start = Instant::now();
    let at = |seconds: u64| {
        let mut long = session(123_456, "a-user-with-a-long-name@example.org", seconds << 20);
        long.peer = "203.0.113.107:50122".parse().unwrap();
        long.bytes_out = Some(seconds << 30);
        long.home = Some(HomeFilling {
            used_bytes: 1 << 29,
            quota_bytes: Some(1 << 30),
        });
        long.work = vec![WorkView {
            kind: "writing".to_owned(),
            path: "/a/directory/with/some/names/film.mkv".to_owned(),
            bytes: seconds << 20,
            position: seconds << 20,
            size: None,
            duration: Duration::from_secs(seconds),
        }];
        Box::new(sample(start, seconds, vec![long]))
    };
    let mut model = TopModel::new(*at(0), DeviceMounts::default());
    model.take(FeedEvent::Sample(at(2)));
    let lines = drawn(&model, width, 24);
    assert_eq!(lines.len(), 24);
    lines[4].clone()
}

#[test]
fn a_session_says_who_from_where_what_and_how_fast_in_every_width() {
    let check = |width: u16, parts: &[&str]| {
        let line = busy_line(width);
        for part in parts {
            assert!(line.contains(part), "{part} at {width} in {line:?}");
        }
        assert!(line.chars().count() <= usize::from(width), "{line:?}");
    };
    check(
        60,
        &["a-user-wi…", "203.0.113.107", "1.0 MiB", "1.0 GiB", "s/film.mkv"],
    );
    check(
        80,
        &[
            "123456 a-user-wi…",
            "203.0.113.107 ",
            "50%",
            "1.0 MiB",
            "1.0 GiB",
            "s/film.mkv",
        ],
    );
    check(
        120,
        &[
            "123456 a-user-with-a-l…",
            "203.0.113.107:50122",
            "50% of 1.0 GiB",
            "1.0 MiB",
            "1.0 GiB",
            "writing …",
            "/film.mkv",
        ],
    );
    check(
        200,
        &[
            "a-user-with-a-long-name@example",
            "203.0.113.107:50122",
            "1.0 MiB",
            "1.0 GiB",
            "writing /a/directory/with/some/names/film.mkv",
        ],
    );
    // A terminal that is too narrow for the rest still says who it is.
    check(30, &["a-user-with-a…", "203.0.113.107"]);
}

#[test]
fn sessions_without_transfers_have_no_rates_and_do_nothing() {
    let lines = drawn(&model(), 80, 24);
    let bob: Vec<&str> = lines[9].split_whitespace().collect();
    assert_eq!(bob, ["2", "bob", "192.0.2.7:50122", "-", "-", "-", "-"]);
}

#[test]
fn a_question_and_messages_are_in_the_last_line() {
    let mut model = model();
    model.key(press(KeyCode::Char('k')));
    let last = |model: &TopModel| drawn(model, 80, 24).pop().unwrap();
    assert_eq!(
        last(&model),
        "Disconnect session 1 of alice from 192.0.2.7:50122? y/n"
    );
    model.key(press(KeyCode::Esc));
    model.take(FeedEvent::Silent(base::error::Error::new("it \u{1b} hangs")));
    assert_eq!(last(&model), "it \\u{1b} hangs");
}

#[test]
fn any_size_is_drawn_and_the_selected_session_is_visible() {
    let start = Instant::now();
    let many = (1..=100).map(|id| session(id, "alice", 0)).collect();
    let mut model = TopModel::new(sample(start, 0, many), DeviceMounts::default());
    for size in [0, 1, 2, 3, 5, 6, 10, 200] {
        for other in [0, 1, 7, 80, 300] {
            drawn(&model, size, other);
            drawn(&model, other, size);
        }
    }
    model.key(press(KeyCode::End));
    let lines = drawn(&model, 80, 24);
    assert!(lines[22].contains("   100 alice"), "{lines:#?}");
    model.key(press(KeyCode::Home));
    assert!(drawn(&model, 80, 24)[4].contains("     1 alice"));
}

#[test]
fn ages_are_short() {
    let check = |seconds: i64, expected: &str| {
        let since = Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
        assert_eq!(age(since), expected);
    };
    check(-5, "0s");
    check(59, "59s");
    check(3599, "59m");
    check(3600, "1h00m");
    check(90_000, "1d01h");
    check(99 * 86_400, "99d00h");
    check(1000 * 86_400, "1000d");
}

#[test]
fn long_paths_lose_their_beginning_and_wide_characters_count_twice() {
    assert_eq!(cut_beginning("/a/b", 4), "/a/b");
    assert_eq!(cut_beginning("/abc/def", 4), "…def");
    assert_eq!(cut_beginning("/世界", 4), "…界");
    assert_eq!(cut_beginning("/世界", 0), "…");
}
