//! Standard input and output as source and target: `put -` and `get … -`.

use super::*;

/// Runs the client with these words and this standard input.
fn run_with_input(sandbox: &ClientSandbox, words: &[&str], input: &[u8]) -> CommandResult {
    let mut child = sandbox
        .command(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A client that refuses does not read everything.
    let _ = child.stdin.take().unwrap().write_all(input);
    CommandResult::of(child.wait_with_output().unwrap())
}

/// Returns the names in the user's home.
fn names(sandbox: &ClientSandbox) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.stored("")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn standard_input_becomes_a_file_with_proof() {
    let sandbox = ClientSandbox::new(&[]);
    for size in [0, 1, 70_000, 3 << 20] {
        let content = bytes(size, 1);
        run_with_input(
            &sandbox,
            &["put", "-", &sandbox.remote(&format!("f{size}"))],
            &content,
        )
        .expect_code(0)
        .expect_stderr(&["MD5 verified"]);
        assert!(std::fs::read(sandbox.stored(&format!("f{size}"))).unwrap() == content);
    }
    run_with_input(&sandbox, &["put", "-", &sandbox.remote("")], b"x")
        .expect_code(4)
        .expect_stderr(&["is a directory (hint: name the file"]);
    // A file that has the name.
    let named = sandbox.create_file("-", 10, 2);
    sandbox
        .run(["put", "./-", &sandbox.remote("dash")])
        .expect_code(0);
    assert_eq!(std::fs::read(sandbox.stored("dash")).unwrap(), named);
    run_with_input(&sandbox, &["put", "-", "./-", &sandbox.remote("")], b"x")
        .expect_code(2)
        .expect_stderr(&["one of several sources"]);
}

#[test]
fn standard_input_replaces_a_file_only_if_asked_to() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = ClientSandbox::new(&[]);
    let (old, new) = (bytes(1000, 1), bytes(500_000, 2));
    std::fs::create_dir_all(sandbox.stored("")).unwrap();
    let target = sandbox.stored("f");
    std::fs::write(&target, &old).unwrap();
    std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o640)).unwrap();
    let remote = sandbox.remote("f");
    run_with_input(&sandbox, &["put", "-", &remote], &new)
        .expect_code(4)
        .expect_stderr(&["a file is there", "--overwrite"]);
    run_with_input(&sandbox, &["put", "--skip", "-", &remote], &new).expect_code(0);
    assert_eq!(std::fs::read(&target).unwrap(), old);
    run_with_input(&sandbox, &["put", "--rename", "-", &remote], &new)
        .expect_code(0)
        .expect_stderr(&["sent as /f.1"]);
    assert!(std::fs::read(sandbox.stored("f.1")).unwrap() == new);
    run_with_input(&sandbox, &["put", "--overwrite", "-", &remote], &new).expect_code(0);
    assert!(std::fs::read(&target).unwrap() == new);
    assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(names(&sandbox), ["f", "f.1"], "nothing else stays");
}

/// The quota ends the stream in its middle.
#[test]
fn a_stream_that_fails_leaves_nothing_and_keeps_the_old_file() {
    let sandbox = ClientSandbox::new(&["--quota", "1MiB"]);
    std::fs::create_dir_all(sandbox.stored("")).unwrap();
    std::fs::write(sandbox.stored("old"), "old").unwrap();
    for (words, name) in [(&["put", "-"][..], "new"), (&["put", "--overwrite", "-"], "old")] {
        let remote = sandbox.remote(name);
        let words = [words, &[&remote]].concat();
        run_with_input(&sandbox, &words, &bytes(3 << 20, 1))
            .expect_code(4)
            .expect_stderr(&["FAILED: cannot write to the file", "what had arrived was removed"]);
    }
    assert_eq!(names(&sandbox), ["old"]);
    assert_eq!(std::fs::read(sandbox.stored("old")).unwrap(), b"old");
}

#[test]
fn files_go_to_standard_output_with_proof() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("")).unwrap();
    let (large, small) = (bytes(5 << 20, 1), bytes(10, 2));
    std::fs::write(sandbox.stored("large"), &large).unwrap();
    std::fs::write(sandbox.stored("small"), &small).unwrap();
    let get = |words: &[&str]| sandbox.command(words).output().unwrap();
    let output = get(&["get", &sandbox.remote("large"), "-"]);
    assert!(output.stdout == large);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("MD5 verified"), "{said}");
    assert!(!sandbox.local("-").exists());
    // Several files come one behind the other, and the events for scripts do not mix with them.
    let output = get(&[
        "--json",
        "get",
        &sandbox.remote("small"),
        &sandbox.remote("large"),
        "-",
    ]);
    assert!(output.stdout == [small, large].concat());
    let events = String::from_utf8(output.stderr).unwrap();
    assert!(events.contains(r#""event":"summary","sent":2"#), "{events}");
    let output = get(&["get", &sandbox.remote("nothing"), "-"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0));
}

#[test]
fn a_reader_that_has_enough_ends_the_client() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("")).unwrap();
    std::fs::write(sandbox.stored("large"), bytes(40 << 20, 1)).unwrap();
    let mut child = sandbox
        .command(["get", &sandbox.remote("large"), "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 5];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    drop(child.stdout.take());
    let result = CommandResult::of(child.wait_with_output().unwrap()).expect_code(141);
    assert!(!result.err.contains("FAILED"), "{}", result.err);
}

#[test]
fn the_shell_keeps_its_standard_input() {
    let sandbox = ClientSandbox::new(&[]);
    sandbox
        .script("put - f\n")
        .expect_code(1)
        .expect_stderr(&["standard input has the commands of this shell"]);
}
