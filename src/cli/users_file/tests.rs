//! Tests files of users on a store: what is planned, applied, exported and imported.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::*;
use crate::cli::fixture::CliFixture;
use crate::cli::grammar::{Cli, Command as Line, ImportFormat, UserCommand};
use crate::domain::user::{PasswordHash, User, UserName};
use crate::ops::users_file::import::atmoz;
use crate::store::{BatchStore as _, FactorStore as _, Store as _};
use clap::Parser as _;

mod export;
mod import;
mod overlaps;

const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RkJhbmFuYWJhbmFuYWJhbmFuYWJhbmFuYWJhbmFuYWE";
const BETTER: &str =
    "$argon2id$v=19$m=19456,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$RkJhbmFuYWJhbmFuYWJhbmFuYWJhbmFuYWJhbmFuYWE";

const FILE: &str = r#"
[groups.customers]
quota_bytes = "10GiB"
folders = { public = "list,read" }
[folders.public]
path = "@/roots/public"
[users.acme]
group = "customers"
permissions = { "/" = "list,read", "/in" = "create,list" }
[users.calvin]
home = "@/roots/calvin"
max_sessions = 3
"#;

#[tokio::test]
async fn the_second_time_nothing_changes() {
    let fixture = CliFixture::new().await;
    let first = fixture.apply(FILE, false).await.unwrap();
    assert_eq!(
        first,
        [
            "+ group customers",
            "+ folder public",
            "+ user acme",
            "+ user calvin"
        ]
    );
    for made in ["server/data/homes/acme", "roots/calvin", "roots/public"] {
        assert!(fixture.dir.path().join(made).is_dir(), "{made}");
    }
    let before = fixture.store.version().await.unwrap();
    assert!(fixture.apply(FILE, true).await.unwrap().is_empty());
    assert_eq!(fixture.store.version().await.unwrap(), before);
    let changed = FILE
        .replace("10GiB", "20GiB")
        .replace("max_sessions = 3", "comment = \"c\"");
    assert_eq!(
        fixture.apply(&changed, false).await.unwrap(),
        [
            "~ group customers: quota_bytes \"10GiB\" -> \"20GiB\"",
            "~ user calvin: comment unset -> \"c\"; max_sessions 3 -> unset"
        ]
    );
    assert_eq!(fixture.user("acme").await.quota().bytes, Some(20 << 30));
}

#[tokio::test]
async fn directories_are_made_with_the_modes_of_their_records() {
    let fixture = CliFixture::new().await;
    let text = r#"
[groups.g]
dir_mode = "0711"
[folders.team]
path = "@/roots/team"
dir_mode = "2750"
[folders.usual]
path = "@/roots/usual"
[users.of_group]
group = "g"
[users.own]
group = "g"
home = "@/roots/own"
dir_mode = "0755"
"#;
    fixture.apply(text, false).await.unwrap();
    for (made, expected) in [
        ("roots/team", 0o2750),
        ("roots/usual", 0o700),
        ("server/data/homes/of_group", 0o711),
        ("roots/own", 0o755),
    ] {
        let mode = fixture.dir.path().join(made).metadata().unwrap().permissions();
        assert_eq!(mode.mode() & 0o7777, expected, "{made}");
    }
}

#[tokio::test]
async fn the_audit_log_has_the_same_of_a_file_and_of_a_command() {
    let mut fixture = CliFixture::new().await;
    let log = fixture.dir.path().join("audit.log");
    std::fs::write(&log, "").unwrap();
    fixture.config.log.audit = Some(log.clone());
    let recorded = || -> Vec<Value> {
        let text = std::fs::read_to_string(&log).unwrap();
        std::fs::write(&log, "").unwrap();
        let line = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            json!([line["what"], line["name"], line["before"], line["after"]])
        };
        text.lines().map(line).collect()
    };
    let file = |settings: [&str; 2]| {
        let [group, folder] = settings;
        format!("[groups.g]\n{group}\n[folders.f]\npath = \"@/roots/f\"\n{folder}\n")
    };
    let (few, many) = (
        [
            "quota_bytes = \"1GiB\"\nfolders = { f = \"list\" }",
            "quota_files = 7",
        ],
        ["max_sessions = 2\ndir_mode = \"0711\"", "comment = \"c\""],
    );
    let commands = [
        vec![
            "folder add f @roots/f --max-files 7",
            "group add g --quota 1GiB --folder f=list",
        ],
        vec![
            "folder set f --max-files unlimited --comment c",
            "group set g --quota inherit --no-folder f --max-sessions 2 --dir-mode 0711",
        ],
        vec!["folder remove f", "group remove g"],
    ];
    let files = [file(few), file(many), String::new()];
    let by_name = |lines: Vec<Value>| -> BTreeMap<String, Value> {
        let named = |line: Value| (line[1].to_string(), line);
        lines.into_iter().map(named).collect()
    };
    let mut of_commands = Vec::new();
    for commands in &commands {
        for command in commands {
            fixture.ok(command).await;
        }
        of_commands.push(by_name(recorded()));
    }
    for (file, expected) in files.iter().zip(of_commands) {
        fixture.apply(file, true).await.unwrap();
        assert_eq!(expected.len(), 2);
        assert_eq!(by_name(recorded()), expected, "{file}");
    }
}

