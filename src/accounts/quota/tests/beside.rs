//! Tests in which the host's own programs change a home, and file systems return outdated attributes.

use super::faults::{Faults, Faulty};
use super::*;

fn write(storage: &QuotaStorage, name: &str, length: usize) -> Result<()> {
    let file = storage.open(&path(name), how("wct"), Wait::Allowed)?;
    file.write_at(&vec![7; length], 0, Wait::Allowed)
}

fn cut(home: &Home, name: &str, length: u64) {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(home.dir.path().join(name));
    file.unwrap().set_len(length).unwrap();
}

#[test]
fn what_others_have_cut_is_found_before_a_refusal() {
    let fixture = AccountsFixture::new();
    let home = home_beside_others(&fixture, Some(1000), None);
    for round in 0..3 {
        // Each round needs a measurement. On a busy machine one takes long, and the next is later than any call
        // waits.
        until(|| write(&home.storage, "f", 900).is_ok());
        cut(&home, "f", 10);
        if round > 0 {
            // The pause between two measurements was waited for once.
            home.account.measurements.forget_last();
        }
        until(|| write(&home.storage, "g", 900).is_ok());
        assert_eq!((home.used(), home.on_disk()), ((910, 2), (910, 2)), "{round}");
        cut(&home, "g", 0);
        home.account.measurements.forget_last();
    }
    measure(&home.account, &LocalDisks).unwrap();
    assert_eq!((home.used(), home.on_disk()), ((10, 2), (10, 2)));
}

#[test]
fn files_that_others_have_removed_are_found_before_a_refusal() {
    let fixture = AccountsFixture::new();
    let home = home_beside_others(&fixture, None, Some(2));
    home.storage.mkdir(&path("a"), 0o755, Wait::Allowed).unwrap();
    home.storage.mkdir(&path("b"), 0o755, Wait::Allowed).unwrap();
    std::fs::remove_dir(home.dir.path().join("a")).unwrap();
    // A call that must not wait is first told to use a thread where it may wait.
    let never = home.storage.mkdir(&path("c"), 0o755, Wait::Never);
    assert_eq!(error(never), Error::WouldBlock);
    home.storage.mkdir(&path("c"), 0o755, Wait::Allowed).unwrap();
    assert_eq!(home.used(), (0, 2));
}

#[test]
fn a_full_home_is_refused_soon_and_measured_seldom() {
    let fixture = AccountsFixture::new();
    let home = home_beside_others(&fixture, Some(1000), None);
    write(&home.storage, "f", 1000).unwrap();
    let file = home.storage.open(&path("f"), how("w"), Wait::Allowed).unwrap();
    let (begun, before) = (Instant::now(), home.account.measurements.ended());
    for _ in 0..100 {
        let refused = file.write_at(b"x", 1000, Wait::Allowed);
        assert!(matches!(error(refused), Error::OverBytes { .. }));
    }
    // One handle waits once. If each refusal waited for the end of the pause, this would take 500 s.
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(100), "{took:?}");
    let measures = home.account.measurements.ended() - before;
    assert!(measures <= 1 + took.as_secs() / 5, "{measures} in {took:?}");
    // The refusal comes at once, also for a call that must not wait.
    let never = file.write_at(b"x", 1000, Wait::Never);
    assert!(matches!(error(never), Error::OverBytes { .. }));
}

#[test]
fn an_open_file_has_the_size_that_it_has() {
    let fixture = AccountsFixture::new();
    let home = home_beside_others(&fixture, Some(1000), None);
    write(&home.storage, "f", 800).unwrap();
    let file = home.storage.open(&path("f"), how("rw"), Wait::Allowed).unwrap();
    cut(&home, "f", 100);
    measure(&home.account, &LocalDisks).unwrap();
    assert_eq!(home.used(), (100, 1));
    file.write_at(&[1; 900], 100, Wait::Allowed).unwrap();
    assert_eq!((home.used(), home.on_disk()), ((1000, 1), (1000, 1)));
    drop(file);
    assert_eq!(home.used(), (1000, 1));
}

#[test]
fn an_open_file_that_others_have_taken_away_counts_until_it_is_closed() {
    let fixture = AccountsFixture::new();
    let elsewhere = tempfile::tempdir().unwrap();
    for remove in [true, false] {
        let home = home_beside_others(&fixture, Some(1000), None);
        write(&home.storage, "f", 600).unwrap();
        let file = home.storage.open(&path("f"), how("rw"), Wait::Allowed).unwrap();
        let f = home.dir.path().join("f");
        match remove {
            true => std::fs::remove_file(&f).unwrap(),
            false => std::fs::rename(&f, elsewhere.path().join("f")).unwrap(),
        }
        measure(&home.account, &LocalDisks).unwrap();
        assert_eq!(home.used(), (600, 1), "it can grow still");
        file.write_at(&[1; 400], 600, Wait::Allowed).unwrap();
        assert!(file.write_at(&[1; 1], 1000, Wait::Allowed).is_err());
        drop(file);
        // A file that was moved is looked for once more, in the background.
        until(|| home.used() == (0, 0));
    }
}

