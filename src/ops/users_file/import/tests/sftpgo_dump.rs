//! Tests a dump of the form that SFTPGo 2.7 writes: all fields of a user, a group and a folder, also those that are not
//! read.

use std::collections::BTreeSet;

use super::*;
use crate::domain::folder::FolderName;
use crate::domain::quota::Limit;
use crate::domain::settings::MemberSettings;
use crate::domain::user::Factor;

const DUMP: &str = include_str!("sftpgo-17.json");

fn dump() -> Imported {
    sftpgo::import(DUMP, &installation()).unwrap()
}

/// Returns the rules of a home, or of a folder.
fn rules(settings: &MemberSettings, folder: Option<&str>) -> String {
    let rules = match folder {
        None => settings.permissions.as_ref(),
        Some(folder) => settings.folders.get(&folder.parse::<FolderName>().unwrap()),
    };
    rules.map(ToString::to_string).unwrap_or_default()
}

fn folders(settings: &MemberSettings) -> Vec<&str> {
    settings.folders.keys().map(|name| name.as_str()).collect()
}

const ALL: &str = "list,read,create,overwrite,delete,rename,mkdir,attributes,link";

#[test]
fn users_of_sftpgo() {
    let imported = dump();
    assert_eq!(names(&imported), ["acme", "bob", "key", "old", "web"]);
    let acme = user(&imported, "acme");
    let time = |user: &DeclaredUser| user.expires_at.map(|at| at.to_string()).unwrap_or_default();
    assert_eq!((acme.comment.as_str(), acme.enabled), ("ACME", Some(true)));
    assert_eq!(time(acme), "2030-01-01T00:00:00Z");
    assert!(matches!(&acme.password, DeclaredPassword::Hash(hash) if hash.as_phc() == HASH));
    assert_eq!(acme.keys.len(), 1);
    assert_eq!(acme.settings.max_sessions, Some(2.into()));
    assert_eq!(acme.settings.rates.up.as_number(), Some(128 * 1024));
    assert_eq!(acme.settings.rates.down.as_number(), None);
    let bob = user(&imported, "bob");
    assert!(matches!(&bob.password, DeclaredPassword::Hash(hash) if hash.as_phc().starts_with("$2a$")));
    assert_eq!(bob.home.as_deref(), Some(Path::new("/srv/exchange/homes/bob")));
    assert_eq!(time(bob), "");
    // 0 is unlimited there, and what is unset here is the server's.
    let limits = (bob.settings.quota_bytes, bob.settings.quota_files);
    assert_eq!(limits, (Some(Limit(None)), Some(Limit(None))));
    assert_eq!(rules(&bob.settings, None), ALL);
    assert_eq!(rules(&bob.settings, Some("team")), ALL);
    let old = user(&imported, "old");
    assert_eq!(old.enabled, Some(false));
    assert_eq!(
        time(old),
        "2023-12-14T22:13:20Z",
        "30 days after its creation, by its group"
    );
}

#[test]
fn what_a_primary_group_says_comes_first_where_it_does_there() {
    let imported = dump();
    let acme = user(&imported, "acme");
    let group = acme.group.as_ref().map(ToString::to_string);
    assert_eq!(group.as_deref(), Some("customers"));
    // The group's home and its permissions in the root are those of the members, as are paths with their names.
    assert_eq!(
        acme.home.as_deref(),
        Some(Path::new("/srv/exchange/customers/acme"))
    );
    assert_eq!(
        rules(&acme.settings, None),
        format!("/acme={ALL} /in=list,create,attributes")
    );
    // Their own numbers come before those of the group, and addresses are joined.
    assert_eq!(acme.settings.quota_bytes, None);
    assert_eq!(acme.settings.quota_files, Some(Limit(Some(100))));
    assert_eq!(acme.settings.allowed_from.as_ref().map(Vec::len), Some(2));
    let old = user(&imported, "old");
    assert_eq!(
        (&old.settings.allowed_from, &old.settings.require),
        (&None, &None)
    );
    assert_eq!(rules(&old.settings, None), format!("/old={ALL}"));
    let group = imported.declaration.groups.iter().map(|group| &group.record);
    let group = group
        .clone()
        .find(|group| group.name.as_str() == "customers")
        .unwrap();
    assert_eq!(group.settings.quota_bytes, Some(Limit(Some(1024))));
    assert_eq!(group.settings.quota_files, Some(Limit(None)));
    assert_eq!(group.settings.max_sessions, Some(4.into()));
    assert_eq!(rules(&group.settings, None), "list,read");
}