#[tokio::test]
async fn a_new_place_belongs_to_the_server_as_soon_as_a_record_has_something_in_it() {
    let fixture = CliFixture::new().await;
    std::fs::create_dir(fixture.path("roots/there")).unwrap();
    fixture
        .apply("[users.calvin]\nhome = \"@/roots/there\"\n", false)
        .await
        .unwrap();
    assert!(Path::new(&fixture.path("roots/.homeport-store")).exists());
}

#[tokio::test]
async fn directories_that_were_not_made_are_counted() {
    let fixture = CliFixture::new().await;
    std::fs::write(fixture.path("roots/.homeport-store"), "a".repeat(32)).unwrap();
    let not_made = async |text: &str| {
        let declaration = fixture.declaration(text);
        let applied = fixture
            .with_context(&fixture.config, async |context| {
                apply::apply(&declaration, false, context).await
            })
            .await;
        let failed = applied.unwrap().failed;
        assert_eq!(failed.len(), 1, "{failed:?}");
        failed[0].to_string()
    };
    let first = "[users.a]\nhome = \"@/roots/a\"\n".to_owned();
    let one = not_made(&first).await;
    assert!(one.starts_with("1 home or folder was not made: "), "{one}");
    let two = not_made(&(first + "[users.b]\nhome = \"@/roots/b\"\n")).await;
    assert!(two.starts_with("2 homes and folders were not made: "), "{two}");
}

#[tokio::test]
async fn a_name_that_only_older_versions_gave_is_that_of_a_stored_user() {
    let fixture = CliFixture::new().await;
    let text = "[users.\".calvin\"]\ncomment = \"c\"\n";
    let error = fixture.apply(text, false).await.unwrap_err().to_string();
    assert!(
        error.contains("users.toml:1:8: there is no user \".calvin\""),
        "{error}"
    );
    fixture.apply("[users.calvin]\n", false).await.unwrap();
    let old = |user: &mut User| {
        user.name = UserName::stored(".calvin")?;
        Ok(())
    };
    let name = "calvin".parse().unwrap();
    fixture.store.change_user(&name, Box::new(old)).await.unwrap();
    assert_eq!(
        fixture.apply(text, true).await.unwrap(),
        ["~ user .calvin: comment unset -> \"c\""]
    );
    let exported = fixture.export().await;
    assert!(
        fixture.apply(&exported, true).await.unwrap().is_empty(),
        "{exported}"
    );
}

#[tokio::test]
async fn only_prune_removes_what_the_file_does_not_have() {
    let fixture = CliFixture::new().await;
    fixture.apply(FILE, false).await.unwrap();
    let rest = "[users.calvin]\nmax_sessions = 3\n";
    assert!(fixture.apply(rest, false).await.unwrap().is_empty());
    assert_eq!(
        fixture.apply(rest, true).await.unwrap(),
        ["- group customers", "- folder public", "- user acme"]
    );
    assert!(fixture.dir.path().join("server/data/homes/acme").is_dir());
    let records = fixture.store.records().await.unwrap();
    assert_eq!(
        (records.users.len(), records.groups.len(), records.folders.len()),
        (1, 0, 0)
    );
}

#[tokio::test]
async fn one_record_that_fails_takes_back_all() {
    let fixture = CliFixture::new().await;
    fixture
        .apply("[users.tom]\nhome = \"@/roots/x\"\n", false)
        .await
        .unwrap();
    let before = fixture.export().await;
    for (text, told) in [
        ("[users.a]\n[users.b]\nhome = \"@/roots/x/y\"\n", "lies inside"),
        (
            "[users.a]\n[users.b]\nhome = \"@/roots/x\"\nquota_files = 3\n",
            "another quota",
        ),
        (
            "[users.a]\n[users.b]\ngroup = \"missing\"\n",
            "users.toml:3:9: there is no group \"missing\"",
        ),
        (
            "[users.a]\n[users.b]\nfolders = { f = \"all\" }\n",
            "there is no folder \"f\"",
        ),
    ] {
        let error = fixture.apply(text, false).await.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert_eq!(fixture.export().await, before, "{text}");
        assert!(!fixture.dir.path().join("server/data/homes/a").exists());
    }
    // The store itself takes all or nothing, too.
    let records = fixture.store.records().await.unwrap();
    let mut inside = User::blank("b".parse().unwrap());
    inside.home = fixture.path("roots/x/y").into();
    let mut fine = User::blank("a".parse().unwrap());
    fine.home = fixture.path("roots/a").into();
    let writes = [fine, inside].map(|user| crate::store::RecordWrite::AddUser(Box::new(user)));
    assert!(
        fixture
            .store
            .write_records(records.revision, &writes)
            .await
            .is_err()
    );
    assert!(
        !fixture
            .store
            .write_records(records.revision - 1, &writes)
            .await
            .unwrap()
    );
    assert_eq!(fixture.export().await, before);
}

