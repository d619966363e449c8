use super::*;
use crate::domain::permission::change::{MOST_FOLDERS, MOST_RULES};
use crate::domain::quota::SessionLimit;
use crate::domain::settings::MemberSettings;
use crate::ops::users_file::declaration::DeclaredPassword;

const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RkJhbmFuYWJhbmFuYWJhbmFuYWJhbmFuYWJhbmFuYWE";

fn read(text: &str) -> Declaration {
    let mut installation = Installation::default();
    installation.storage.homes = "/srv/homes".into();
    installation.storage.roots = vec!["/srv/exchange".into()];
    declaration(
        text.to_owned(),
        Path::new("users.toml"),
        Path::new("/etc/homeport"),
        &installation,
    )
}

fn refused(text: &str) -> String {
    let mut declaration = read(text);
    let mistakes = std::mem::take(&mut declaration.mistakes);
    assert!(!mistakes.is_empty(), "{text}");
    (declaration.refuse)(mistakes).to_string()
}

#[test]
fn a_whole_file_is_read() {
    let text = format!(
        r#"
[groups.customers]
quota_bytes = "10GiB"
max_sessions = 4
folders = {{ public = "list,read" }}
[folders.public]
path = "/srv/exchange/public"
[folders.incoming]
path = "/srv/exchange/incoming"
quota_bytes = "200GiB"
[users."acme@example.com"]
group = "customers"
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMd6xXnVT1S/yCl4qB7po332lDM7TUEWm0vjYEfkxSE9 acme"]
password_hash = "{HASH}"
folders = {{ incoming = "create,list" }}
permissions = {{ "/" = "list,read", "/in" = "create,list" }}
allowed_from = ["10.0.0.0/8"]
require = ["publickey", "password"]
rate_up = "10MiB"
max_sessions = "default"
file_mode = "0640"
expires_at = 2030-01-01
comment = "ACME"
"#
    );
    let read = read(&text);
    assert_eq!(read.mistakes, []);
    let group = &read.groups[0].record;
    assert_eq!(group.settings.quota_bytes, Some(Limit(Some(10 << 30))));
    assert_eq!((read.folders.len(), read.users.len()), (2, 1));
    let user = &read.users[0].record;
    assert_eq!(
        user.group.as_ref().map(ToString::to_string).as_deref(),
        Some("customers")
    );
    assert!(matches!(&user.password, DeclaredPassword::Hash(hash) if hash.as_phc() == HASH));
    assert_eq!(user.keys.len(), 1);
    assert_eq!(user.settings.creation.file_mode, Some(0o640));
    assert_eq!(group.settings.max_sessions, Some(SessionLimit::Limited(4)));
    assert_eq!(user.settings.max_sessions, Some(SessionLimit::Usual));
    assert_eq!(
        user.expires_at.map(|at| at.to_string()).as_deref(),
        Some("2030-01-01T00:00:00Z")
    );
    assert_eq!(read.users[0].references.len(), 2);
}

#[test]
fn two_hundred_mistakes_are_all_told() {
    let mut text = String::new();
    for number in 0..100 {
        text.push_str(&format!(
            "[users.u{number}]\nquota_bytes = \"many\"\nmax_sesions = 4\n"
        ));
    }
    let told = refused(&text);
    for line in 0..100 {
        let (size, name) = (3 * line + 2, 3 * line + 3);
        assert!(
            told.contains(&format!(
                "users.toml:{size}:15: \"quota_bytes\" in [users.u{line}]"
            )),
            "{size}: {told}"
        );
        assert!(
            told.contains(&format!("users.toml:{name}:1: unknown setting \"max_sesions\"")),
            "{name}: {told}"
        );
    }
    assert_eq!(told.matches("did you mean \"max_sessions\"?").count(), 100);
}

#[test]
fn each_mistake_has_its_place() {
    let check = |text: &str, expected: &str| {
        let told = refused(text);
        assert!(told.contains(expected), "{text}\n{told}");
    };
    check(
        "[user.a]",
        "users.toml:1:2: unknown section [user] (hint: did you mean [users.NAME]?)",
    );
    check("[users.\"a b\"]", "users.toml:1:8: \"a b\" is not a user name");
    check(
        "[users.a]\nenabled = 1",
        "users.toml:2:11: \"enabled\" in [users.a]: it must be true or false",
    );
    check("[users.a]\nquota_files = -1", "users.toml:2:15: ");
    check(
        "[users.a]\nmax_sessions = 0",
        "with 0 sessions the user could not sign in",
    );
    check(
        "[users.a]\nkeys = [\"ssh-dss AAAA\"]",
        "users.toml:2:9: \"keys\" in [users.a]: cannot use this public key",
    );
    check("[users.a]\nkeys_file = \"missing\"", "users.toml:2:13: ");
    check(
        "[users.a]\nallowed_from = [\"10.0.0.0/8\", \"x\"]",
        "users.toml:2:31: ",
    );
    check("[users.a]\nrequire = [\"luck\"]", "users.toml:2:12: ");
    check("[users.a]\nhome = \"/etc\"", "\"/etc\" cannot be a home");
    check(
        "[users.a]\npermissions = { \"/\" = \"fly\" }",
        "users.toml:2:23: ",
    );
    check("[users.a]\nfolders = { \"-\" = \"list\" }", "users.toml:2:13: ");
    check(
        "[groups.g]\npermissions = { \"/in\" = \"list\", \"/in/\" = \"read\" }",
        "users.toml:2:15: \"permissions\" in [groups.g]: the permissions of \"/in\" are given twice",
    );
    check("[users.a]\nfile_mode = \"9\"", "users.toml:2:13: ");
    check("[users.a]\nexpires_at = \"soon\"", "users.toml:2:14: ");
    check(
        "[folders.f]\ncomment = \"c\"",
        "users.toml:1:10: [folders.f] needs \"path\"",
    );
    check(
        "[users.a]\ncomment = \"x\n[users.b]\nenabled = 3",
        "users.toml:4:11: ",
    );
}

