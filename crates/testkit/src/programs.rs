//! The two programs that the tests run, and where cargo has put them.
//!
//! Cargo tells a test only of its own package's programs, and testkit belongs to neither package. So cargo is asked
//! here, once in each test process, to build both; where they are up to date that takes less than a second.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The path of `homeportd`, the server's program.
pub fn homeportd() -> &'static str {
    &PROGRAMS.homeportd
}

/// The path of `homeport`, the client's program.
pub fn homeport() -> &'static str {
    &PROGRAMS.homeport
}

struct Programs {
    homeportd: String,
    homeport: String,
}

static PROGRAMS: LazyLock<Programs> = LazyLock::new(|| {
    let directory = profile_directory(&std::env::current_exe().unwrap());
    // The same words as in `scripts/check`: with the same packages the programs have the same features of their
    // dependencies, and nothing is built twice.
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

/// The directory of the build profile, such as `target/debug`: cargo puts tests into its `deps`, and programs into it.
fn profile_directory(program: &Path) -> PathBuf {
    let directory = program.parent().unwrap();
    match directory.ends_with("deps") {
        true => directory.parent().unwrap().to_owned(),
        false => directory.to_owned(),
    }
}
