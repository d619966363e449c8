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
            "new: the password, which --shadow would have",
            "nobody: an account of the system (uid 65534)",
            "line 7: it is not a line of passwd",
            "calvin: the key in line 3 of ",
        ],
    );
    assert!(!imported.left_out.iter().any(|line| line.contains("c29tZXNhbHQ")));
}

#[test]
fn users_of_the_container() {
    let text = format!(
        "# comment\nfoo:123:1001:100\nbar:abc:1002\nbaz:{HASH}:e:1003:100:upload,share\nonly::1004\nbroken\n"
    );
    let imported = atmoz::import(&text, &installation());
    assert_eq!(names(&imported), ["bar", "baz", "foo", "only"]);
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
        ],
    );
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
            "tom: all permissions: 65 directories",
        ],
    );
    let tom = user(&imported, "tom");
    assert_eq!(tom.comment, "");
    let rules = tom.settings.permissions.as_ref().unwrap();
    assert_eq!(rules.to_string(), "none");
}
