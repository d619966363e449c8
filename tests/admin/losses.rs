//! A user who loses a right while a session is busy: the session has ended when the command returns.

use std::fs;

use crate::admin::sessions::{Doing, PASSWORD, assert_over, begin, change, growing, size};
use testkit::server::TestServer;
use testkit::stock::By;

const PEER: &str = "the user may not come from this address any more";

/// A user who loses a right: how the session signed in, the command, and the reason with which the session ends.
struct Loss {
    user: &'static str,
    by: By,
    command: &'static [&'static str],
    reason: &'static str,
}

const fn loss(user: &'static str, by: By, command: &'static [&'static str], reason: &'static str) -> Loss {
    Loss {
        user,
        by,
        command,
        reason,
    }
}

/// The losses. In the commands, `NAME` and `KEY` stand for the user's name and the key's fingerprint.
const LOSSES: [Loss; 13] = [
    loss("disabled", By::Key, &["disable", "NAME"], "the user was disabled"),
    loss(
        "removed",
        By::Key,
        &["remove", "NAME"],
        "the user was removed or renamed",
    ),
    loss(
        "renamed",
        By::Key,
        &["rename", "NAME", "other"],
        "the user was removed or renamed",
    ),
    loss(
        "reader",
        By::Key,
        &["set", "NAME", "--read-only"],
        "the user may not create any more",
    ),
    loss(
        "less",
        By::Key,
        &[
            "set",
            "NAME",
            "--permissions",
            "list,read,create,overwrite,delete,rename,mkdir,attributes",
        ],
        "the user may not link any more",
    ),
    loss(
        "moved",
        By::Key,
        &["set", "NAME", "--home", "data/homes/elsewhere"],
        "the user's home was moved",
    ),
    loss(
        "keyless",
        By::Key,
        &["key", "remove", "NAME", "KEY"],
        "the key of this sign-in is not accepted any more",
    ),
    loss(
        "changed",
        PASSWORD,
        &["passwd", "NAME", "--password-stdin"],
        "the password of this sign-in is not accepted any more",
    ),
    loss(
        "placed",
        By::Key,
        &["set", "NAME", "--allow-from", "192.0.2.0/24"],
        PEER,
    ),
    loss(
        "placed-6",
        PASSWORD,
        &["set", "NAME", "--allow-from", "::1"],
        PEER,
    ),
    loss(
        "careful",
        By::Key,
        &["set", "NAME", "--require", "publickey,password"],
        "more factors are required of this user now to sign in",
    ),
    loss(
        "keys-only",
        PASSWORD,
        &["set", "NAME", "--require", "publickey"],
        "more factors are required of this user now to sign in",
    ),
    loss(
        "expired",
        By::Key,
        &["set", "NAME", "--expires", "2001-01-01"],
        "the user's account has expired",
    ),
];

pub fn fingerprint(server: &TestServer, user: &str) -> String {
    let list = server.admin_ok(&["user", "key", "list", user], "");
    list.split(' ').next().unwrap().to_owned()
}

/// Each user loses a right while their session is doing this.
fn each_loss_ends_the_session(doing: Doing) {
    let mut server = TestServer::new(&[]);
    for Loss { user, .. } in LOSSES {
        server.add_user(user, &[]);
    }
    server.serve();
    fs::write(server.path().join("local"), vec![7; 20 << 20]).unwrap();
    let witness = LOSSES[0].user;
    for Loss {
        user,
        by,
        command,
        reason,
    } in LOSSES
    {
        let what = format!("{user} in {doing:?}");
        let mut session = begin(&server, user, by, doing);
        let key = fingerprint(&server, user);
        let homes = server.path().join("data/homes/elsewhere");
        let command: Vec<&str> = command
            .iter()
            .map(|word| match *word {
                "NAME" => user,
                "KEY" => key.as_str(),
                "data/homes/elsewhere" => homes.to_str().unwrap(),
                word => word,
            })
            .collect();
        let said = change(&server, &command, "another one");
        // From here on, the file must not grow. The file of a download belongs to the client.
        let file = growing(&server, user, doing).filter(|_| doing != Doing::Download);
        let at_return = file.as_ref().map(size);
        assert_eq!(
            (&said["changed"], &said["sessions_ended"]),
            (&true.into(), &1.into()),
            "{what}: {said}"
        );
        assert_eq!(said["still_busy"], 0, "{what}: {said}");
        let list = server.admin_ok(&["sessions", "list", "--json"], "");
        assert!(!list.contains(&format!("\"{user}\"")), "{what}: {list}");
        assert_over(&mut session, &what);
        assert_eq!(file.as_ref().map(size), at_return, "{what}");
        server.wait_for_audit(reason);
        if ["removed", "renamed"].contains(&user) {
            assert_eq!(server.admin(&["user", "show", user], "").status.code(), Some(3));
        } else {
            let again = change(&server, &command, "another one");
            assert_eq!(
                (&again["changed"], &again["sessions_ended"]),
                (&false.into(), &0.into()),
                "{what}"
            );
        }
    }
    assert!(!server.sign_in(witness, By::Key, "").status.success());
}

#[test]
fn idle_sessions_end_when_their_user_loses_a_right() {
    each_loss_ends_the_session(Doing::Nothing);
}

#[test]
fn uploads_end_when_their_user_loses_a_right() {
    each_loss_ends_the_session(Doing::Upload);
}

#[test]
fn downloads_end_when_their_user_loses_a_right() {
    each_loss_ends_the_session(Doing::Download);
}

#[test]
fn hashes_end_when_their_user_loses_a_right() {
    each_loss_ends_the_session(Doing::Hash);
}

#[test]
fn scp_ends_when_its_user_loses_a_right() {
    each_loss_ends_the_session(Doing::Scp);
}

#[test]
fn copies_end_when_their_user_loses_a_right() {
    each_loss_ends_the_session(Doing::Copy);
}
