//! The two programs that the tests run. Cargo builds the server's for these tests, and is asked here for the client's,
//! which belongs to another package.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The server's program, as cargo built it for this test.
pub const HOMEPORTD: &str = env!("CARGO_BIN_EXE_homeportd");

/// The client's program, which is brought up to date once in each test process.
pub fn homeport() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| {
        let directory = PathBuf::from(HOMEPORTD).parent().unwrap().to_owned();
        let status = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--quiet", "--workspace", "--bins"])
            .arg("--target-dir")
            .arg(directory.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(status.success(), "the client does not build");
        directory.join("homeport").into_os_string().into_string().unwrap()
    })
}
