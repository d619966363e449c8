//! Tests the files of other servers.

mod sftpgo_dump;

use super::passwd::SystemFiles;
use super::*;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMd6xXnVT1S/yCl4qB7po332lDM7TUEWm0vjYEfkxSE9 calvin@box";
const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RkJhbmFuYWJhbmFuYWJhbmFuYWJhbmFuYWJhbmFuYWE";

fn installation() -> Installation {
    let mut installation = Installation::default();
    installation.storage.homes = "/srv/homes".into();
    installation.storage.roots = vec!["/srv/exchange".into()];
    installation
}

fn names(imported: &Imported) -> Vec<&str> {
    let users = &imported.declaration.users;
    users.iter().map(|user| user.record.name.as_str()).collect()
}

fn user<'a>(imported: &'a Imported, name: &str) -> &'a DeclaredUser {
    let mut users = imported.declaration.users.iter().map(|user| &user.record);
    users.find(|user| user.name.as_str() == name).unwrap()
}

fn says(imported: &Imported, expected: &[&str]) {
    for text in expected {
        assert!(
            imported.left_out.iter().any(|line| line.contains(text)),
            "{text}: {:#?}",
            imported.left_out
        );
    }
}

#[test]
fn accounts_of_a_system() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("calvin"),
        format!("# mine\n{KEY}\nssh-dss AAAA old\n"),
    )
    .unwrap();
    let passwd = "root:x:0:0:root:/root:/bin/bash\n\
        calvin:x:1000:1000:Calvin,Room 1,,:/srv/exchange/calvin:/bin/bash\n\
        tom:x:1001:1001::/home/tom:/usr/sbin/nologin\n\
        eve:x:1002:1002::/home/eve:/bin/sh\n\
        new:x:1003:1003::/home/new:/bin/sh\n\
        nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
        broken\n";
    let shadow = format!(
        "root:*:19000:0:99999:7:::\ncalvin:{HASH}:19000:0:99999:7::20000:\ntom:!{HASH}:19000:0:99999:7:::\n\
         eve:$1$abc$KGHDzrbmNrdcxGmsSyLEo/:19000::::::\n"
    );
    let keys = format!("{}/%u", dir.path().display());
    let files = SystemFiles {
        passwd,
        shadow: Some(&shadow),
        keys: Some(&keys),
    };
    let imported = passwd::import(files, &installation());
    assert_eq!(names(&imported), ["calvin", "eve", "new", "tom"]);
    let calvin = user(&imported, "calvin");
    assert_eq!((calvin.comment.as_str(), calvin.keys.len()), ("Calvin", 1));
    assert!(matches!(&calvin.password, DeclaredPassword::Hash(hash) if hash.as_phc() == HASH));
    assert_eq!(calvin.home.as_deref(), Some(Path::new("/srv/exchange/calvin")));
    assert_eq!(
        calvin.expires_at.map(|at| at.to_string()).as_deref(),
        Some("2024-10-04T00:00:00Z")
    );
    assert!(matches!(user(&imported, "tom").password, DeclaredPassword::Keep));
    says(
        &imported,
        &[
            "root: an account of the system (uid 0)",
            "tom: the password, because it is locked",
            "tom: the files: ",
            "new: the password: the file of --shadow has no line for this name",
            "nobody: an account of the system (uid 65534)",
            "line 7: it is not a line of passwd",
            "calvin: the key in line 3 of ",
        ],
    );
    assert!(!imported.left_out.iter().any(|line| line.contains("c29tZXNhbHQ")));
}

#[test]
fn what_passwd_and_shadow_have_alone_is_named() {
    let passwd = "root:x:0:0::/root:/bin/sh\na:x:1000:100::/:/bin/sh\nb:x:1001:100::/:/bin/sh\nc:x:1002:1002::/:/bin/sh\n";
    let mut files = SystemFiles {
        passwd,
        shadow: None,
        keys: None,
    };
    let imported = passwd::import(files, &installation());
    says(
        &imported,
        &[
            "a: the password, which is not in this file: name the one that has it with --shadow",
            "gid 100: the primary group of a, b: files here get the group of the server's process (for this one: homeportd \
             user set NAME --file-group 100)",
        ],
    );
    assert!(!imported.left_out.iter().any(|line| line.starts_with("gid 1002")));
    assert!(!imported.left_out.iter().any(|line| line.starts_with("--shadow")));

    let ghosts: String = (0..7).map(|at| format!("ghost{at}:*:1::::::\n")).collect();
    let shadow = format!("root:*:1::::::\n{ghosts}a:*:1::::::\nbroken\n");
    files.shadow = Some(&shadow);
    let imported = passwd::import(files, &installation());
    says(
        &imported,
        &[
            "--shadow line 10: it is not a line of shadow",
            "--shadow: the lines of ghost0, ghost1, ghost2, ghost3, ghost4 and 2 more: passwd has no account of that name",
        ],
    );
    assert!(
        !imported
            .left_out
            .iter()
            .any(|line| line.contains("root: the lines"))
    );
}

