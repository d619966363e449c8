use super::*;
use crate::domain::user::User;

fn user(json: serde_json::Value) -> Result<SettingChanges> {
    let words: UserWords = serde_json::from_value(json).unwrap();
    words.changes()
}

#[test]
fn words_are_those_of_the_command_line() {
    let changes = user(serde_json::json!({
        "quota": "10GiB", "max_files": "inherit", "permissions": ["list,read", "/in=create"],
        "max_sessions": "3", "rate_up": "unlimited", "allow_from": "10.0.0.0/8", "require": "any",
        "folders": ["team=all"], "no_folders": ["old"], "file_mode": "0640", "group": "none",
        "comment": "a remark", "expires": "never", "principals": ["none"], "admin": true,
    }))
    .unwrap();
    assert_eq!(
        changes.member.quota_bytes,
        SettingChange::To(Limit(Some(10 << 30)))
    );
    assert_eq!(changes.member.quota_files, SettingChange::Unset);
    assert_eq!(changes.member.rate_up, SettingChange::To(RateRule::Unlimited));
    assert_eq!(changes.member.rate_down, SettingChange::Keep);
    assert_eq!(changes.group, SettingChange::To(None));
    assert_eq!(changes.expires_at, SettingChange::To(None));
    assert_eq!(changes.principals, SettingChange::To(Vec::new()));
    assert_eq!(changes.is_admin, SettingChange::To(true));
    assert_eq!(user(serde_json::json!({})).unwrap(), SettingChanges::default());
}

#[test]
fn an_error_names_the_setting() {
    let check = |json: serde_json::Value, expected: &str| {
        let error = user(json).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check(serde_json::json!({"quota": "much"}), "quota: \"much\" is not");
    check(serde_json::json!({"expires": "tomorrow"}), "expires: ");
    check(serde_json::json!({"file_mode": "9"}), "file_mode: ");
    check(serde_json::json!({"permissions": ["fly"]}), "permissions: ");
    let unknown = serde_json::from_value::<UserWords>(serde_json::json!({"qouta": "1"}));
    assert!(unknown.unwrap_err().to_string().contains("qouta"));
}

#[test]
fn groups_have_no_settings_of_single_users() {
    let words = |json| serde_json::from_value::<UserWords>(json).unwrap();
    let changes = words(serde_json::json!({"comment": "x", "quota": "1G"})).group_changes(None);
    assert_eq!(changes.unwrap().comment, SettingChange::To("x".to_owned()));
    let refused = words(serde_json::json!({"expires": "never"})).group_changes(None);
    assert!(refused.is_err());
}

#[test]
fn the_words_of_a_record_set_the_same_again() {
    let mut user = User::blank("calvin".parse().unwrap());
    let check = |user: &User| {
        let words = UserWords {
            group: None,
            ..UserWords::of_member(&user.settings)
        };
        let mut again = User::blank("calvin".parse().unwrap());
        words.changes().unwrap().apply(&mut again).unwrap();
        assert_eq!(again.settings, user.settings);
    };
    check(&user);
    let changes = UserWords {
        quota: Some("1536MiB".to_owned()),
        max_files: Some("unlimited".to_owned()),
        permissions: Some(vec!["list,read".to_owned(), "/in=create,list".to_owned()]),
        max_sessions: Some("default".to_owned()),
        rate_up: Some("10MiB".to_owned()),
        rate_down: Some("unlimited".to_owned()),
        allow_from: Some("10.0.0.0/8,192.0.2.7/32".to_owned()),
        require: Some("publickey,totp".to_owned()),
        folders: Some(vec![
            "team=list,read".to_owned(),
            "team/in=create".to_owned(),
            "old=all".to_owned(),
        ]),
        file_mode: Some("0640".to_owned()),
        dir_mode: Some("2750".to_owned()),
        file_group: Some("0".to_owned()),
        ..UserWords::default()
    };
    changes.changes().unwrap().apply(&mut user).unwrap();
    check(&user);
    assert_eq!(
        UserWords::of_member(&user.settings).quota.as_deref(),
        Some("1536MiB")
    );
}
