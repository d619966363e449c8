mod web;

use parking_lot::Mutex;
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::*;
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::user::{PasswordHash, User, UserName};
use crate::store::{
    BatchStore, Changed, FactorStore, FolderChange, GroupChange, GroupStore, RecordWrite, Records,
};

/// Remembers host keys and nothing else.
#[derive(Default)]
struct Recorded(Mutex<Vec<(String, String)>>);

fn no_users<T>() -> Result<T> {
    Err(Error::new("no users here"))
}

#[async_trait::async_trait]
impl GroupStore for Recorded {
    async fn group(&self, _: &GroupName) -> Result<Option<Group>> {
        no_users()
    }
    async fn groups(&self) -> Result<Vec<Group>> {
        no_users()
    }
    async fn add_group(&self, _: &Group) -> Result<()> {
        no_users()
    }
    async fn change_group(&self, _: &GroupName, _: GroupChange) -> Result<Changed<Group>> {
        no_users()
    }
    async fn remove_group(&self, _: &GroupName) -> Result<()> {
        no_users()
    }
    async fn folder(&self, _: &FolderName) -> Result<Option<Folder>> {
        no_users()
    }
    async fn folders(&self) -> Result<Vec<Folder>> {
        no_users()
    }
    async fn add_folder(&self, _: &Folder) -> Result<()> {
        no_users()
    }
    async fn change_folder(&self, _: &FolderName, _: FolderChange) -> Result<Changed<Folder>> {
        no_users()
    }
    async fn remove_folder(&self, _: &FolderName) -> Result<std::path::PathBuf> {
        no_users()
    }
}

#[async_trait::async_trait]
impl FactorStore for Recorded {
    async fn replace_hash(&self, _: &User, _: &PasswordHash) -> Result<bool> {
        no_users()
    }
    async fn take_totp_step(&self, _: &UserName, _: i64) -> Result<bool> {
        no_users()
    }
    async fn set_recovery_codes(&self, _: &UserName, _: &[String]) -> Result<()> {
        no_users()
    }
    async fn take_recovery_code(&self, _: &UserName, _: &str) -> Result<bool> {
        no_users()
    }
    async fn recovery_codes_left(&self, _: &UserName) -> Result<u64> {
        no_users()
    }
    async fn last_sign_ins(&self, _: Option<&UserName>) -> Result<HashMap<UserName, jiff::Timestamp>> {
        no_users()
    }
    async fn sign_ins_of(&self, _: &UserName) -> Result<Vec<crate::store::SignIn>> {
        no_users()
    }
    async fn record_last_sign_ins(&self, _: &[crate::store::LastSignIn]) -> Result<()> {
        no_users()
    }
}

#[async_trait::async_trait]
impl crate::store::PasswordStore for Recorded {
    async fn unusual_hashes(&self, _: &str, _: i64) -> Result<Vec<crate::domain::user::PasswordHash>> {
        no_users()
    }
}

#[async_trait::async_trait]
impl BatchStore for Recorded {
    async fn records(&self) -> Result<Records> {
        no_users()
    }
    async fn write_records(&self, _: i64, _: &[RecordWrite]) -> Result<bool> {
        no_users()
    }
}

