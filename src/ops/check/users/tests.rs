use super::*;
use crate::domain::user::{Limit, User};

/// An installation with this directory of homes.
fn installation(homes: &Path) -> Installation {
    let mut installation = Installation::default();
    installation.storage.homes = homes.to_owned();
    installation.store.path = "/nowhere/data/homeport.db".into();
    installation.host_keys = "/nowhere/hostkeys".into();
    installation.config_file = "/nowhere/homeportd.toml".into();
    installation
}

fn user(name: &str, home: PathBuf) -> User {
    let mut user = User::blank(name.parse().unwrap());
    user.home = home;
    user.password_hash = Some(crate::domain::user::PasswordHash::new(
        "$argon2id$v=19$m=19456,t=2,p=1$aG9tZXBvcnQtZHVtbXkhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            .into(),
    ));
    user
}

/// CPU time of this thread so far, in nanoseconds.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn ten_times_the_users_are_ten_times_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let homes = dir.path().canonicalize().unwrap();
    let installation = installation(&homes);
    // As many checks as make 30,000 users in all: some kernels count CPU time in ticks of tens of milliseconds.
    let cost = |count: usize| {
        let users: Vec<User> = (0..count)
            .map(|n| user(&format!("u{n}"), homes.join(format!("u{n}"))))
            .collect();
        let before = cpu();
        for _ in 0..30_000 / count {
            let mut report = Report::default();
            check(&installation, &users, &mut report);
            assert_eq!(report.warnings.len(), count);
        }
        cpu() - before
    };
    let (few, many) = (cost(1000), cost(10_000));
    assert!(
        many < 4 * few,
        "30,000 users, 1,000 at a time: {few} ns of CPU, 10,000 at a time: {many} ns"
    );
}

#[test]
fn homes_that_lie_in_each_other_are_found_by_sorting() {
    let check = |homes: &[(&str, &str)], expected: &[&str]| {
        let users: Vec<User> = homes
            .iter()
            .map(|(name, home)| user(name, PathBuf::from(home)))
            .collect();
        let places: Vec<PathBuf> = users.iter().map(|user| user.home.clone()).collect();
        let mut report = Report::default();
        check_overlaps(&users, &places, &mut report);
        assert_eq!(report.errors.len(), expected.len(), "{report:?}");
        for (error, expected) in report.errors.iter().zip(expected) {
            assert!(error.contains(expected), "{error}");
        }
    };
    // Names that begin alike are not inside one another.
    check(
        &[
            ("a", "/h/a"),
            ("b", "/h/a-b"),
            ("c", "/h/a b"),
            ("d", "/h/ab"),
            ("e", "/h/a.b"),
        ],
        &[],
    );
    check(
        &[("a", "/h/a/x/y"), ("b", "/h/a-b"), ("c", "/h/a")],
        &["users c and a lie"],
    );
    check(
        &[
            ("a", "/h/a"),
            ("b", "/h/a/b"),
            ("c", "/h/a/b/c"),
            ("d", "/h/a/d"),
            ("e", "/h/e"),
        ],
        &["users a and b lie", "users b and c lie", "users a and d lie"],
    );
    check(&[("a", "/h/a"), ("b", "/h/a")], &[]);
    check(
        &[("a", "/h/a"), ("b", "/h/a"), ("c", "/h/a/c")],
        &["users a and c lie"],
    );
}

#[test]
fn users_of_one_home_have_one_quota() {
    let mut users = vec![user("a", "/h/a".into()), user("b", "/h/a".into())];
    users[1].settings.quota_bytes = Some(Limit(Some(1)));
    let places: Vec<PathBuf> = users.iter().map(|user| user.home.clone()).collect();
    let mut report = Report::default();
    check_overlaps(&users, &places, &mut report);
    assert!(
        report.errors[0].contains("users a and b share a home"),
        "{report:?}"
    );
}

#[test]
fn who_cannot_sign_in_is_named() {
    let mut report = Report::default();
    let mut odd = user("odd", "/h/odd".into());
    odd.password_hash = Some(crate::domain::user::PasswordHash::new("$argon2id$x".into()));
    sign_in(&odd, false, &mut report);
    assert!(
        report.errors[0]
            .starts_with("user odd cannot sign in with a password: cannot use this password hash"),
        "{report:?}"
    );
    assert!(
        report.errors[0].ends_with("(hint: homeportd user passwd odd)"),
        "{report:?}"
    );
    let mut none = user("none", "/h/none".into());
    none.settings.max_sessions = Some(0.into());
    sign_in(&none, false, &mut report);
    assert!(
        report.warnings[0].contains("0 sessions are allowed"),
        "{report:?}"
    );
}

#[test]
fn hashes_of_other_systems_are_counted_by_their_scheme() {
    let mut installation = installation(Path::new("/h"));
    let check = |installation: &Installation, hashes: &[&str], expected: &[&str]| {
        let users = hashes.iter().enumerate().map(|(n, hash)| {
            let mut user = user(&format!("u{n}"), format!("/h/u{n}").into());
            user.password_hash = Some(crate::domain::user::PasswordHash::new((*hash).to_owned()));
            user
        });
        let mut report = Report::default();
        check_passwords(installation, &users.collect::<Vec<_>>(), &mut report);
        assert_eq!(report.warnings, expected);
        assert!(report.errors.is_empty(), "{report:?}");
    };
    let (argon2, md5) = (
        "$argon2id$v=19$m=8,t=1,p=1$x$y",
        "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1",
    );
    check(&installation, &[argon2, "$nonsense"], &[]);
    check(
        &installation,
        &[argon2, md5],
        &[
            "1 user has a password hash of another system: md5-crypt 1 (it is replaced when the user signs in)",
        ],
    );
    check(
        &installation,
        &[md5, argon2, "$2b$x", md5, "$2y$x", "$2a$x"],
        &[
            "5 users have password hashes of other systems: bcrypt 3, md5-crypt 2 (they are replaced when the users sign in)",
        ],
    );
    installation.password_rules = toml::from_str("max_age = '90d'").unwrap();
    check(
        &installation,
        &[argon2],
        &[
            "max_age in [auth.password] does not apply to 1 password whose age is not known (hint: homeportd user passwd NAME \
             sets a new one)",
        ],
    );
}

#[test]
fn a_home_that_cannot_be_made_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    let check = |homes: PathBuf, expected: &str| {
        let mut report = Report::default();
        check(&installation(&homes), &[user("u", homes.join("u"))], &mut report);
        let all = [report.errors, report.warnings].concat().join("\n");
        assert!(all.contains(expected), "{all}");
    };
    check(root.clone(), "is missing (the server makes it at sign-in)");
    check(root.join("none"), "is missing, and the server cannot make it");
    check(root.join("file"), "not a directory");
}
