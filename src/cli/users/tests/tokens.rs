//! Administrators, and the tokens of users.

use serde_json::json;

use super::*;

#[tokio::test]
async fn who_is_an_administrator_is_set_and_shown() {
    let f = CliFixture::new().await;
    f.ok("user add calvin --key @key.pub").await;
    f.ok("user add tom --key @key.pub --admin").await;
    assert_eq!(f.show("tom").await["admin"], true);
    let said = f.ok("user set calvin --admin").await;
    assert!(said.starts_with("changed calvin"), "{said}");
    let said = f.ok("user set calvin --admin").await;
    assert!(said.starts_with("unchanged: calvin"), "{said}");
    assert_eq!(f.json("user list --json").await[0]["admin"], true);
    assert!(f.ok("user show calvin").await.contains("administrator  yes\n"));
    // Another setting leaves it as it is.
    f.ok("user set calvin --comment other").await;
    assert_eq!(f.show("calvin").await["admin"], true);
    f.ok("user set calvin --no-admin").await;
    assert_eq!(f.show("calvin").await["admin"], false);
    let both = "homeportd user set calvin --admin --no-admin";
    assert!(Cli::try_parse_from(both.split(' ')).is_err());
}

#[tokio::test]
async fn a_file_says_who_is_an_administrator_and_an_import_does_not() {
    let f = CliFixture::new().await;
    f.apply("[users.calvin]\nadmin = true\n[users.tom]\n", false)
        .await
        .unwrap();
    assert!(f.user("calvin").await.is_admin && !f.user("tom").await.is_admin);
    let exported = f.export().await;
    assert!(exported.contains("[users.calvin]\nadmin = true\n"), "{exported}");
    assert_eq!(exported.matches("admin").count(), 1, "{exported}");
    let imported =
        crate::ops::users_file::import::atmoz::import("calvin:123:1001\n", &f.config.installation());
    f.apply_declaration(&imported.declaration, false).await.unwrap();
    assert!(f.user("calvin").await.is_admin);
    f.apply("[users.calvin]\n", false).await.unwrap();
    assert!(!f.user("calvin").await.is_admin);
}

#[tokio::test]
async fn a_token_is_shown_once_and_listed_without_itself() {
    let f = CliFixture::new().await;
    for user in ["calvin", "tom"] {
        f.ok(&format!("user add {user} --key @key.pub")).await;
    }
    let said = f
        .ok("token add calvin --scope files --comment export --expires 2100-01-01")
        .await;
    let lines: Vec<&str> = said.lines().collect();
    let [what, token] = lines[..] else {
        panic!("{said}")
    };
    let expected = "added token 1 of calvin, for the files of calvin, until 2100-01-01T00:00:00Z; it is not shown again:";
    assert_eq!(what, expected);
    assert!(token.starts_with("hpt_") && token.len() == 36, "{said}");
    let added = f.json("token add tom --scope files --json").await;
    let second = added["token"].as_str().unwrap();
    assert!(second.starts_with("hpt_") && second != token, "{added}");
    let listed = f.ok("token list").await;
    assert!(
        !listed.contains("hpt_") && listed.lines().count() == 3,
        "{listed}"
    );
    let listed = f.json("token list calvin --json").await;
    let expected = json!([{
        "v": 1, "user": "calvin", "id": 1, "scope": "files", "comment": "export",
        "created_at": listed[0]["created_at"], "expires_at": "2100-01-01T00:00:00Z", "last_used_at": null,
    }]);
    assert_eq!(listed, expected);
    assert!(listed[0]["created_at"].is_string());
    let tom = f.json("token list tom --json").await;
    assert_eq!((&tom[0]["expires_at"], &tom[0]["id"]), (&Value::Null, &json!(2)));

    let said = f.ok("token remove calvin 1").await;
    assert!(said.starts_with("removed token 1 of calvin"), "{said}");
    assert_eq!(f.json("token list calvin --json").await, json!([]));
    assert_eq!(f.json("token list tom --json").await[0]["id"], 2);
    let removed = f.json("token remove tom 2 --json").await;
    assert_eq!(
        (&removed["user"], &removed["changed"]),
        (&json!("tom"), &json!(true))
    );
}

#[tokio::test]
async fn refused_tokens_say_why() {
    let f = CliFixture::new().await;
    for user in ["calvin", "tom"] {
        f.ok(&format!("user add {user} --key @key.pub")).await;
    }
    f.ok("token add tom --scope files").await;
    f.fails(
        "token add calvin --scope admin",
        "homeportd user set calvin --admin",
    )
    .await;
    f.fails(
        "token add calvin --scope files --expires 2001-01-01",
        "expired already",
    )
    .await;
    f.fails(
        "token remove calvin 1",
        "calvin has no token 1 (hint: homeportd token list calvin)",
    )
    .await;
    for line in [
        "token add nobody --scope files",
        "token list nobody",
        "token remove nobody 1",
        "token remove calvin 7",
    ] {
        assert_eq!(f.run(line).await.unwrap_err().exit_code(), 3, "{line}");
    }
    f.ok("user set calvin --admin").await;
    let said = f.ok("token add calvin --scope admin").await;
    let may = "for the administration of the server and the files of calvin";
    assert!(said.contains(may), "{said}");
    for wrong in [
        "homeportd token add calvin",
        "homeportd token add calvin --scope all",
        "homeportd token add calvin --scope files --expires soon",
    ] {
        assert!(Cli::try_parse_from(wrong.split(' ')).is_err(), "{wrong}");
    }
}
