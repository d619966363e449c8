//! Builds the two programs that the tests run, and finds where cargo has put them.
//!
//! Cargo gives a test the paths of the programs of its own package only, and testkit belongs to neither package. So
//! each test process asks cargo once to build both programs; if they are up to date, that takes less than a second.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// Returns the path of `homeportd`, the server's program.
pub fn homeportd() -> &'static str {
    &PROGRAMS.homeportd
}

/// Returns the path of `homeport`, the client's program.
pub fn homeport() -> &'static str {
    &PROGRAMS.homeport
}

/// Returns a command that runs `homeport` without a terminal, an agent and input.
pub fn homeport_command() -> Command {
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(homeport());
    command.env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
    command
}

/// Writes a program that is a text with a `#!` line, and makes it executable.
///
/// Another process writes it. A child that some other test starts at the same moment inherits all that this process has
/// open until it becomes its own program, and nobody can run a file that anybody has open for writing.
pub fn write_program(path: &Path, text: &str) {
    let mut writer = Command::new("sh")
        .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success(), "cannot write {path:?}");
}

struct Programs {
    homeportd: String,
    homeport: String,
}

static PROGRAMS: LazyLock<Programs> = LazyLock::new(|| {
    let directory = profile_directory(&std::env::current_exe().unwrap());
    // The arguments are the same as in `scripts/check`: with the same packages, the dependencies have the same
    // features, and nothing is built twice.
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--locked", "--quiet", "--workspace", "--bins"]);
    build.arg("--target-dir").arg(directory.parent().unwrap());
    match directory.file_name().unwrap().to_str().unwrap() {
        "debug" => {}
        profile => {
            build.args(["--profile", profile]);
        }
    }
    let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(status.unwrap().success(), "the programs do not build");
    let path = |name: &str| directory.join(name).into_os_string().into_string().unwrap();
    Programs {
        homeportd: path("homeportd"),
        homeport: path("homeport"),
    }
});

/// Returns the directory of the build profile, such as `target/debug`: cargo puts programs into it, and tests into its
/// `deps`.
fn profile_directory(program: &Path) -> PathBuf {
    let directory = program.parent().unwrap();
    match directory.ends_with("deps") {
        true => directory.parent().unwrap().to_owned(),
        false => directory.to_owned(),
    }
}
