//! What is exported, and what it makes.

use proptest::prelude::*;

use super::*;
use crate::cli::fixture::KEY;

/// Settings that a user or a group may have, one line each.
fn settings() -> impl Strategy<Value = String> {
    // Who is not root can give files to their own groups alone.
    let group = format!("file_group = \"{}\"", rustix::process::getgid().as_raw());
    let mut lines: Vec<String> = [
        "comment = \"a \\\"b\\\" \\\\ é\"",
        "quota_bytes = \"unlimited\"",
        "quota_files = 7",
        "max_sessions = 2",
        "rate_up = \"10MiB\"",
        "rate_down = \"unlimited\"",
        "permissions = { \"/\" = \"list,read\", \"/in x\" = \"none\" }",
        "allowed_from = [\"10.0.0.0/8\", \"2001:db8::/32\"]",
        "require = [\"publickey\", \"password\"]",
        "folders = { \"public.x\" = \"all\" }",
        "file_mode = \"0640\"",
        "dir_mode = \"2750\"",
    ]
    .map(str::to_owned)
    .into();
    lines.push(group);
    let count = lines.len();
    proptest::sample::subsequence(lines, 0..=count).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_is_exported_makes_the_same_store(group in settings(), user in settings(), in_group in any::<bool>()) {
        let group_line = if in_group { "group = \"g\"\n" } else { "" };
        let text = format!(
            "[groups.g]\n{group}\n[folders.\"public.x\"]\npath = \"@/roots/public\"\nquota_bytes = 1000\n\
             [users.\"a@b.c\"]\n{group_line}{user}\nkeys = [\"{KEY}\"]\nprincipals = [\"p\"]\n\
             password_hash = \"{HASH}\"\nhome = \"@/roots/home\"\nenabled = false\nadmin = true\nexpires_at = \"2030-01-01\"\n"
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let fixture = CliFixture::new().await;
            fixture.apply(&text, false).await.unwrap();
            let exported = fixture.export().await;
            assert!(fixture.apply(&exported, true).await.unwrap().is_empty(), "{exported}");
            let records = fixture.store.records().await.unwrap();
            assert_eq!(fixture.apply("", true).await.unwrap().len(), 3);
            fixture.apply(&exported, false).await.unwrap();
            assert_eq!(fixture.export().await, exported);
            assert_eq!(fixture.store.records().await.unwrap().groups, records.groups);
        });
    }
}
