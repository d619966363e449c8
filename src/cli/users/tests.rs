use clap::Parser as _;
use serde_json::Value;

use super::*;
use crate::cli::fixture::{CliFixture, KEY};
use crate::domain::user::User;
use crate::store::Store as _;

mod folders;
mod groups;
mod homes;
mod tokens;

#[tokio::test]
async fn what_is_set_is_shown() {
    let f = CliFixture::new().await;
    f.ok("user add calvin --key @key.pub --quota 1GiB --max-files 1000")
        .await;
    let home = f.path("server/data/homes/calvin");
    let shown = f.show("calvin").await;
    let unset = serde_json::json!({
        "quota_bytes": 1 << 30, "quota_files": 1000, "max_sessions": null, "permissions": null, "allowed_from": null,
        "require": null, "rate_up": null, "rate_down": null, "folders": {}, "file_mode": null, "dir_mode": null,
        "file_group": null,
    });
    let expected = serde_json::json!({
        "v": 1, "name": "calvin", "group": null, "comment": "", "source": "local", "enabled": true, "admin": false,
        "home": home,
        "keys": [{
            "fingerprint": shown["keys"][0]["fingerprint"], "comment": "calvin@box", "line": KEY,
        }],
        "principals": [], "has_password": false, "password_kind": null, "totp": false, "recovery_codes_left": null,
        "quota_bytes": 1 << 30, "quota_files": 1000,
        "used_bytes": null, "used_files": null, "usage_exact": false, "max_sessions": null,
        "permissions": ["list", "read", "create", "overwrite", "delete", "rename", "mkdir", "attributes", "link"],
        "allowed_from": [], "require": [], "expires_at": null, "rate_up": null, "rate_down": null, "folders": {},
        "folder_usage": {}, "file_mode": null, "dir_mode": null, "file_group": null, "last_sign_in": null, "sessions": 0, "own": unset,
    });
    assert_eq!(shown, expected);
    assert!(
        shown["keys"][0]["fingerprint"]
            .as_str()
            .unwrap()
            .starts_with("SHA256:")
    );
    assert!(std::path::Path::new(&home).is_dir());

    f.ok("user set calvin --quota unlimited --read-only --expires 2030-01-01 --max-sessions 3")
        .await;
    f.ok("user set calvin --allow-from 10.1.0.0/16,::1 --require publickey,password")
        .await;
    f.ok("user set calvin --rate-up 10MiB --rate-down unlimited")
        .await;
    f.ok("user set calvin --principal ops --principal dev.example.com")
        .await;
    let shown = f.show("calvin").await;
    assert_eq!(shown["principals"], serde_json::json!(["ops", "dev.example.com"]));
    assert_eq!(shown["quota_bytes"], Value::Null);
    assert_eq!(shown["quota_files"], 1000);
    assert_eq!(shown["permissions"], serde_json::json!(["list", "read"]));
    assert_eq!(shown["expires_at"], "2030-01-01T00:00:00Z");
    assert_eq!(shown["max_sessions"], 3);
    let rates = serde_json::json!([shown["rate_up"], shown["rate_down"]]);
    assert_eq!(rates, serde_json::json!([10 << 20, 0]));
    assert_eq!(
        shown["allowed_from"],
        serde_json::json!(["10.1.0.0/16", "::1/128"])
    );
    assert_eq!(shown["require"], serde_json::json!(["publickey", "password"]));

    f.ok("user set calvin --permissions all --expires never --max-sessions default --allow-from any --require any")
        .await;
    f.ok("user set calvin --rate-up default --rate-down default --principal none")
        .await;
    assert_eq!(f.show("calvin").await["principals"], serde_json::json!([]));
    let mut now = f.show("calvin").await;
    assert_eq!(now["own"]["quota_bytes"], "unlimited");
    now["own"] = expected["own"].clone();
    assert_eq!(now, {
        let mut e = expected;
        e["quota_bytes"] = Value::Null;
        e
    });

    f.ok("user disable calvin").await;
    assert_eq!(f.show("calvin").await["enabled"], false);
    f.ok("user enable calvin").await;
    let list: Value = serde_json::from_str(&f.ok("user list --json").await).unwrap();
    assert_eq!(list[0], f.show("calvin").await);
    assert!(f.ok("user list").await.contains("calvin"));
    assert!(f.ok("user show calvin").await.contains("1000 files"));
}

#[tokio::test]
async fn refusals_name_the_thing_and_leave_nothing_behind() {
    let f = CliFixture::new().await;
    f.ok("user add calvin --key @key.pub").await;
    f.fails("user add calvin --key @key.pub", "already a user \"calvin\"")
        .await;
    f.fails("user add tom --key @missing", "cannot read keys from")
        .await;
    f.fails("user add tom --key @key.pub --home /etc", "is not beneath")
        .await;
    f.fails(
        "user add tom --key @key.pub --home @server/data/homes/calvin/sub",
        "lies inside",
    )
    .await;
    f.fails("user add tom --key - --key -", "read once only").await;
    assert!(!std::path::Path::new(&f.path("server/data/homes/calvin/sub")).exists());
    std::fs::write(f.path("roots/file"), "").unwrap();
    f.fails(
        "user add tom --key @key.pub --home @roots/file",
        "not a directory has its name",
    )
    .await;
    f.fails(
        "user show tom",
        "there is no user \"tom\" (hint: homeportd user list)",
    )
    .await;
    for verb in ["enable", "disable", "remove", "set --quota 1"] {
        f.fails(&format!("user {verb} tom"), "there is no user \"tom\"")
            .await;
    }
    f.fails(
        "user set calvin --home @roots/file",
        "not a directory has its name",
    )
    .await;
    assert_eq!(f.show("calvin").await["home"], f.path("server/data/homes/calvin"));
}

