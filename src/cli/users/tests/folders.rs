use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_folder_is_made_given_and_taken_away() {
    let f = CliFixture::new().await;
    f.ok("user add calvin --key @key.pub").await;
    let path = f.path("roots/team");
    let said = f
        .ok("folder add team @roots/team --quota 1GiB --dir-mode 0750 --comment shared")
        .await;
    assert!(
        said.starts_with(&format!("added folder team, in \"{path}\"\n")),
        "{said}"
    );
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o750);
    assert!(std::path::Path::new(&f.path("roots/.homeport-store")).exists());
    f.ok("user set calvin --folder team=list,read --folder team/in=create,list")
        .await;
    assert_eq!(
        f.show("calvin").await["folders"],
        json!({"team": {"/": ["list", "read"], "/in": ["list", "create"]}})
    );
    assert_eq!(
        f.json("folder show team --json").await,
        json!({
            "v": 1, "name": "team", "path": path, "comment": "shared", "users": ["calvin"], "quota_bytes": 1 << 30,
            "quota_files": null, "used_bytes": null, "used_files": null, "usage_exact": false, "file_mode": null,
            "dir_mode": "0750", "file_group": null,
        })
    );
    let table = f.ok("folder list").await;
    assert!(
        table
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("team  1      -     1.0 GiB"),
        "{table}"
    );
    let used = "  used         not measured yet; quota 1.0 GiB\n";
    assert!(f.ok("user show calvin").await.contains(&format!(
        "folder         /team: /=list,read  /in=list,create\n{used}"
    )));
    let expected = json!({
        "used_bytes": null, "used_files": null, "usage_exact": false, "quota_bytes": 1 << 30, "quota_files": null,
    });
    assert_eq!(f.show("calvin").await["folder_usage"]["team"], expected);

    f.fails(
        "folder remove team",
        "the user calvin has it (hint: take it away first: homeportd user set calvin --no-folder team)",
    )
    .await;
    f.ok("user set calvin --no-folder team").await;
    assert_eq!(
        f.ok("user set calvin --no-folder team").await,
        "unchanged: calvin\n"
    );
    let said = f.ok("folder remove team").await;
    assert_eq!(
        said,
        format!("removed folder team\nthe files in \"{path}\" stay there\n")
    );
    assert!(std::path::Path::new(&path).is_dir());
}

#[tokio::test]
async fn folders_of_users_and_groups_merge_by_name() {
    let f = CliFixture::new().await;
    f.ok("folder add team @roots/team").await;
    f.ok("folder add shelf @roots/shelf").await;
    f.ok("group add staff --folder team=list --folder shelf=read")
        .await;
    f.ok("user add calvin --key @key.pub --group staff --folder team=all")
        .await;
    let shown = f.show("calvin").await;
    assert_eq!(shown["folders"]["shelf"], json!(["read"]));
    assert_eq!(shown["folders"]["team"].as_array().unwrap().len(), 9);
    f.ok("user set calvin --folder team=none").await;
    assert_eq!(f.show("calvin").await["folders"]["team"], json!([]));
    f.ok("user set calvin --folder team=inherit").await;
    assert_eq!(f.show("calvin").await["folders"]["team"], json!(["list"]));
    // In a folder, too, the user's rules join those of the group, directory by directory.
    f.ok("group set staff --folder team=all --folder team/in=none")
        .await;
    f.ok("user set calvin --folder team=list,read").await;
    assert_eq!(
        f.show("calvin").await["folders"]["team"],
        json!({"/": ["list", "read"], "/in": []})
    );
    f.ok("user set calvin --folder team=none").await;
    assert_eq!(f.show("calvin").await["folders"]["team"], json!([]));
    f.ok("user set calvin --folder team=inherit").await;
    f.ok("user set calvin --folder team/x=list").await;
    let joined = &f.show("calvin").await["folders"]["team"];
    assert_eq!((&joined["/in"], &joined["/x"]), (&json!([]), &json!(["list"])));
    assert_eq!(joined["/"].as_array().unwrap().len(), 9);
    f.ok("user set calvin --folder team=inherit").await;
    f.ok("group set staff --folder team=list").await;
    f.ok("folder set team --rename crew").await;
    assert_eq!(
        f.json("group show staff --json").await["folders"],
        json!({"crew": ["list"], "shelf": ["read"]})
    );
}

#[tokio::test]
async fn a_folder_lies_where_homes_may_and_overlaps_none() {
    let f = CliFixture::new().await;
    f.ok("user add calvin --key @key.pub").await;
    f.ok("folder add team @roots/team").await;
    f.fails("folder add x /etc/x", "cannot be a folder: it is not beneath")
        .await;
    f.fails("folder add x @server/data/homes/calvin/x", "lies inside")
        .await;
    f.fails("folder add x @roots/team/x", "lies inside").await;
    f.fails(
        "user add tom --key @key.pub --home @roots/team",
        "it is the folder \"team\"",
    )
    .await;
    std::fs::write(f.path("roots/file"), "").unwrap();
    f.fails("folder add x @roots/file", "not a directory has its name")
        .await;
    f.fails(
        "folder set team --path @roots/file",
        "not a directory has its name",
    )
    .await;
    assert!(!std::path::Path::new(&f.path("server/data/homes/calvin/x")).exists());
    assert_eq!(f.json("folder list --json").await.as_array().unwrap().len(), 1);
    for (line, code) in [
        ("folder show x", 3),
        ("folder set x --quota 1", 3),
        ("folder remove x", 3),
        ("quota show --folder x", 3),
        ("quota scan --folder x", 3),
        ("folder add team @roots/other", 4),
    ] {
        assert_eq!(f.run(line).await.expect_err(line).exit_code(), code, "{line}");
    }
    let said = f.ok("folder set team --path @roots/new").await;
    let left = f.path("roots/team");
    assert_eq!(
        said,
        format!("changed folder team\nthe files in \"{left}\" stay there\n")
    );
    assert!(std::path::Path::new(&f.path("roots/new")).is_dir());
}

#[tokio::test]
async fn the_use_of_a_folder_is_shown_and_measured() {
    let f = CliFixture::new().await;
    f.ok("user add team --key @key.pub").await;
    f.ok("folder add team @roots/team --quota 1KiB").await;
    std::fs::write(f.path("roots/team/f"), [0; 100]).unwrap();
    let said = f.ok("quota scan --folder team").await;
    assert!(
        said.starts_with("team (folder): not measured yet -> 100 B, 1 file"),
        "{said}"
    );
    let shown = f.json("quota show --folder team --json").await;
    assert_eq!(
        (&shown["kind"], &shown["used_bytes"]),
        (&json!("folder"), &json!(100))
    );
    assert_eq!(shown["home"], f.path("roots/team"));
    let all = f.json("quota show --json").await;
    assert_eq!(
        (&all[0]["kind"], &all[1]["kind"]),
        (&json!("user"), &json!("folder"))
    );
    assert_eq!(all[1], shown);
    let table = f.ok("quota show").await;
    assert!(
        table.lines().nth(2).unwrap().starts_with("team (folder)"),
        "{table}"
    );
    assert_eq!(f.json("folder show team --json").await["used_bytes"], 100);
    assert_eq!(f.ok("quota scan").await.lines().count(), 2);
}