#[test]
fn folders_of_sftpgo() {
    let imported = dump();
    let acme = &user(&imported, "acme").settings;
    assert_eq!(folders(acme), ["team"], "the other one comes from the group");
    assert_eq!(rules(acme, Some("team")), "/=list,read /done=list,read");
    let groups = imported.declaration.groups.iter().map(|group| &group.record);
    let customers = groups
        .clone()
        .find(|group| group.name.as_str() == "customers")
        .unwrap();
    assert_eq!(folders(&customers.settings), ["public"]);
    assert_eq!(
        rules(&customers.settings, Some("public")),
        "/=list,read /drop=list,create"
    );
    let all = imported.declaration.folders.iter().map(|folder| &folder.record);
    let quotas: Vec<_> = all
        .map(|folder| (folder.name.as_str(), folder.quota.bytes, folder.quota.files))
        .collect();
    assert_eq!(quotas, [("public", None, None), ("team", Some(2_097_152), None)]);
}

#[test]
fn how_users_of_sftpgo_sign_in() {
    let imported = dump();
    let require = |name: &str| user(&imported, name).settings.require.clone();
    let key: BTreeSet<Factor> = [Factor::PublicKey].into();
    let both: BTreeSet<Factor> = [Factor::PublicKey, Factor::Password].into();
    assert_eq!(
        require("acme"),
        Some(key.clone()),
        "a secondary group denies passwords"
    );
    assert_eq!(require("bob"), Some(both));
    assert_eq!(require("key"), Some(key));
    assert_eq!(require("web"), None);
    assert_eq!(user(&imported, "web").enabled, Some(false));
}

#[test]
fn what_has_no_counterpart_is_named() {
    let imported = dump();
    says(
        &imported,
        &[
            "dump: admins (1)",
            "dump: ip_lists (1)",
            "cloud: the files are on Google Cloud Storage",
            "folder bucket: the files are on S3",
            "folder own: its directory differs from user to user",
            "folder public: it counted towards the quota of its users",
            "folder team: its users had different quotas",
            "group clouds: the files are on Google Cloud Storage",
            "group customers: the folder own, which is not carried over",
            "acme: the permission chown",
            "acme: the permissions in /logs/*",
            "acme: denied_ip",
            "acme: file_patterns",
            "acme: the one-time codes",
            "acme: the folder public at /shared",
            "acme: the folder bucket",
            "acme: the group night",
            "acme: the group mail",
            "web: the protocol SSH is denied, so the user is disabled here",
        ],
    );
    assert!(
        !imported.left_out.iter().any(|line| line.contains("hidden")),
        "no secret is shown"
    );
}

#[test]
fn what_no_permission_is_given_for_is_not_permitted() {
    let check = |permissions: &str, expected: &str| {
        let text = format!(r#"{{"users": [{{"username": "tom"{permissions}}}]}}"#);
        let imported = sftpgo::import(&text, &installation()).unwrap();
        assert_eq!(rules(&user(&imported, "tom").settings, None), expected, "{text}");
        let is_named = imported
            .left_out
            .iter()
            .any(|line| line.starts_with("tom: there are no permissions in /"));
        assert_eq!(is_named, expected.contains("none"), "{text}");
    };
    check("", "none");
    check(r#", "permissions": {}"#, "none");
    check(r#", "permissions": {"/in": ["list"]}"#, "/=none /in=list");
    check(r#", "permissions": {"/": ["list"]}"#, "list");
}

#[test]
fn an_end_that_is_not_a_time_disables_the_user() {
    let end = |end: &str| {
        let text = format!(r#"{{"users": [{{"username": "tom", "status": 1, "expiration_date": {end}}}]}}"#);
        let imported = sftpgo::import(&text, &installation()).unwrap();
        let tom = user(&imported, "tom");
        (tom.expires_at.map(|at| at.to_string()), tom.enabled)
    };
    assert_eq!(end("0"), (None, Some(true)));
    let passed = Some("1970-01-01T00:00:00Z".to_owned());
    assert_eq!(end("-99999999999999999"), (passed, Some(true)));
    assert_eq!(end("99999999999999999"), (None, Some(false)));
}

/// A dump of some scopes only has `null` for the others.
#[test]
fn a_dump_of_nothing() {
    let dump = r#"{"users":null,"groups":null,"folders":null,"admins":null,"configs":null,"version":17}"#;
    let imported = sftpgo::import(dump, &installation()).unwrap();
    assert!(names(&imported).is_empty() && imported.left_out.is_empty());
    let error = sftpgo::import("[1", &installation()).unwrap_err().to_string();
    assert!(error.contains("line 1"), "{error}");
}