#[tokio::test]
async fn a_hash_of_the_file_is_applied_once() {
    let fixture = CliFixture::new().await;
    let text = format!("[users.calvin]\npassword_hash = \"{HASH}\"\n");
    fixture.apply(&text, false).await.unwrap();
    let user = fixture.user("calvin").await;
    assert!(user.password_set_at.is_some());
    // A sign-in hashes the password anew.
    let better = PasswordHash::new(BETTER.to_owned());
    assert!(fixture.store.replace_hash(&user, &better).await.unwrap());
    assert!(fixture.apply(&text, false).await.unwrap().is_empty());
    assert_eq!(fixture.user("calvin").await.password_hash, Some(better));
    // Without a hash the password stays; another hash is applied, and never shown.
    assert!(fixture.apply("[users.calvin]\n", false).await.unwrap().is_empty());
    let other = text.replace("c29t", "d29t");
    assert_eq!(
        fixture.apply(&other, false).await.unwrap(),
        ["~ user calvin: password_hash changed"]
    );
    let none = "[users.calvin]\npassword_hash = \"none\"\n";
    assert_eq!(
        fixture.apply(none, false).await.unwrap(),
        ["~ user calvin: password_hash set -> unset"]
    );
    assert!(fixture.user("calvin").await.password_hash.is_none());
}

#[tokio::test]
async fn what_the_store_had_already_is_applied_once_too() {
    let fixture = CliFixture::new().await;
    fixture.apply("[users.calvin]\n", false).await.unwrap();
    let hash = PasswordHash::new(HASH.to_owned());
    let set = hash.clone();
    let change = move |user: &mut User| {
        user.password_hash = Some(set.clone());
        Ok(())
    };
    let name: UserName = "calvin".parse().unwrap();
    fixture.store.change_user(&name, Box::new(change)).await.unwrap();
    let text = format!("[users.calvin]\npassword_hash = \"{HASH}\"\n");
    assert!(fixture.apply(&text, false).await.unwrap().is_empty());
    let user = fixture.user("calvin").await;
    let better = PasswordHash::new(BETTER.to_owned());
    assert!(fixture.store.replace_hash(&user, &better).await.unwrap());
    assert!(fixture.apply(&text, false).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_the_file_leaves_out_about_an_account_stays() {
    let fixture = CliFixture::new().await;
    fixture
        .apply("[users.calvin]\nhome = \"@/roots/c\"\nenabled = false\n", false)
        .await
        .unwrap();
    assert!(fixture.apply("[users.calvin]\n", false).await.unwrap().is_empty());
    assert_eq!(
        fixture
            .apply("[users.calvin]\nenabled = true\n", false)
            .await
            .unwrap(),
        ["~ user calvin: enabled false -> unset"]
    );
}

#[tokio::test]
async fn a_preview_changes_nothing() {
    let fixture = CliFixture::new().await;
    let declaration = fixture.declaration(FILE);
    let plan = apply::preview(&declaration, false, &fixture.config.installation())
        .await
        .unwrap();
    assert_eq!(plan.changes.len(), 4);
    assert!(fixture.store.users().await.unwrap().is_empty());
    assert!(!fixture.dir.path().join("roots/calvin").exists());
    assert_eq!(summary(&plan.changes, true), "4 would be added");
}

#[tokio::test]
async fn imported_users_are_applied_like_declared_ones() {
    let fixture = CliFixture::new().await;
    let installation = fixture.config.installation();
    let imported = atmoz::import("foo:123:1001:100\nbar:abc\n", &installation);
    let declaration = &imported.declaration;
    assert_eq!(
        fixture.apply_declaration(declaration, false).await.unwrap(),
        ["+ user bar", "+ user foo"]
    );
    // The password is the same, although it would have another hash.
    assert!(
        fixture
            .apply_declaration(declaration, false)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(imported.left_out.len(), 2, "{:?}", imported.left_out);
}

#[test]
fn the_options_of_an_import_are_understood() {
    let line = "homeportd user import --from passwd /etc/passwd --shadow s --keys /k/%u --plan --json";
    let cli = Cli::try_parse_from(line.split(' ')).unwrap();
    let Line::User(UserCommand::File(UsersFileCommand::Import(args))) = cli.command else {
        panic!("{line}")
    };
    assert!(args.plan.plan && args.plan.json && args.from == ImportFormat::Passwd);
    assert!(Cli::try_parse_from("homeportd user import --from else f".split(' ')).is_err());
}
