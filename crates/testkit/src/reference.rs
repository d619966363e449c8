//! The machine's own OpenSSH `sftp-server`, in a root directory of its own, so that it sees what our users see.
//!
//! For root it is started by `chroot`, without root's capabilities; for any other user, in a user namespace.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{WITHOUT_CAPABILITIES, is_root};

/// The paths of `sftp-server` on Debian, Fedora, Arch and Alpine.
const SERVERS: [&str; 4] = [
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/sftp-server",
];

/// Returns the path of `sftp-server`.
pub fn program() -> &'static str {
    SERVERS
        .iter()
        .find(|path| Path::new(path).exists())
        .expect("no OpenSSH sftp-server on this machine (hint: apt-get install openssh-sftp-server)")
}

/// Puts what `sftp-server` needs into `root`: the program, its libraries, and a user `name` for its uid.
///
/// Both sides of a comparison get the same, so that listings of `/` are equal too.
pub fn prepare_root(root: &Path, name: &str) {
    copy_program(Path::new(program()), root, "sftp-server");
    copy_program(&which("setpriv"), root, "setpriv");
    users(root, name);
    fs::create_dir_all(root.join("dev")).unwrap();
    // The program only opens this file, so a regular file is enough; a device would need root.
    fs::write(root.join("dev/null"), "").unwrap();
}

/// Writes the user database in which `sftp-server` looks up its own user.
pub fn users(root: &Path, name: &str) {
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    fs::create_dir_all(root.join("etc")).unwrap();
    let passwd = format!("{name}:x:{uid}:{gid}::/:/bin/sh\n");
    fs::write(root.join("etc/passwd"), passwd).unwrap();
    fs::write(root.join("etc/group"), format!("{name}:x:{gid}:\n")).unwrap();
}

/// Returns the command that serves `root`.
pub fn command(root: &Path) -> Command {
    let mut command;
    if is_root() {
        command = Command::new("chroot");
        command.arg(root).arg("/setpriv").args(WITHOUT_CAPABILITIES);
    } else {
        command = Command::new("unshare");
        command
            .args(["-U", "--map-current-user"])
            .arg(format!("--root={}", root.display()));
    }
    command
        .args(["/sftp-server", "-e"])
        .env("TZ", "UTC0")
        .env("LC_ALL", "C");
    command
}

fn copy_program(program: &Path, root: &Path, name: &str) {
    let target = root.join(name);
    copy(program, &target);
    fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).unwrap();
    let ldd = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(ldd.stdout).unwrap();
    for library in text.split_whitespace().filter(|word| word.starts_with('/')) {
        let target = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        if !target.exists() {
            copy(Path::new(library), &target);
        }
    }
}

/// Copies a file that is executed, by another process for the reason that [`write_program`] names.
///
/// [`write_program`]: super::programs::write_program
fn copy(file: &Path, to: &Path) {
    let copied = Command::new("cp").arg(file).arg(to).status();
    assert!(copied.unwrap().success(), "cannot copy {file:?}");
}

/// Returns the path of a program.
pub fn which(program: &str) -> PathBuf {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .map(|directory| Path::new(directory).join(program))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no {program} on this machine"))
}
