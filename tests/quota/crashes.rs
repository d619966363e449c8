//! `kill -9` in the middle of changes.

use std::time::Duration;

use super::*;

#[test]
fn after_a_crash_nothing_passes_the_limit_and_the_account_becomes_exact() {
    let mut server = TestServer::new(&[]);
    // The limit is above the reserved upper bound, so that writes succeed without a measurement.
    let limit = 200 * MIB;
    server.add_user("alice", &["--quota", "200MiB"]);
    server.serve();
    let home = server.home("alice");
    let mut random = PseudoRandom(42);
    for round in 0..u64::from(rounds(8)) {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for seed in 0..3 {
                let sftp = server.raw("alice");
                let stop = &stop;
                scope.spawn(move || change_files(sftp, round * 3 + seed, stop));
            }
            std::thread::sleep(Duration::from_millis(20 + random.below(300)));
            server.signal("KILL");
            stop.store(true, Ordering::Relaxed);
        });
        server.wait_for_exit();
        let held = on_disk(&home);
        if let Some(KnownUse { used, .. }) = stored_usage(&server) {
            assert!(
                held.bytes <= used.bytes && held.files <= used.files,
                "{held:?} is more than {used:?}"
            );
        }
        server.serve();
        // Writes succeed at once, and do not exceed the limit.
        let mut sftp = server.raw("alice");
        let handle = sftp.handle(&open("after", WRITE | CREAT));
        sftp.ask_about(&write(bogus(&handle), 0, b"at once"), b"");
        assert_eq!(std::fs::read(home.join("after")).unwrap(), b"at once");
        let held = on_disk(&home).bytes;
        let rest = limit - held + 7;
        sftp.ask_about(&fsetstat(bogus(&handle), &Attrs::size(rest + 1)), b"");
        assert_eq!(on_disk(&home).bytes, held, "one byte too much");
        // A client waits for the measurement for some seconds only.
        testkit::wait_for("all that there is to be given", || {
            sftp.ask_about(&fsetstat(bogus(&handle), &Attrs::size(rest)), b"");
            on_disk(&home).bytes == limit
        });
        sftp.ask(&remove("after"));
    }
    server.signal("TERM");
    server.wait_for_exit();
    assert_eq!(stored_usage(&server), Some(KnownUse::exactly(on_disk(&home))));
}
