//! A folder on a file system that hangs. See [`crate::hang`] for how that is done, and where it is skipped.

use testkit::raw::Received;
use testkit::{PATIENCE, wait_for};

use super::*;
use crate::hang::frozen::Mount;

/// The requests of others that are answered meanwhile.
const OTHERS: usize = 200;

/// More sessions than a file system has threads hang in a folder, and nobody waits who does not enter it: neither others who
/// have it, nor other sessions of the same users.
#[test]
fn a_folder_that_hangs_delays_only_those_who_enter_it() {
    const HANGING: usize = 12;
    let Some(mount) = Mount::or_skip() else { return };
    let roots = format!("roots = [{:?}]", mount.point());
    let mut server = TestServer::new(&[("storage", &roots)]);
    // The first home there gives the root its marker.
    server.add_user("dave", &["--home", mount.point().join("dave").to_str().unwrap()]);
    for user in ["alice", "bob"] {
        server.add_user(user, &[]);
    }
    add_folder_at(&server, "in", &mount.point().join("in"), None);
    for user in ["alice", "bob"] {
        give(&server, user, "in", &[("/", "all")]);
    }
    server.serve();
    let mut hanging: Vec<RawSftp> = (0..HANGING).map(|_| server.raw("alice")).collect();
    // The first half has entered the folder before it hangs.
    for (number, sftp) in hanging.iter_mut().enumerate().take(HANGING / 2) {
        assert_eq!(
            code(sftp, &mkdir(format!("in/before{number}"), &Attrs::mode(0o755))),
            0
        );
    }
    let frozen = mount.freeze().expect("a mounted file system freezes");
    let context = testkit::packets::Context {
        base: "",
        handles: &[],
    };
    for (number, sftp) in hanging.iter_mut().enumerate() {
        let request = mkdir(format!("in/during{number}"), &Attrs::mode(0o755));
        assert!(sftp.send(&request.encode(7, &context)));
    }
    for user in ["alice", "bob"] {
        let mut sftp = server.raw(user);
        assert_eq!(names(&mut sftp, "/"), ["in"]);
        for round in 0..OTHERS {
            assert!(matches!(sftp.ask(&stat("/in")), Reply::Attrs(_)));
            assert_eq!(put(&mut sftp, &format!("f{}", round % 3), b"content"), 0);
            for file in ["f0", "f1", "f2"]
                .iter()
                .take(usize::from(round == OTHERS - 1) * 3)
            {
                assert_eq!(code(&mut sftp, &remove(file)), 0);
            }
        }
    }
    frozen.thaw();
    for sftp in &mut hanging {
        assert!(matches!(sftp.receive(PATIENCE), Received::Packet(_)));
    }
    let made = |number: usize| mount.point().join(format!("in/during{number}")).is_dir();
    wait_for("what hung to be done", || (0..HANGING).all(made));
}
