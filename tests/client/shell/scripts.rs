//! Scripts of commands: which commands run, in which directory, and with which exit code.

use std::sync::Arc;

use homeport::shell::run_script;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::client::shell::{CommandRecorder, server_with, signed_in};

#[test]
fn scripts_end_at_the_first_failure() {
    let server = server_with(&["docs/deep/", "docs/a.txt", "other/", "my dir/"]);
    let home_directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let check = |script: &str, expected: u8, done: &[&str]| {
        let (sender, mut commands) = mpsc::unbounded_channel();
        let session = runtime.block_on(signed_in(server.port(), home_directory.path()));
        let handle = runtime.handle().clone();
        let code = run_script(
            session,
            Arc::new(CommandRecorder(sender)),
            handle,
            script.as_bytes(),
        );
        let commands: Vec<String> = std::iter::from_fn(|| commands.try_recv().ok()).collect();
        assert_eq!(
            (code, commands),
            (expected, done.iter().map(ToString::to_string).collect()),
            "{script}"
        );
    };
    check("", 0, &[]);
    check("# nothing\n\n  \n", 0, &[]);
    check(
        "get a\nput 'b c' x*y 'x*y'",
        0,
        &["/: get a", "/: put b c x*y x\\*y"],
    );
    check("@ls\nexit\nls never", 0, &["/: ls "]);
    check("sum a\nls never\n", 5, &["/: sum a"]);
    check("-sum a\nls\n", 0, &["/: sum a", "/: ls "]);
    check("- @sum a\r\nls b\r\n", 0, &["/: sum a", "/: ls b"]);
    check(
        "cd docs\nls\ncd deep\nls\ncd ../..\nls\n",
        0,
        &["/docs: ls ", "/docs/deep: ls ", "/: ls "],
    );
    check("cd docs\ncd other\nls", 1, &[]);
    check(
        "cd docs\ncd /other\ncd -\nls\ncd\nls",
        0,
        &["/docs: ls ", "/: ls "],
    );
    check(
        "cd my\\ dir\nls\ncd ..\ncd \"my dir\"\nls",
        0,
        &["/my dir: ls ", "/my dir: ls "],
    );
    check("cd do*\nls", 0, &["/docs: ls "]);
    check("cd -", 1, &[]);
    check("cd d*r", 1, &[]);
    check("cd docs/a.txt", 1, &[]);
    check("cd *", 1, &[]);
    check("pwd\nhelp\nhelp get\nget --help", 0, &[]);
    check("get", 2, &[]);
    check("get 'a", 2, &[]);
    check("!exit 3", 3, &[]);
    check("mput a 'b c'\nmget x y", 0, &["/: put a b c .", "/: get x y ."]);
    check("history", 2, &[]);
    check("uplod a", 2, &[]);
    check(&format!("ls {}", "a".repeat(200_000)), 2, &[]);
    check(
        "remov old\nmv a b\nmkdir -p x\ndf -h",
        0,
        &["/: rm old", "/: mv a b", "/: mkdir x", "/: df "],
    );
    check("lmkdir /proc/nothing", 1, &[]);
    check("rmdir oth*", 0, &["/: rmdir oth*"]);
}
