//! Tests imports over users who exist.

use super::*;
use crate::cli::fixture::KEY;
use crate::ops::users_file::import::Imported;
use crate::ops::users_file::import::passwd::{self, SystemFiles};
use crate::ops::users_file::import::sftpgo;

/// A server with one user who has a setting of each kind.
async fn with_calvin() -> CliFixture {
    let fixture = CliFixture::new().await;
    let text = format!(
        "[groups.staff]\nfile_mode = \"0640\"\n[folders.team]\npath = \"@/roots/team\"\ndir_mode = \"0750\"\n\
         [users.calvin]\ncomment = \"the tiger's\"\ngroup = \"staff\"\nkeys = [\"{KEY}\"]\nprincipals = [\"ops\"]\n\
         home = \"@/roots/calvin\"\nexpires_at = \"2030-01-01\"\nquota_bytes = \"1GiB\"\nmax_sessions = 3\n\
         file_mode = \"0600\"\nfolders = {{ team = \"list\" }}\n"
    );
    fixture.apply(&text, false).await.unwrap();
    fixture
}

/// Imports, and checks that calvin is what `change` makes of the former record, except for the password.
async fn check(fixture: &CliFixture, imported: &Imported, change: impl FnOnce(&mut User)) {
    let mut expected = fixture.user("calvin").await;
    fixture
        .apply_declaration(&imported.declaration, false)
        .await
        .unwrap();
    let after = fixture.user("calvin").await;
    change(&mut expected);
    expected.password_hash.clone_from(&after.password_hash);
    expected.password_set_at = after.password_set_at;
    assert_eq!(after, expected);
}

#[tokio::test]
async fn what_a_format_cannot_say_stays_as_it_is() {
    let fixture = with_calvin().await;
    let installation = fixture.config.installation();
    let atmoz = atmoz::import("calvin:tower-of-strength-9\n", &installation);
    check(&fixture, &atmoz, |_| {}).await;
    let hash = fixture.user("calvin").await.password_hash;
    assert!(hash.is_some());

    let mut files = SystemFiles {
        passwd: "calvin:x:1000:1000:Calvin,Room 1,,:/nowhere:/bin/sh\n",
        shadow: None,
        keys: None,
    };
    let passwd = passwd::import(files, &installation);
    check(&fixture, &passwd, |user| user.comment = "Calvin".to_owned()).await;
    // No line of shadow is not a line without a date.
    files.shadow = Some("hobbes:*:19000:0:99999:7:::\n");
    let passwd = passwd::import(files, &installation);
    check(&fixture, &passwd, |_| {}).await;
    // With these files, there is something to say about expiry and keys: that there is none.
    files.shadow = Some("calvin:*:19000:0:99999:7:::\n");
    files.keys = Some("/no such directory/%u");
    let passwd = passwd::import(files, &installation);
    check(&fixture, &passwd, |user| {
        user.expires_at = None;
        user.keys.clear();
    })
    .await;
    assert_eq!(fixture.user("calvin").await.password_hash, hash);

    // SFTPGo has all of it but for principals and modes.
    let dump = format!(
        r#"{{"users": [{{"username": "calvin", "status": 1}}], "groups": [{{"name": "staff"}}],
            "folders": [{{"name": "team", "mapped_path": "{}"}}]}}"#,
        fixture.path("roots/team")
    );
    let dump = sftpgo::import(&dump, &installation).unwrap();
    fixture.apply_declaration(&dump.declaration, false).await.unwrap();
    let calvin = fixture.user("calvin").await;
    assert_eq!(calvin.principals, ["ops"]);
    assert_eq!(calvin.settings.creation.file_mode, Some(0o600));
    assert_eq!((calvin.comment.as_str(), calvin.group), ("", None));
    assert_eq!(calvin.settings.max_sessions, None);
    let text = fixture.export().await;
    assert!(text.contains("file_mode = \"0640\""), "{text}");
    assert!(text.contains("dir_mode = \"0750\""), "{text}");
}

#[tokio::test]
async fn a_new_user_has_no_more_than_the_format_says() {
    let fixture = CliFixture::new().await;
    let imported = atmoz::import("calvin:tower-of-strength-9\n", &fixture.config.installation());
    fixture
        .apply_declaration(&imported.declaration, false)
        .await
        .unwrap();
    let calvin = fixture.user("calvin").await;
    assert!(calvin.keys.is_empty() && calvin.expires_at.is_none());
    assert_eq!(calvin.settings, Default::default());
}