#[test]
fn users_of_the_container() {
    let text = format!(
        "# comment\nfoo:123:1001:100\nbar:abc:1002\nbaz:{HASH}:e:1003:100:upload,share\nonly::1004\nbroken\n\
         more:{HASH}:1005:100:in:rest\n"
    );
    let imported = atmoz::import(&text, &installation());
    assert_eq!(names(&imported), ["bar", "baz", "foo", "more", "only"]);
    let plain = |name: &str| match &user(&imported, name).password {
        DeclaredPassword::Plain(password) => password.reveal().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!((plain("foo"), plain("bar")), ("123".to_owned(), "abc".to_owned()));
    assert!(matches!(
        &user(&imported, "baz").password,
        DeclaredPassword::Hash(_)
    ));
    says(
        &imported,
        &[
            "foo: the uid 1001",
            "foo: the gid 100",
            "baz: the directory upload",
            "baz: the directory share",
            "only: the user has neither a password nor a key",
            "line 6: it has no password field",
            "more: rest: a line has no fields behind the directories",
        ],
    );
    // Without `:e` it is the password itself there, too.
    assert_eq!(plain("more"), HASH);
    let warnings = &imported.declaration.warnings;
    assert!(
        warnings.iter().any(|warning| warning
            .to_string()
            .starts_with("more: the password is imported as it is")),
        "{warnings:?}"
    );
}

#[test]
fn an_account_whose_expiry_is_not_a_time_is_disabled() {
    let check = |day: &str, expected: (Option<&str>, Option<bool>)| {
        let shadow = format!("tom:{HASH}:19000:0:99999:7::{day}:\n");
        let files = SystemFiles {
            passwd: "tom:x:1000:1000::/home/tom:/bin/sh\n",
            shadow: Some(&shadow),
            keys: None,
        };
        let imported = passwd::import(files, &installation());
        let tom = user(&imported, "tom");
        let expires = tom.expires_at.map(|at| at.to_string());
        assert_eq!((expires.as_deref(), tom.enabled), expected, "{day}");
        let named = imported
            .left_out
            .iter()
            .any(|line| line.starts_with("tom: the expiry of day "));
        assert_eq!(named, tom.enabled == Some(false), "{:?}", imported.left_out);
    };
    check("", (None, None));
    check("-1", (None, None));
    check("20000", (Some("2024-10-04T00:00:00Z"), None));
    for passed in ["0", "-2", "-9999999999"] {
        check(passed, (Some("1970-01-01T00:00:00Z"), None));
    }
    for unknown in [
        "soon",
        "99999999999999",
        "9223372036854775807",
        "99999999999999999999",
    ] {
        check(unknown, (None, Some(false)));
    }
}

#[test]
fn plain_passwords_are_held_against_the_rules() {
    let mut installation = installation();
    installation.password_rules.min_length = 10;
    let longest = "long ".repeat(204) + "pass";
    assert_eq!(longest.len(), password::MAX_PASSWORD);
    let text = format!(
        "short:xK7-tB2m:1001\ncommon:Welcome2026!\nname:name123456\ngood:several good words\n\
         longest:{longest}\ntoolong:{longest}!\nbinary:some \u{fffd}\u{fffd} words\n"
    );
    let imported = atmoz::import(&text, &installation);
    assert_eq!(
        names(&imported),
        ["binary", "common", "good", "longest", "name", "short", "toolong"]
    );
    for name in ["short", "common", "name", "good", "longest"] {
        let password = &user(&imported, name).password;
        assert!(matches!(password, DeclaredPassword::Plain(_)), "{name}");
    }
    for name in ["toolong", "binary"] {
        let password = &user(&imported, name).password;
        assert!(matches!(password, DeclaredPassword::Keep), "{name}");
    }
    says(
        &imported,
        &[
            "toolong: the password: it is longer than 1024 bytes",
            "toolong: the user has neither a password nor a key",
            "binary: the password: it is not UTF-8",
        ],
    );
    let warnings: Vec<String> = imported
        .declaration
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect();
    let expected = [
        ("short", "it has fewer than 10 characters"),
        ("common", "it is a variation of a common password"),
        ("name", "it is the user's name, perhaps with digits"),
    ];
    let expected = expected.map(|(name, why)| {
        format!(
            "{name}: the password is imported, but breaks a rule of [auth.password]: {why} (hint: give the user a better \
             one: homeportd user passwd {name})"
        )
    });
    assert_eq!(warnings, expected);
}

#[test]
fn a_file_without_users_is_an_error_unless_it_says_so() {
    let installation = installation();
    let passwd = |text: &str| {
        let files = SystemFiles {
            passwd: text,
            shadow: None,
            keys: None,
        };
        passwd::import(files, &installation)
    };
    let check = |imported: Imported, why: &str, expected: &str| {
        let error = imported.has_users(Path::new("f"), expected).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("there are no users to import in \"f\": {why} (hint: the file must have {expected})")
        );
    };
    let (nothing, all) = ("nothing in it is a user", "all that is in it is left out");
    let junk = String::from_utf8_lossy(&[0x7f, b'E', b'L', b'F', 2, 1, 0xff, b'\n', 0, b'\n']).into_owned();
    check(passwd(""), nothing, passwd::EXPECTED);
    check(passwd("# no account\n\n"), nothing, passwd::EXPECTED);
    check(passwd("root:x:0:0:root:/root:/bin/sh\n"), all, passwd::EXPECTED);
    check(passwd(&junk), all, passwd::EXPECTED);
    check(atmoz::import("", &installation), nothing, atmoz::EXPECTED);
    check(
        atmoz::import("# foo:123\n", &installation),
        nothing,
        atmoz::EXPECTED,
    );
    check(atmoz::import(&junk, &installation), all, atmoz::EXPECTED);
    check(atmoz::import("{}", &installation), all, atmoz::EXPECTED);
    let dump = |text: &str| sftpgo::import(text, &installation).unwrap();
    check(dump(r#"{"users": [{"username": "a b"}]}"#), all, sftpgo::EXPECTED);
    for empty in [
        r#"{"users": []}"#,
        r#"{"users": [], "groups": null, "version": 17}"#,
        r#"{"groups": [{"name": "g"}]}"#,
    ] {
        let imported = dump(empty);
        assert!(
            !imported.has_users(Path::new("f"), sftpgo::EXPECTED).unwrap(),
            "{empty}"
        );
    }
    let some = dump(r#"{"users": [{"username": "a"}]}"#);
    assert!(some.has_users(Path::new("f"), sftpgo::EXPECTED).unwrap());
}

#[test]
fn what_is_not_a_dump_is_refused() {
    let check = |text: &str, why: &str| {
        let error = sftpgo::import(text, &installation()).unwrap_err().to_string();
        let expected = format!("this is not a dump of SFTPGo: {why}");
        assert!(error.starts_with(&expected), "{text}: {error}");
        assert!(
            error.contains("(hint: the file must have the JSON that SFTPGo dumps"),
            "{error}"
        );
    };
    let none = "it has none of \"users\", \"groups\" and \"folders\"";
    check("{}", none);
    check("{\"version\": 17, \"admins\": []}", none);
    check("[]", "it is not a JSON object");
    check("[[{\"username\": \"tom\"}]]", "it is not a JSON object");
    check("", "line 1, column 0 is not JSON of this form");
    check("tom:x:1000", "line 1, column ");
    check("{\"users\": 1}", "line 1, column ");
    check("null", "line 1, column ");
    check("\u{0}\u{fffd}", "line 1, column 1 ");
}

#[test]
fn what_no_command_would_store_is_left_out() {
    let rules: Vec<String> = (0..65)
        .map(|number| format!("\"/{number}\": [\"list\"]"))
        .collect();
    let dump = format!(
        r#"{{"groups": [{{"name": "none"}}],
            "users": [{{"username": "tom", "description": "a\nb", "permissions": {{{}}}}}]}}"#,
        rules.join(", ")
    );
    let imported = sftpgo::import(&dump, &installation()).unwrap();
    says(
        &imported,
        &[
            "group none: \"none\" cannot be the name of a group",
            "tom: the comment contains a control character",
            "tom: all permissions: 66 directories",
        ],
    );
    let tom = user(&imported, "tom");
    assert_eq!(tom.comment, "");
    let rules = tom.settings.permissions.as_ref().unwrap();
    assert_eq!(rules.to_string(), "none");
}
