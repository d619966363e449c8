//! `--parallel`, as scripts use it.

use super::breaks::{SIZE, interrupt};
use super::*;

/// No name ever has a file with holes: not while it is transferred, not when the client is killed, and not afterwards.
#[test]
fn a_killed_client_leaves_nothing_with_holes_under_the_name() {
    let sandbox = ClientSandbox::new(&[]);
    let whole = sandbox.create_file("f", SIZE, 4);
    let remote = sandbox.remote("");
    let put = ["put", "--parallel", "4", "f", &remote];
    interrupt(&sandbox, &put, &sandbox.stored("f.homeport.part"), "-KILL");
    assert!(!sandbox.stored("f").exists());
    sandbox.run(put).expect_code(0).expect_stderr(&["MD5 verified"]);
    assert!(std::fs::read(sandbox.stored("f")).unwrap() == whole);
    assert!(!sandbox.stored("f.homeport.part").exists());

    std::fs::remove_file(sandbox.local("f")).unwrap();
    let remote = sandbox.remote("f");
    let get = ["get", "--parallel", "4", &remote, "f"];
    interrupt(&sandbox, &get, &sandbox.local("f.part"), "-KILL");
    assert!(!sandbox.local("f").exists());
    sandbox.run(get).expect_code(0).expect_stderr(&["MD5 verified"]);
    assert!(std::fs::read(sandbox.local("f")).unwrap() == whole);
}

/// Ctrl-C cuts the file to its front, so that the next run goes on there.
#[test]
fn an_interrupted_run_is_resumed() {
    let sandbox = ClientSandbox::new(&[]);
    let whole = sandbox.create_file("f", SIZE, 5);
    let remote = sandbox.remote("");
    let put = ["put", "--parallel", "4", "f", &remote];
    interrupt(&sandbox, &put, &sandbox.stored("f.homeport.part"), "-INT")
        .expect_interrupted()
        .expect_stderr(&["run the same command again"]);
    assert!(!sandbox.stored("f").exists());
    sandbox.run(put).expect_code(0).expect_stderr(&["MD5 verified"]);
    assert!(std::fs::read(sandbox.stored("f")).unwrap() == whole);
}

#[test]
fn trees_are_transferred_and_synchronised_by_several_connections() {
    let sandbox = ClientSandbox::new(&[]);
    tree(&sandbox, "photos", 150);
    // So that all connections are made before the last file begins.
    let slowly = ["--parallel", "3", "--limit-rate", "30K"];
    sandbox
        .run([&["put", "-r"][..], &slowly, &["photos", &sandbox.remote("")]].concat())
        .expect_code(0);
    same_trees(&sandbox.local("photos"), &sandbox.stored("photos"));
    let signed_in = |sandbox: &ClientSandbox| {
        let events = testkit::audit::all_events(&sandbox.server, sandbox.user);
        events
            .iter()
            .filter(|event| event["event"] == "signed_in")
            .count()
    };
    assert_eq!(signed_in(&sandbox), 3);
    sandbox
        .run([&["sync"][..], &slowly, &["photos", &sandbox.remote("synced")]].concat())
        .expect_code(0);
    same_trees(&sandbox.local("photos"), &sandbox.stored("synced"));
    assert_eq!(signed_in(&sandbox), 6);
    sandbox.script("get -r --parallel 2 photos back\n").expect_code(0);
    same_trees(&sandbox.local("photos"), &sandbox.local("back"));
}

#[test]
fn the_number_of_connections_has_a_limit() {
    let sandbox = ClientSandbox::new(&[]);
    sandbox.create_file("f", 10, 6);
    for number in ["0", "17", "many"] {
        sandbox
            .run(["put", "--parallel", number, "f", &sandbox.remote("")])
            .expect_code(2)
            .expect_stderr(&["--parallel"]);
    }
    sandbox
        .run(["put", "--parallel", "16", "f", &sandbox.remote("")])
        .expect_code(0);
}
