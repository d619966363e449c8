//! `edit` with editors that are small scripts.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;

/// Runs `edit PATH` with an editor that runs these lines of a shell. `$1` is the copy.
fn edit(sandbox: &ClientSandbox, path: &str, lines: &str) -> CommandResult {
    let editor = sandbox.local("my editor");
    script(&editor, lines);
    let temporary = sandbox.local("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut command = sandbox.command(["edit", &sandbox.remote(path)]);
    command
        .env("VISUAL", format!("'{}'", editor.display()))
        .env("EDITOR", "false")
        .env("TMPDIR", &temporary);
    CommandResult::of(command.output().unwrap())
}

/// The files in the directory for temporary files.
fn left_behind(sandbox: &ClientSandbox) -> Vec<PathBuf> {
    let directories = std::fs::read_dir(sandbox.local("tmp")).unwrap();
    let files = directories.flat_map(|entry| std::fs::read_dir(entry.unwrap().path()).unwrap());
    files.map(|entry| entry.unwrap().path()).collect()
}

fn sandbox_with(name: &str, text: &str) -> (ClientSandbox, PathBuf) {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("")).unwrap();
    let stored = sandbox.stored(name);
    std::fs::write(&stored, text).unwrap();
    (sandbox, stored)
}

#[test]
fn a_changed_file_is_sent_back_and_an_unchanged_one_is_not() {
    let (sandbox, stored) = sandbox_with("a b.txt", "one\n");
    std::fs::set_permissions(&stored, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink("a b.txt", sandbox.stored("link")).unwrap();
    let look = "stat -c '%a %n' \"$1\" >&2; stat -c %a \"$(dirname \"$1\")\" >&2";
    let edited = edit(&sandbox, "a b.txt", &format!("{look}; echo two >> \"$1\"")).expect_code(0);
    assert!(
        edited.err.contains("600 ") && edited.err.contains("/a b.txt\n700\n"),
        "{}",
        edited.err
    );
    assert_eq!(std::fs::read_to_string(&stored).unwrap(), "one\ntwo\n");
    assert_eq!(std::fs::metadata(&stored).unwrap().mode() & 0o777, 0o640);
    // An editor that writes another file under the same name, of a file behind a link.
    edit(&sandbox, "link", "sed -i s/two/three/ \"$1\"").expect_code(0);
    assert_eq!(std::fs::read_to_string(&stored).unwrap(), "one\nthree\n");
    assert!(
        std::fs::symlink_metadata(sandbox.stored("link"))
            .unwrap()
            .is_symlink()
    );
    // Nothing that a server could notice happens without a change.
    let before = std::fs::metadata(&stored).unwrap();
    edit(&sandbox, "a b.txt", "touch \"$1\"")
        .expect_code(0)
        .expect_stderr(&["was not changed"]);
    let after = std::fs::metadata(&stored).unwrap();
    assert_eq!(
        (before.ino(), before.ctime_nsec()),
        (after.ino(), after.ctime_nsec())
    );
    assert_eq!(left_behind(&sandbox), [""; 0].map(PathBuf::from));
}

#[test]
fn a_file_that_was_changed_on_the_server_meanwhile_is_left_alone() {
    let (sandbox, stored) = sandbox_with("notes", "mine\n");
    let theirs = stored.display();
    // Of the same size, and in the same second.
    let lines = format!(
        "echo edited > \"$1\"; touch -r '{theirs}' stamp; echo them > '{theirs}'; touch -r stamp '{theirs}'"
    );
    edit(&sandbox, "notes", &lines)
        .expect_code(1)
        .expect_stderr(&["was changed on the server meanwhile", "the edited copy is "]);
    assert_eq!(std::fs::read_to_string(&stored).unwrap(), "them\n");
    let kept = left_behind(&sandbox);
    assert_eq!(kept.len(), 1);
    assert_eq!(std::fs::read_to_string(&kept[0]).unwrap(), "edited\n");
    let directory = std::fs::metadata(kept[0].parent().unwrap()).unwrap();
    assert_eq!(directory.mode() & 0o777, 0o700);
    // The same where it was removed, or where another one was made.
    edit(&sandbox, "notes", &format!("echo edited > \"$1\"; rm '{theirs}'")).expect_code(1);
    assert!(!stored.exists());
    edit(
        &sandbox,
        "notes",
        &format!("echo mine > \"$1\"; echo new > '{theirs}'"),
    )
    .expect_code(1);
    assert_eq!(std::fs::read_to_string(&stored).unwrap(), "new\n");
}

#[test]
fn an_editor_may_make_a_file_or_fail() {
    let (sandbox, stored) = sandbox_with("there", "old\n");
    edit(&sandbox, "new", "echo new > \"$1\"").expect_code(0);
    assert_eq!(std::fs::read_to_string(sandbox.stored("new")).unwrap(), "new\n");
    edit(&sandbox, "none", "true")
        .expect_code(0)
        .expect_stderr(&["was not changed"]);
    assert!(!sandbox.stored("none").exists());
    edit(&sandbox, "there", "echo half > \"$1\"; exit 1")
        .expect_code(1)
        .expect_stderr(&["the editor failed", "the edited copy is "]);
    edit(&sandbox, "there", "exit 1")
        .expect_code(1)
        .expect_stderr(&["the editor failed, and the file was not changed"]);
    assert_eq!(std::fs::read_to_string(&stored).unwrap(), "old\n");
    std::fs::create_dir(sandbox.stored("d")).unwrap();
    edit(&sandbox, "d", "true")
        .expect_code(1)
        .expect_stderr(&["d\" is not a regular file"]);
}
