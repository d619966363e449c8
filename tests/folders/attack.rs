//! An attack through SFTP on permissions that differ by directory and by folder. One user works through directories that
//! others swap with links, and move between zones, at the same time. Nothing is read, made, changed or removed that the
//! user's permissions refuse.
//!
//! The attacker is mallory: everything in the home and in `/in/pub`, `create,list` in `/in/drop`, `list,read` in the rest of
//! `/in` and in `/out`, nothing in `/in/secret`, and no access to the folder `hidden`. eve may do everything everywhere.

mod attacker;
mod field;

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, RenameFlags, renameat_with};
use testkit::{PATIENCE, SetOnDrop};

use self::attacker::{AttackReport, Attacker};
use self::field::Battlefield;
use super::*;

/// The time of the attack. It goes on for longer on a machine on which some operation has not been done and refused by
/// then.
const DURATION: Duration = Duration::from_secs(6);

/// The number of kinds of operations.
const OPERATIONS: usize = 16;

/// The content of files that mallory may not read.
const SECRET: &[u8] = b"SECRET";
/// The modification time of what mallory may not see, which identifies attributes from there.
const SECRET_TIME: i64 = 1_234_567_890;
/// A name that only directories have which mallory may not list.
const CANARY: &str = "canary";

/// What is written by mallory, which no file has that mallory may not change.
const WRITTEN: &[u8] = b"mallory was here";

/// eve swaps a door with a link, and moves a directory between the zones, through SFTP.
fn swap_by_sftp(mut sftp: RawSftp, report: &AttackReport) {
    let posix =
        |from: &str, to: &str| extended_paths("posix-rename@openssh.com", &[from.as_bytes(), to.as_bytes()]);
    let requests = [
        posix("/in/pub/door", "/in/pub/closed"),
        symlink("/secret", "/in/pub/door"),
        posix("/in/pub/travel", "/in/secret/travel"),
        remove("/in/pub/door"),
        posix("/in/pub/closed", "/in/pub/door"),
        posix("/in/secret/travel", "/in/pub/travel"),
    ];
    while !report.is_over() {
        for request in &requests {
            sftp.ask(request);
        }
    }
}