#[async_trait::async_trait]
impl Store for Recorded {
    async fn user(&self, _: &UserName) -> Result<Option<User>> {
        no_users()
    }
    async fn user_with_key(&self, _: &UserName, _: &str) -> Result<Option<User>> {
        no_users()
    }
    async fn users(&self) -> Result<Vec<User>> {
        no_users()
    }
    async fn has_users(&self) -> Result<bool> {
        Ok(false)
    }
    async fn add_user(&self, _: &User) -> Result<()> {
        no_users()
    }
    async fn change_user(&self, _: &UserName, _: crate::store::RecordChange) -> Result<Changed<User>> {
        no_users()
    }
    async fn move_home(
        &self,
        _: &std::path::Path,
        _: &std::path::Path,
        _: Option<&crate::store::UsageRecord>,
    ) -> Result<Vec<Changed<User>>> {
        no_users()
    }
    async fn remove_user(&self, _: &UserName) -> Result<std::path::PathBuf> {
        no_users()
    }
    async fn usage(&self, _: &std::path::Path) -> Result<Option<crate::store::UsageRecord>> {
        no_users()
    }
    async fn usages(&self) -> Result<Vec<crate::store::UsageRecord>> {
        no_users()
    }
    async fn quota_of_home(&self, _: &std::path::Path) -> Result<Option<crate::domain::user::Quota>> {
        no_users()
    }
    async fn overlapping_user(&self, _: &std::path::Path, _: &UserName) -> Result<Option<String>> {
        no_users()
    }
    async fn record_usage(&self, _: &[crate::store::UsageRecord]) -> Result<()> {
        no_users()
    }
    async fn sign_ins(&self, _: jiff::Timestamp) -> Result<Vec<crate::store::SignIn>> {
        no_users()
    }
    async fn record_sign_ins(&self, _: &[crate::store::SignIn], _: usize, _: jiff::Timestamp) -> Result<()> {
        no_users()
    }
    async fn host_keys(&self) -> Result<Vec<(String, String)>> {
        Ok(self.0.lock().clone())
    }
    async fn record_host_key(&self, algorithm: &str, fingerprint: &str) -> Result<()> {
        let mut keys = self.0.lock();
        keys.retain(|(name, _)| name != algorithm);
        keys.push((algorithm.to_owned(), fingerprint.to_owned()));
        Ok(())
    }
    async fn forget_host_key(&self, algorithm: &str) -> Result<()> {
        self.0.lock().retain(|(name, _)| name != algorithm);
        Ok(())
    }
    async fn version(&self) -> Result<i64> {
        Ok(0)
    }
    async fn id(&self) -> Result<String> {
        no_users()
    }
    async fn knows_place(&self, _: &std::path::Path) -> Result<bool> {
        no_users()
    }
    async fn record_place(&self, _: &std::path::Path) -> Result<()> {
        no_users()
    }
    async fn changes_since(&self, _: i64) -> Result<crate::store::RevisionChanges> {
        no_users()
    }
}

fn prints(keys: &[PrivateKey]) -> Vec<String> {
    keys.iter().map(fingerprint).collect()
}

#[tokio::test]
async fn an_identity_is_made_once_and_never_silently_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new/hostkeys");
    let store = Recorded::default();
    let first = ensure(&dir, &store).await.unwrap();
    let names: Vec<String> = first.iter().map(|k| k.algorithm().to_string()).collect();
    assert_eq!(names, ["ssh-ed25519", "ecdsa-sha2-nistp256"]);
    assert_eq!(prints(&ensure(&dir, &store).await.unwrap()), prints(&first));

    let file = Kind::Ed25519.file(&dir);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);

    // Gone: an error, and no new key.
    let aside = dir.join("aside");
    std::fs::rename(&file, &aside).unwrap();
    let error = ensure(&dir, &store).await.unwrap_err().to_string();
    assert!(
        error.contains("is gone, but clients know this server by SHA256:"),
        "{error}"
    );
    assert!(
        error.contains("homeportd hostkey generate --type ed25519"),
        "{error}"
    );
    assert!(!file.exists());

    // Another in its place: an error.
    let other = generate(&dir, Kind::Ed25519).unwrap();
    let error = ensure(&dir, &store).await.unwrap_err().to_string();
    assert!(
        error.contains(&format!("has become {}", fingerprint(&other))),
        "{error}"
    );

    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(prints(&ensure(&dir, &store).await.unwrap()), prints(&first));
}

#[tokio::test]
async fn keys_that_the_operator_adds_are_recorded_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = Recorded::default();
    generate(dir.path(), Kind::Ecdsa).unwrap();
    // A key of another kind is an identity too: none is added to it.
    assert_eq!(ensure(dir.path(), &store).await.unwrap().len(), 1);
    generate(dir.path(), Kind::Ed25519).unwrap();
    let keys = ensure(dir.path(), &store).await.unwrap();
    let names: Vec<String> = keys.iter().map(|k| k.algorithm().to_string()).collect();
    assert_eq!(names, ["ssh-ed25519", "ecdsa-sha2-nistp256"]);
    assert_eq!(store.0.lock().len(), 2);
}

#[tokio::test]
async fn a_server_of_one_key_goes_on_with_it_and_takes_a_second_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = Recorded::default();
    let old = generate(dir.path(), Kind::Ed25519).unwrap();
    assert_eq!(
        prints(&ensure(dir.path(), &store).await.unwrap()),
        [fingerprint(&old)]
    );
    assert_eq!(
        prints(&ensure(dir.path(), &store).await.unwrap()),
        [fingerprint(&old)]
    );
    let new = generate(dir.path(), Kind::Ecdsa).unwrap();
    for _ in 0..2 {
        let keys = ensure(dir.path(), &store).await.unwrap();
        assert_eq!(prints(&keys), [fingerprint(&old), fingerprint(&new)]);
    }
}

