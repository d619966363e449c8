//! Eight sessions of one user race for the last bytes.

use super::*;

/// Sums up a home while the server is stopped, so that nothing changes meanwhile.
fn sum_while_stopped(server: &TestServer, home: &Path) -> DiskUse {
    server.stop();
    let sum = on_disk(home);
    server.signal("CONT");
    sum
}

#[test]
fn eight_sessions_never_pass_the_limit_and_can_use_all_of_it() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--quota", "1MiB", "--max-files", "6"]);
    server.serve();
    let home = server.home("alice");
    // The home is so full that some session always exceeds the limit.
    let mut sftp = server.raw("alice");
    sftp.handle(&open("ballast", WRITE | CREAT));
    sftp.ask(&testkit::packets::setstat("ballast", &Attrs::size(950_000)));
    drop(sftp);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let sftp = server.raw("alice");
            let stop = &stop;
            scope.spawn(move || change_files(sftp, seed, stop));
        }
        for _ in 0..rounds(40) {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let sum = sum_while_stopped(&server, &home);
            assert!(sum.bytes <= MIB && sum.files <= 6, "{sum:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    // Without refusals there was no race. Those of one session within a second share a line.
    testkit::wait_for("refusals in the audit log", || {
        testkit::audit::Lines::of(&server, "over_quota").count > 10
    });
    // The quota can be used to the last byte.
    let mut sftp = server.raw("alice");
    sftp.ask(&remove("ballast"));
    for n in 0..6 {
        sftp.ask(&remove(format!("file{n}")));
    }
    let handle = sftp.handle(&open("all", WRITE | CREAT));
    let mut size = 0;
    testkit::wait_for("the other sessions' files to be closed", || {
        sftp.ask_about(&fsetstat(bogus(&handle), &Attrs::size(MIB)), b"");
        size = home.join("all").metadata().unwrap().len();
        size == MIB
    });
    sftp.ask_about(&write(bogus(&handle), MIB, b"x"), b"");
    assert_eq!(on_disk(&home), DiskUse { bytes: MIB, files: 1 });
}