#[test]
fn a_file_that_comes_back_while_it_is_open_counts_once() {
    let fixture = AccountsFixture::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let home = home_beside_others(&fixture, Some(1000), None);
    write(&home.storage, "f", 600).unwrap();
    let file = home.storage.open(&path("f"), how("rw"), Wait::Allowed).unwrap();
    let (f, away) = (home.dir.path().join("f"), elsewhere.path().join("f"));
    std::fs::rename(&f, &away).unwrap();
    measure(&home.account, &LocalDisks).unwrap();
    std::fs::rename(&away, &f).unwrap();
    measure(&home.account, &LocalDisks).unwrap();
    assert_eq!(home.used(), (600, 1));
    drop(file);
    assert!(!home.account.measurements.is_invalidated());
    home.storage.remove(&path("f"), Wait::Allowed).unwrap();
    assert_eq!(home.used(), (0, 0));
}

#[test]
fn what_others_bring_is_counted_once_it_is_found() {
    let fixture = AccountsFixture::new();
    let home = home_beside_others(&fixture, Some(1000), None);
    let at = |name: &str| home.dir.path().join(name);
    write(&home.storage, "f", 500).unwrap();
    // One file was replaced, and one was added.
    std::fs::write(at("new"), [1; 300]).unwrap();
    std::fs::rename(at("new"), at("f")).unwrap();
    std::fs::write(at("g"), [1; 100]).unwrap();
    write(&home.storage, "h", 600).unwrap();
    assert_eq!((home.used(), home.on_disk()), ((1000, 3), (1000, 3)));
    // More is removed than was counted, so the number is not trusted any more.
    std::fs::write(at("i"), vec![1; 2000]).unwrap();
    home.storage.remove(&path("i"), Wait::Allowed).unwrap();
    // On a busy machine the last measurement may have taken long, and the next would be late.
    home.account.measurements.forget_last();
    until(|| home.used() == (1000, 3));
}

/// One name before means none afterwards, whatever the file system reports.
#[test]
fn a_file_system_that_remembers_too_long_costs_nothing() {
    let fixture = AccountsFixture::new();
    let home = home_beside_others(&fixture, Some(10_000), None);
    let faults = Arc::new(Faults::default());
    let storage = QuotaStorage::new(
        Arc::new(Faulty {
            inner: LocalStorage::open(home.dir.path()).unwrap(),
            faults: Arc::clone(&faults),
        }),
        Arc::clone(&home.account),
    );
    let fill = || {
        write(&storage, "f", 1000).unwrap();
        write(&storage, "g", 500).unwrap();
        assert_eq!(home.used(), (1500, 2));
    };
    faults.remembers.store(true, Ordering::Relaxed);
    fill();
    storage.rename(&path("g"), &path("f"), REPLACE).unwrap();
    assert_eq!(
        (home.used(), home.account.measurements.is_invalidated()),
        ((500, 1), false)
    );
    fill();
    storage.remove(&path("f"), Wait::Allowed).unwrap();
    assert_eq!(
        (home.used(), home.account.measurements.is_invalidated()),
        ((500, 1), false)
    );
    fill();
    drop(storage.open(&path("f"), how("wt"), Wait::Allowed).unwrap());
    assert_eq!(
        (home.used(), home.account.measurements.is_invalidated()),
        ((500, 2), false)
    );
    fill();
    storage.symlink(b"f", &path("s"), Wait::Allowed).unwrap();
    storage.rename(&path("g"), &path("s"), REPLACE).unwrap();
    assert_eq!(
        (home.used(), home.account.measurements.is_invalidated()),
        ((1500, 2), false)
    );
    // With several names this is not certain, so the home is measured again.
    storage
        .hard_link(&path("f"), &path("second"), Wait::Allowed)
        .unwrap();
    storage.rename(&path("s"), &path("f"), REPLACE).unwrap();
    until(|| home.used() == home.on_disk() && !home.account.measurements.is_invalidated());
    faults.remembers.store(false, Ordering::Relaxed);
    storage
        .hard_link(&path("f"), &path("third"), Wait::Allowed)
        .unwrap();
    storage.remove(&path("third"), Wait::Allowed).unwrap();
    assert!(
        !home.account.measurements.is_invalidated(),
        "one fewer is what was to be expected"
    );
}

/// An open file that is replaced counts until it is closed, and its number of links is not read.
#[test]
fn a_replaced_file_that_is_open_counts_until_it_is_closed() {
    let fixture = AccountsFixture::new();
    let home = home_beside_others(&fixture, Some(10_000), None);
    write(&home.storage, "f", 1000).unwrap();
    write(&home.storage, "g", 500).unwrap();
    let reader = home.storage.open(&path("f"), how("r"), Wait::Allowed).unwrap();
    home.storage.rename(&path("g"), &path("f"), REPLACE).unwrap();
    assert_eq!(home.used(), (1500, 2));
    drop(reader);
    assert_eq!(home.used(), (500, 1));
}