#[test]
fn only_rsa_is_noticed() {
    assert!(Kind::MADE.iter().all(|kind| notice(&kind.algorithm()).is_none()));
    let notice = notice(&Kind::Rsa.algorithm()).unwrap();
    assert!(notice.contains("RUSTSEC-2023-0071"), "{notice}");
}

#[test]
fn a_key_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let key = generate(dir.path(), Kind::Ed25519).unwrap();
    let error = generate(dir.path(), Kind::Ed25519).unwrap_err().to_string();
    assert!(error.contains("file exists (hint: "), "{error}");
    assert_eq!(prints(&load(dir.path()).unwrap()), [fingerprint(&key)]);
    // Nothing but the two halves is left behind.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn keys_that_others_could_read_or_change_are_refused() {
    for mode in [0o644, 0o640, 0o604, 0o620, 0o602, 0o666] {
        let dir = tempfile::tempdir().unwrap();
        generate(dir.path(), Kind::Ed25519).unwrap();
        let file = Kind::Ed25519.file(dir.path());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let path = file.display();
        let error = load(dir.path()).unwrap_err().to_string();
        // A user other than root is advised to run it as the owner.
        let says = format!("cannot use host key \"{path}\": its mode is {mode:04o} (hint: chmod 600 {path}");
        assert!(error.starts_with(&says), "{error}");
    }
    for mode in [0o600, 0o400] {
        let dir = tempfile::tempdir().unwrap();
        generate(dir.path(), Kind::Ed25519).unwrap();
        let file = Kind::Ed25519.file(dir.path());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(load(dir.path()).unwrap().len(), 1);
    }
}

#[test]
fn a_key_of_another_owner_is_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("*** SKIPPED: giving a file away needs root ***");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), Kind::Ed25519).unwrap();
    std::os::unix::fs::chown(Kind::Ed25519.file(dir.path()), Some(12345), None).unwrap();
    let error = load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("it belongs to user 12345"), "{error}");
}

#[test]
fn what_is_no_usable_key_is_refused_with_its_reason() {
    let check = |content: &[u8], expected: &str| {
        let dir = tempfile::tempdir().unwrap();
        let file = Kind::Ed25519.file(dir.path());
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(b"", "it is not an OpenSSH private key");
    check(b"garbage", "it is not an OpenSSH private key");
    check(
        b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n",
        "it is not in OpenSSH's format (hint: rewrite it",
    );
    let key = random(Kind::Ed25519).unwrap();
    let pem = key.to_openssh(ssh_key::LineEnding::LF).unwrap();
    check(
        &pem.as_bytes()[..pem.len() / 2],
        "it is not an OpenSSH private key",
    );
    let locked = key.encrypt(&mut UnwrapErr(SysRng), "secret").unwrap();
    let locked = locked.to_openssh(ssh_key::LineEnding::LF).unwrap();
    check(locked.as_bytes(), "it is protected by a passphrase");
    let small = RsaKeypair::random(&mut UnwrapErr(SysRng), 1024);
    if let Ok(small) = small {
        let small = PrivateKey::new(KeypairData::Rsa(small), "").unwrap();
        check(
            small.to_openssh(ssh_key::LineEnding::LF).unwrap().as_bytes(),
            "it is an RSA key of 1024 bits",
        );
    }
}

#[test]
fn openssh_reads_what_is_made_and_we_read_what_openssh_makes() {
    let dir = tempfile::tempdir().unwrap();
    let key = generate(dir.path(), Kind::Ecdsa).unwrap();
    let file = Kind::Ecdsa.file(dir.path());
    let keygen = |arguments: &[&str]| Command::new("ssh-keygen").args(arguments).output();
    let Ok(shown) = keygen(&["-lf", file.to_str().unwrap()]) else {
        return; // A machine without OpenSSH.
    };
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&fingerprint(&key)), "{shown}");

    let file = Kind::Rsa.file(dir.path());
    let made = keygen(&[
        "-q",
        "-t",
        "rsa",
        "-b",
        "2048",
        "-N",
        "",
        "-f",
        file.to_str().unwrap(),
    ])
    .unwrap();
    assert!(made.status.success());
    let shown = String::from_utf8(keygen(&["-lf", file.to_str().unwrap()]).unwrap().stdout).unwrap();
    let keys = load(dir.path()).unwrap();
    assert!(shown.contains(&fingerprint(&keys[1])), "{shown}");
}