/// Returns an inline table of permissions for this many names that begin with `start`.
fn permissions_of(start: &str, count: usize) -> String {
    let rules = (0..count).map(|number| format!("\"{start}{number}\" = \"list\""));
    format!("{{ {} }}", rules.collect::<Vec<_>>().join(", "))
}

#[test]
fn there_are_no_more_rules_and_folders_than_a_command_can_give() {
    let check = |text: &str, expected: &str| {
        let told = refused(text);
        assert!(told.contains(expected), "{told}");
    };
    let rules = permissions_of("/", MOST_RULES + 1);
    check(
        &format!("[users.a]\npermissions = {rules}"),
        "users.toml:2:15: \"permissions\" in [users.a]: 65 directories have permissions of their own",
    );
    check(
        &format!("[groups.g]\nfolders = {{ f = {rules} }}"),
        "users.toml:2:17: \"folders\" in [groups.g]: 65 directories have permissions of their own",
    );
    check(
        &format!("[users.a]\nfolders = {}", permissions_of("f", MOST_FOLDERS + 1)),
        "users.toml:2:11: \"folders\" in [users.a]: 257 folders are too many",
    );
    let (rules, folders) = (permissions_of("/", MOST_RULES), permissions_of("f", MOST_FOLDERS));
    let most = read(&format!("[users.a]\npermissions = {rules}\nfolders = {folders}"));
    assert_eq!(most.mistakes, []);
    // A table without a directory says nothing.
    let none = read("[users.a]\npermissions = {}\nfolders = { f = {} }");
    assert_eq!(none.mistakes, []);
    assert_eq!(none.users[0].record.settings, MemberSettings::default());
}

#[test]
fn what_commands_refuse_is_refused() {
    let check = |text: &str, expected: &str| {
        let told = refused(text);
        assert!(told.contains(expected), "{text}\n{told}");
    };
    for section in ["users.a", "groups.a", "folders.a"] {
        check(
            &format!("[{section}]\ncomment = \"a\\nb\""),
            &format!("users.toml:2:11: \"comment\" in [{section}]: the comment contains a control character"),
        );
        check(
            &format!("[{section}]\nfile_group = \"no-such-group\""),
            &format!("users.toml:2:14: \"file_group\" in [{section}]: there is no group \"no-such-group\""),
        );
    }
    check(
        &format!("[users.a]\ncomment = \"{}\"", "c".repeat(1025)),
        "users.toml:2:11: \"comment\" in [users.a]: the comment is too long",
    );
    for word in ["none", "inherit"] {
        check(
            &format!("[groups.{word}]"),
            &format!("users.toml:1:9: \"{word}\" cannot be the name of a group"),
        );
    }
    check(
        "[groups.g]\nrequire = [\"totp\"]",
        "users.toml:2:11: \"require\" in [groups.g]: a one-time code alone is not enough",
    );
    check(
        "[users.a]\nprincipals = [\"ops\", \"a b\"]",
        "users.toml:2:22: \"principals\" in [users.a]: \"a b\" is not a principal",
    );
    check(
        "[users.a]\nmax_sessions = \"00\"",
        "users.toml:2:16: \"max_sessions\" in [users.a]: with 0 sessions",
    );
}

#[test]
fn the_last_line_of_a_key_counts_as_it_does_in_commands() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMd6xXnVT1S/yCl4qB7po332lDM7TUEWm0vjYEfkxSE9";
    let read = read(&format!("[users.a]\nkeys = [\"{key} old\", \"{key} new\"]"));
    assert_eq!(read.mistakes, []);
    assert_eq!(read.users[0].record.keys, [format!("{key} new")]);
}

#[test]
fn no_secret_is_shown() {
    let secret = "Zm9vYmFyYmF6";
    for text in [
        format!("[users.a]\npassword_hash = \"$6$salt${secret}\"\n"),
        format!("[users.a]\npassword_hash = \"{secret}\"\n"),
        format!("[users.a]\npassword_hash = \"$6$salt${secret}\n"),
        format!("[users.a]\npassword_hash = [\"{secret}\"]\n"),
        format!("[users.a]\npassword_hash = '''\n{secret}'''\n"),
        format!("[users]\na = {{ password_hash = \"{secret}\", enabled = 7 }}\n"),
        format!("[users.a]\nkeys = \"$2b$10${secret}\"\n"),
        format!("[users.a]\n\"$2b$10${secret}\" = 1\n"),
    ] {
        let told = refused(&text);
        assert!(!told.contains(secret), "{told}");
    }
    assert!(
        !format!("{:?}", read(&format!("[users.a]\npassword_hash = \"{HASH}\""))).contains("c29tZXNhbHQ")
    );
}

#[test]
fn hints_do_not_name_what_the_caller_refuses() {
    let hint = |hidden: &[&'static str], setting: &str| {
        let text = format!("[users.a]\n{setting} = 1\n");
        let installation = Installation::default();
        let read = declaration_without(hidden, text, Path::new("f"), Path::new("/d"), &installation);
        read.mistakes[0].hint.clone().unwrap()
    };
    assert!(hint(&[], "xyzzy").contains("password_hash"));
    assert_eq!(hint(&[], "password_hsh"), "did you mean \"password_hash\"?");
    for setting in ["xyzzy", "password_hsh"] {
        let hint = hint(&["password_hash", "keys"], setting);
        assert!(
            !hint.contains("password_hash") && !hint.contains("keys,"),
            "{hint}"
        );
    }
}