#[tokio::test]
async fn exit_codes_tell_what_is_missing_from_what_is_there() {
    let f = CliFixture::new().await;
    f.ok("user add calvin --key @key.pub").await;
    f.ok("user add hobbes --key @key.pub").await;
    let check = async |line: &str, code: u8| {
        assert_eq!(f.run(line).await.expect_err(line).exit_code(), code, "{line}");
    };
    for verb in [
        "show tom",
        "set tom --quota 1",
        "passwd tom",
        "enable tom",
        "disable tom",
        "remove tom",
        "remove tom --delete-home",
        "rename tom tim",
        "key list tom",
        "key add tom @key.pub",
        "key remove tom SHA256:x",
    ] {
        check(&format!("user {verb}"), 3).await;
    }
    // Neither asks for a password first: there is no terminal here, so that would be an error.
    check("user add calvin", 4).await;
    check("user rename calvin hobbes", 4).await;
    check("user add tim", 1).await;
    check("user set calvin --home /etc", 1).await;
}

#[tokio::test]
async fn what_is_so_already_is_unchanged() {
    let f = CliFixture::new().await;
    f.ok("user add calvin --key @key.pub --quota 1GiB --permissions all --require any")
        .await;
    let print = f.show("calvin").await["keys"][0]["fingerprint"]
        .as_str()
        .unwrap()
        .to_owned();
    let home = f.path("server/data/homes/calvin");
    for line in [
        "user enable calvin".to_owned(),
        "user set calvin --quota 1GiB".to_owned(),
        "user set calvin --quota 1024MiB --permissions all --expires never --require any".to_owned(),
        "user key add calvin @key.pub".to_owned(),
        format!("user set calvin --home {home}"),
        "user rename calvin calvin".to_owned(),
    ] {
        let before = f.store.version().await.unwrap();
        let said = f.ok(&line).await;
        assert!(said.starts_with("unchanged: calvin\n"), "{line}: {said}");
        let shown: Value = serde_json::from_str(&f.ok(&format!("{line} --json")).await).unwrap();
        assert_eq!(
            (&shown["changed"], &shown["sessions_ended"]),
            (&false.into(), &0.into()),
            "{line}"
        );
        assert_eq!(f.store.version().await.unwrap(), before, "{line}");
    }
    for (line, again) in [
        ("user disable calvin", true),
        ("user set calvin --read-only", true),
        ("user rename calvin x+y", false),
    ] {
        let shown: Value = serde_json::from_str(&f.ok(&format!("{line} --json")).await).unwrap();
        assert_eq!(
            (&shown["v"], &shown["changed"]),
            (&1.into(), &true.into()),
            "{line}"
        );
        if again {
            assert_eq!(f.ok(line).await, "unchanged: calvin\n");
        }
    }
    let shown = f.show("x+y").await;
    assert_eq!(
        (&shown["home"], &shown["keys"][0]["fingerprint"]),
        (&home.into(), &print.into())
    );
}

#[tokio::test]
async fn keys_come_and_go() {
    let f = CliFixture::new().await;
    f.ok("user add calvin --key @key.pub").await;
    let line = f.ok("user key list calvin").await;
    let (print, comment) = line.trim_end().split_once(' ').unwrap();
    assert_eq!(comment, "calvin@box");
    f.ok("user key add calvin @key.pub").await;
    assert_eq!(f.ok("user key list calvin").await, line);
    f.fails("user key remove calvin SHA256:x", "has no key \"SHA256:x\"")
        .await;
    let absent = format!("user key remove calvin SHA256:{}", "x".repeat(43));
    assert_eq!(f.ok(&absent).await, "unchanged: calvin\n");
    f.ok(&format!("user key remove calvin {print}")).await;
    assert_eq!(f.ok("user key list calvin").await, "");
    assert_eq!(f.ok("user key list calvin --json").await, "[]\n");
}

#[tokio::test]
async fn a_name_that_only_older_versions_gave_is_managed_and_renamed() {
    let f = CliFixture::new().await;
    f.ok("user add calvin --key @key.pub").await;
    let old = |user: &mut User| {
        user.name = UserName::stored(".calvin")?;
        Ok(())
    };
    f.store
        .change_user(&"calvin".parse().unwrap(), Box::new(old))
        .await
        .unwrap();
    assert_eq!(f.show(".calvin").await["name"], ".calvin");
    assert!(f.ok("user list").await.contains(".calvin"));
    for line in [
        "user set .calvin --quota 1GiB",
        "user disable .calvin",
        "user enable .calvin",
        "user key list .calvin",
        "user key add .calvin @key.pub",
    ] {
        f.ok(line).await;
    }
    for refused in ["user add .tom", "user rename .calvin .tom"] {
        let words = ["homeportd"].into_iter().chain(refused.split(' '));
        let error = Cli::try_parse_from(words).expect_err(refused).to_string();
        assert!(error.contains("is not a user name"), "{refused}: {error}");
    }
    let said = f.ok("user rename .calvin calvin").await;
    assert!(said.contains("renamed .calvin to calvin"), "{said}");
    f.fails("user remove .calvin", "there is no user \".calvin\"")
        .await;
    f.ok("user remove calvin").await;
}