/// Another program on the host swaps the doors with links, and repairs what mallory has removed.
fn swap_on_disk(field: &Battlefield, report: &AttackReport) {
    let open =
        |at: &PathBuf| rustix::fs::open(at, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let doors: Vec<(PathBuf, OwnedFd)> = field
        .doors()
        .into_iter()
        .map(|at| (at.clone(), open(&at)))
        .collect();
    let links = [
        "to_secret",
        "to_root",
        "to_folder",
        "to_disk",
        "to_hidden",
        "to_eve",
    ];
    let mut rounds = 0_usize;
    while !report.is_over() {
        for (path, directory) in &doors {
            let link = links[rounds % links.len()];
            let exchange = || renameat_with(directory, "door", directory, link, RenameFlags::EXCHANGE);
            // The door is a link between these two.
            if exchange().is_ok() {
                std::thread::sleep(Duration::from_millis(2));
                let _ = exchange();
            }
            field.repair(path);
        }
        if rounds.is_multiple_of(8) {
            // What eve could not put back, because mallory has taken its place.
            let _ = fs::remove_dir_all(field.place("in/pub/closed"));
            let travel = field.place("in/pub/travel");
            if !travel.exists() && !field.place("in/secret/travel").exists() {
                let _ = fs::create_dir(&travel).and_then(|()| fs::write(travel.join("f"), b"moved"));
            }
        }
        std::thread::sleep(Duration::from_millis(2));
        rounds += 1;
    }
}

#[test]
fn nothing_is_reached_that_the_permissions_refuse() {
    let mut field = Battlefield::new();
    field.server.serve();
    let before = field.protected();
    assert!(before.len() >= 14, "{before:?}");
    let report = AttackReport::default();
    std::thread::scope(|scope| {
        let (field, report) = (&field, &report);
        let _stop = SetOnDrop(&report.stop);
        for seed in 1..=3_u64 {
            let mut attacker = Attacker {
                sftp: field.server.raw("mallory"),
                report,
                state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            };
            scope.spawn(move || {
                while !report.is_over() {
                    attacker.operate();
                }
            });
        }
        let eve = field.server.raw("eve");
        scope.spawn(move || swap_by_sftp(eve, report));
        scope.spawn(move || swap_on_disk(field, report));
        let begun = Instant::now();
        let goes_on = || match begun.elapsed() {
            elapsed if elapsed < DURATION => true,
            elapsed => elapsed < PATIENCE && !report.has_met_both(),
        };
        while !report.is_over() && goes_on() {
            std::thread::sleep(Duration::from_millis(50));
            if field.protected() != before {
                report.escaped(format!("something was changed: {:?}", field.protected()));
            }
        }
    });
    assert_eq!(*report.escape.lock().unwrap(), None);
    assert_eq!(field.protected(), before);
    assert_eq!(intruders(&field.place("in/drop")), BTreeSet::new());
    let counts = report.counts.into_inner().unwrap();
    println!("done and refused: {counts:#?}");
    assert_eq!(counts.len(), OPERATIONS);
    for (operation, (done, refused)) in counts {
        // Each operation has met what is allowed and what is not.
        assert!(
            done > 0 && refused > 0,
            "{operation}: {done} done, {refused} refused"
        );
    }
}

/// The same user, one operation after the other: which directories can be moved and replaced, and where files may go.
#[test]
fn files_and_directories_stay_in_their_zones_and_folders() {
    let mut field = Battlefield::new();
    field.server.serve();
    let mut sftp = field.server.raw("mallory");
    let before = field.protected();
    let posix = "posix-rename@openssh.com";
    let link = "hardlink@openssh.com";
    let refused = [
        // Directories do not move between zones or folders, and those of rules stay.
        (posix, "/in/pub/travel", "/in/drop/travel"),
        (posix, "/in/pub/travel", "/in/readonly/travel"),
        (posix, "/in/pub/travel", "/in/secret/travel"),
        (posix, "/in/pub/travel", "/travel"),
        (posix, "/in/pub/travel", "/out/travel"),
        (posix, "/in/pub", "/in/public"),
        (posix, "/in/secret", "/in/pub/s"),
        (posix, "/in/readonly", "/in/pub/r"),
        (posix, "/in/pub/travel", "/in/secret"),
        (posix, "/in/pub/travel", "/in"),
        // Files neither leave a zone that does not allow it, nor replace what is fixed.
        (posix, "/in/readonly/f", "/in/pub/f"),
        (posix, "/in/drop/f", "/in/pub/f"),
        (posix, "/in/secret/f", "/in/pub/f"),
        (posix, "/in/pub/travel/f", "/in/drop/f"),
        (posix, "/in/pub/travel/f", "/in/readonly/f"),
        (posix, "/in/pub/travel/f", "/out/f"),
        (posix, "/in/readonly/f", "/f"),
        // A file has no names in two zones or two folders.
        (link, "/in/readonly/f", "/in/pub/f"),
        (link, "/in/pub/travel/f", "/in/drop/g"),
        (link, "/in/drop/f", "/in/pub/f"),
        (link, "/in/secret/f", "/in/pub/f"),
        (link, "/in/pub/travel/f", "/f"),
        (link, "/out/door/f", "/f"),
        // What links lead to.
        (posix, "/in/pub/to_secret/f", "/in/pub/f"),
        (link, "/to_disk/f", "/f"),
        (posix, "/to_folder/f", "/f"),
        (link, "/in/pub/to_root/f", "/in/pub/f"),
    ];
    for (extension, from, to) in refused {
        let request = extended_paths(extension, &[from.as_bytes(), to.as_bytes()]);
        assert_ne!(code(&mut sftp, &request), 0, "{extension} {from} {to}");
    }
    assert_eq!(field.protected(), before);
    // A file may go where it may be made, and then it stays.
    assert_eq!(put(&mut sftp, "/in/pub/own", WRITTEN), 0);
    let there = extended_paths(posix, &[b"/in/pub/own", b"/in/drop/own"]);
    let back = extended_paths(posix, &[b"/in/drop/own", b"/in/pub/own"]);
    assert_eq!((code(&mut sftp, &there), code(&mut sftp, &back)), (0, DENIED));
    assert_eq!(get(&mut sftp, "/in/drop/own"), Err(DENIED));
    assert_eq!(fs::read(field.place("in/drop/own")).unwrap(), WRITTEN);
}
