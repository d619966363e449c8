use serde_json::json;

use super::*;

#[tokio::test]
async fn members_inherit_what_they_leave_open() {
    let f = CliFixture::new().await;
    f.ok("group add staff --quota 1GiB --read-only --max-sessions 3 --require publickey --comment staff")
        .await;
    f.ok("user add calvin --key @key.pub --group staff --max-files 7")
        .await;
    let shown = f.show("calvin").await;
    assert_eq!(
        (
            &shown["group"],
            &shown["quota_bytes"],
            &shown["quota_files"],
            &shown["max_sessions"]
        ),
        (&json!("staff"), &json!(1 << 30), &json!(7), &json!(3))
    );
    assert_eq!(shown["permissions"], json!(["list", "read"]));
    assert_eq!(shown["require"], json!(["publickey"]));
    assert_eq!(shown["own"]["quota_bytes"], Value::Null);

    f.ok("user set calvin --quota unlimited --permissions /in=create,list")
        .await;
    let shown = f.show("calvin").await;
    assert_eq!(shown["quota_bytes"], Value::Null);
    assert_eq!(
        shown["permissions"],
        json!({"/": ["list", "read"], "/in": ["list", "create"]})
    );
    assert_eq!(shown["own"]["quota_bytes"], "unlimited");
    f.ok("user set calvin --quota inherit --permissions inherit --max-files inherit")
        .await;
    let shown = f.show("calvin").await;
    assert_eq!(
        (&shown["quota_bytes"], &shown["quota_files"]),
        (&json!(1 << 30), &Value::Null)
    );
    assert_eq!(shown["permissions"], json!(["list", "read"]));

    let group = f.json("group show staff --json").await;
    assert_eq!((&group["v"], &group["name"]), (&json!(1), &json!("staff")));
    assert_eq!(
        (&group["members"], &group["comment"]),
        (&json!(["calvin"]), &json!("staff"))
    );
    assert_eq!(
        (&group["quota_bytes"], &group["quota_files"]),
        (&json!(1 << 30), &Value::Null)
    );
    assert_eq!(f.json("group list --json").await, json!([group]));
    let text = f.ok("group show staff").await;
    assert!(
        text.contains("quota          1.0 GiB\n") && text.contains("members        calvin\n"),
        "{text}"
    );
    assert!(!text.contains("uploads"), "what is unset is not shown: {text}");
    f.ok("user add tom --key @key.pub").await;
    let members = f.json("user list --group staff --json").await;
    assert_eq!(
        (members.as_array().unwrap().len(), &members[0]["name"]),
        (1, &json!("calvin"))
    );

    f.ok("user set calvin --max-sessions default").await;
    let shown = f.show("calvin").await;
    assert_eq!(
        (&shown["max_sessions"], &shown["own"]["max_sessions"]),
        (&Value::Null, &json!("default"))
    );
    assert!(
        f.ok("user show calvin")
            .await
            .contains("sessions       the server's limit\n")
    );
    for (rates, own, applies) in [
        ("default", json!("default"), Value::Null),
        ("unlimited", json!(0), json!(0)),
        ("inherit", Value::Null, json!(1 << 20)),
    ] {
        f.ok("group set staff --rate-up 1MiB").await;
        f.ok(&format!("user set calvin --rate-up {rates}")).await;
        let shown = f.show("calvin").await;
        assert_eq!(
            (&shown["own"]["rate_up"], &shown["rate_up"]),
            (&own, &applies),
            "{rates}"
        );
    }
    f.ok("group set staff --rate-up inherit").await;
    f.ok("user set calvin --max-sessions inherit").await;
    assert_eq!(f.show("calvin").await["max_sessions"], 3);
    f.ok("group set staff --max-sessions default").await;
    assert_eq!(f.json("group show staff --json").await["max_sessions"], "default");

    f.ok("user set calvin --group none").await;
    assert_eq!(f.show("calvin").await["max_sessions"], Value::Null);
}

#[tokio::test]
async fn a_group_is_changed_renamed_and_removed() {
    let f = CliFixture::new().await;
    assert_eq!(f.ok("group add staff").await, "added group staff\n");
    assert_eq!(
        f.ok("group set staff --quota 1GiB").await,
        "changed group staff\n"
    );
    assert_eq!(
        f.ok("group set staff --quota 1024MiB").await,
        "unchanged: group staff\n"
    );
    let said = f.json("group set staff --quota 1GiB --json").await;
    assert_eq!(
        said,
        json!({"v": 1, "group": "staff", "changed": false, "confirmed": false, "sessions_ended": 0, "still_busy": 0})
    );
    f.ok("user add calvin --key @key.pub --group staff").await;
    f.fails(
        "group remove staff",
        "1 user is in it (hint: homeportd user list --group staff)",
    )
    .await;
    assert_eq!(
        f.ok("group set staff --rename crew").await,
        "renamed group staff to crew\n"
    );
    assert_eq!(f.show("calvin").await["group"], "crew");
    assert_eq!(f.show("calvin").await["quota_bytes"], 1 << 30);
    f.ok("user set calvin --group none").await;
    assert_eq!(f.ok("group remove crew").await, "removed group crew\n");
    assert_eq!(f.json("group list --json").await, json!([]));
}

#[tokio::test]
async fn exit_codes_of_groups() {
    let f = CliFixture::new().await;
    f.ok("group add staff").await;
    f.ok("group add crew").await;
    f.ok("user add calvin --key @key.pub").await;
    for (line, code) in [
        ("group show none-such", 3),
        ("group set none-such --quota 1", 3),
        ("group remove none-such", 3),
        ("user list --group none-such", 3),
        ("user set calvin --group none-such", 3),
        ("user add tom --key @key.pub --group none-such", 3),
        ("user set calvin --folder none-such=read", 3),
        ("group set staff --folder none-such=read", 3),
        ("group add staff", 4),
        ("group set staff --rename crew", 4),
        ("group set staff --file-group no-such-group", 1),
    ] {
        assert_eq!(f.run(line).await.expect_err(line).exit_code(), code, "{line}");
    }
    for wrong in [
        "group add none",
        "group set staff --rename inherit",
        "group set staff --file-mode 0888",
        "group set staff --dir-mode 0600",
        "group set staff --permissions /in",
        "user set calvin --permissions fly",
        "user set calvin --read-only --permissions list",
        "user set calvin --folder team",
    ] {
        let words = ["homeportd"].into_iter().chain(wrong.split(' '));
        assert_eq!(
            Cli::try_parse_from(words).expect_err(wrong).exit_code(),
            2,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn users_of_one_home_come_out_with_equal_quotas() {
    let f = CliFixture::new().await;
    f.ok("group add staff --quota 1GiB").await;
    f.ok("user add calvin --key @key.pub --group staff").await;
    let home = f.path("server/data/homes/calvin");
    f.ok(&format!("user add tom --key @key.pub --home {home} --quota 1GiB"))
        .await;
    f.fails("group set staff --quota 2GiB", "would have different quotas")
        .await;
    assert_eq!(f.show("calvin").await["quota_bytes"], 1 << 30);
    f.ok("user set tom --group staff --quota inherit --max-files inherit")
        .await;
    f.ok("group set staff --quota 2GiB").await;
    assert_eq!(f.show("tom").await["quota_bytes"], 2_u64 << 30);
}
