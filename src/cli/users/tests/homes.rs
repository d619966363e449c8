//! Users' homes: their quotas, what they hold, and what becomes of them.

use super::*;

#[tokio::test]
async fn users_of_one_home_have_one_quota() {
    let f = CliFixture::new().await;
    f.ok("user add calvin --key @key.pub --home @roots/shared --quota 1G")
        .await;
    f.ok("user add tom --key @key.pub --home @roots/shared").await;
    assert_eq!(f.show("tom").await["quota_bytes"], 1 << 30);
    f.fails(
        "user add eve --key @key.pub --home @roots/shared --quota 2G",
        "same home",
    )
    .await;
    f.ok("user set tom --quota 2G").await;
    assert_eq!(f.show("calvin").await["quota_bytes"], 2_u64 << 30);
}

#[tokio::test]
async fn a_new_user_gets_the_home_of_another_only_if_it_is_named() {
    let f = CliFixture::new().await;
    f.ok("user add calvin --key @key.pub").await;
    f.ok("user rename calvin hobbes").await;
    f.fails(
        "user add calvin --key @key.pub",
        "it is the home of the user \"hobbes\" (hint: homeportd user set hobbes --home DIR --move",
    )
    .await;
    f.fails("user show calvin", "there is no user").await;
    f.ok("user add calvin --key @key.pub --home @server/data/homes/calvin")
        .await;
    assert_eq!(f.show("calvin").await["home"], f.show("hobbes").await["home"]);
}

#[tokio::test]
async fn the_default_quota_is_for_those_who_have_none() {
    let mut f = CliFixture::new().await;
    f.ok("user add before --key @key.pub").await;
    f.config.quota.default_bytes = Some(1 << 30);
    f.config.quota.default_files = Some(1000);
    f.store = f.store.with_default_quota(f.config.installation().default_quota);
    let check = async |name: &str, how: &str, expected: Value| {
        f.ok(&format!("user add {name} --key @key.pub{how}")).await;
        let shown = f.show(name).await;
        assert_eq!(
            serde_json::json!([shown["quota_bytes"], shown["quota_files"]]),
            expected,
            "{name}"
        );
    };
    check("plain", "", serde_json::json!([1 << 30, 1000])).await;
    check("sized", " --quota 2KiB", serde_json::json!([2048, 1000])).await;
    check(
        "free",
        " --quota unlimited --max-files unlimited",
        serde_json::json!([null, null]),
    )
    .await;
    // Who joins a home has its quota, whatever the default.
    check(
        "sharer",
        " --home @server/data/homes/sized",
        serde_json::json!([2048, 1000]),
    )
    .await;
    check(
        "older",
        " --home @server/data/homes/before",
        serde_json::json!([1 << 30, 1000]),
    )
    .await;
}

#[tokio::test]
async fn what_is_written_down_is_shown_as_used() {
    let f = CliFixture::new().await;
    f.ok("user add calvin --key @key.pub").await;
    assert!(f.ok("user show calvin").await.contains("not measured yet"));
    let check = async |exact: bool, text: &str, cell: &str| {
        let record = crate::store::UsageRecord {
            home: f.path("server/data/homes/calvin").into(),
            bytes: 2048,
            files: 1,
            exact,
            measured_at: Some(jiff::Timestamp::UNIX_EPOCH),
        };
        f.store.record_usage(&[record]).await.unwrap();
        let shown = f.show("calvin").await;
        assert_eq!(shown["used_bytes"], 2048);
        assert_eq!(shown["used_files"], 1);
        assert_eq!(shown["usage_exact"], exact);
        let told = f.ok("user show calvin").await;
        assert!(told.contains(text), "{told}");
        let list = f.ok("user list").await;
        assert!(list.contains(cell), "{list}");
    };
    check(
        true,
        "used           2.0 KiB, 1 file\n",
        "enabled  2.0 KiB  unlimited",
    )
    .await;
    check(
        false,
        "used           at most 2.0 KiB, 1 file\n",
        "at most 2.0 KiB",
    )
    .await;
}

#[tokio::test]
async fn a_removed_user_leaves_the_home_unless_told_otherwise() {
    let f = CliFixture::new().await;
    for name in ["calvin", "tom"] {
        f.ok(&format!("user add {name} --key @key.pub")).await;
        std::fs::write(f.path(&format!("server/data/homes/{name}/file")), "x").unwrap();
    }
    let said = f.ok("user remove calvin").await;
    assert!(said.contains("stay there"), "{said}");
    assert!(std::path::Path::new(&f.path("server/data/homes/calvin/file")).exists());
    let said = f.ok("user add calvin --key @key.pub").await;
    assert!(said.contains("which was there already"), "{said}");

    f.ok("user remove tom --delete-home").await;
    assert!(!std::path::Path::new(&f.path("server/data/homes/tom")).exists());
    assert!(std::path::Path::new(&f.path("server/data/homes")).exists());

    f.ok("user add eve --key @key.pub --home @server/data/homes/calvin")
        .await;
    f.fails("user remove eve --delete-home", "calvin has files there too")
        .await;
    assert_eq!(f.show("eve").await["name"], "eve");

    // A home that the configuration no longer allows is not deleted either.
    f.ok("user add far --key @key.pub --home @roots/far").await;
    let mut narrow = f.config.clone();
    narrow.storage.roots.clear();
    let refused = f.run_under(&narrow, "user remove far --delete-home").await;
    assert!(refused.unwrap_err().to_string().contains("is not beneath"));
    assert!(std::path::Path::new(&f.path("roots/far")).exists());
}

#[tokio::test]
async fn a_home_that_a_link_shows_to_be_anothers_is_not_deleted() {
    let f = CliFixture::new().await;
    for name in ["calvin", "tom"] {
        f.ok(&format!("user add {name} --key @key.pub")).await;
    }
    let home = f.path("server/data/homes/calvin");
    std::fs::remove_dir(&home).unwrap();
    std::os::unix::fs::symlink("tom", &home).unwrap();
    f.fails("user remove calvin --delete-home", "tom has files there too")
        .await;
    std::fs::create_dir(f.path("server/data/homes/tom/inner")).unwrap();
    std::fs::remove_file(&home).unwrap();
    std::os::unix::fs::symlink("tom/inner", &home).unwrap();
    f.fails("user remove calvin --delete-home", "tom has files there too")
        .await;
    f.ok("user remove calvin").await;
}
