//! Tests the files of other servers.

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
fn a_dump_of_sftpgo() {
    let dump = serde_json::json!({
        "version": 17,
        "folders": [
            { "id": 1, "name": "public", "mapped_path": "/srv/exchange/public", "filesystem": { "provider": 0 } },
            { "name": "bucket", "mapped_path": "", "filesystem": { "provider": 1 } },
        ],
        "groups": [{
            "name": "customers", "description": "all of them",
            "user_settings": {
                "quota_size": 1024, "max_sessions": 4, "permissions": { "/": ["list", "download"] },
                "filesystem": { "provider": 0 },
            },
            "virtual_folders": [{ "name": "public", "virtual_path": "/public", "quota_size": -1 }],
        }],
        "users": [
            {
                "id": 1, "status": 1, "username": "acme", "description": "ACME", "expiration_date": 1_893_456_000_000_i64,
                "password": HASH, "public_keys": [KEY, "ssh-dss AAAA"], "home_dir": "/srv/exchange/acme",
                "uid": 0, "gid": 0, "max_sessions": 2, "quota_size": 0, "quota_files": 100,
                "permissions": { "/": ["list", "download", "chmod", "chtimes", "chown"], "/in": ["*"] },
                "upload_bandwidth": 128, "download_bandwidth": 0,
                "filters": { "allowed_ip": ["10.0.0.0/8"], "denied_ip": ["10.1.0.0/16"],
                    "denied_login_methods": ["password", "keyboard-interactive"],
                    "totp_config": { "enabled": true, "secret": { "payload": "hidden" } } },
                "filesystem": { "provider": 0 },
                "virtual_folders": [
                    { "name": "public", "virtual_path": "/shared" },
                    { "name": "bucket", "virtual_path": "/bucket" },
                ],
                "groups": [{ "name": "customers", "type": 1 }, { "name": "others", "type": 2 }],
            },
            { "username": "cloud", "status": 1, "filesystem": { "provider": 1, "s3config": { "bucket": "b" } } },
            { "username": "gone", "status": 0, "permissions": { "/": ["*"] }, "home_dir": "/srv/elsewhere/gone" },
        ],
    });
    let imported = sftpgo::import(&dump.to_string(), &installation()).unwrap();
    assert_eq!(names(&imported), ["acme", "gone"]);
    let acme = user(&imported, "acme");
    assert_eq!(
        acme.group.as_ref().map(ToString::to_string).as_deref(),
        Some("customers")
    );
    let rules = acme.settings.permissions.as_ref().unwrap();
    assert_eq!(
        rules.to_string().split(' ').next(),
        Some("/=list,read,attributes")
    );
    assert_eq!(acme.settings.max_sessions, Some(2.into()));
    assert_eq!(acme.settings.quota_bytes, None);
    assert_eq!(acme.settings.rates.up.as_number(), Some(128 * 1024));
    assert_eq!(acme.settings.require.as_ref().map(|set| set.len()), Some(1));
    assert_eq!(
        acme.expires_at.map(|at| at.to_string()).as_deref(),
        Some("2030-01-01T00:00:00Z")
    );
    let group = &imported.declaration.groups[0].record;
    assert_eq!(group.settings.folders.len(), 1);
    assert_eq!(imported.declaration.folders.len(), 1);
    let gone = user(&imported, "gone");
    assert_eq!(gone.enabled, Some(false));
    assert!(gone.settings.quota_bytes.is_some(), "0 is unlimited there");
    says(
        &imported,
        &[
            "cloud: the files are on S3",
            "folder bucket: the files are on S3",
            "acme: the permission chown",
            "acme: denied_ip",
            "acme: the one-time codes",
            "acme: the folder public at /shared",
            "acme: the folder bucket",
            "acme: the group others",
            "acme: cannot use this public key",
            "gone: the files: ",
        ],
    );
    let error = sftpgo::import("[1", &installation()).unwrap_err().to_string();
    assert!(error.contains("line 1"), "{error}");
}
