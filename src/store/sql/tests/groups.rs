//! Tests groups and folders: what users inherit, what is refused, and who is told of a change.

use super::*;
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::permission::PermissionRules;
use crate::store::{FactorStore as _, GroupStore as _};

fn group_name(text: &str) -> GroupName {
    text.parse().unwrap()
}

fn folder_name(text: &str) -> FolderName {
    text.parse().unwrap()
}

fn rules(list: &[(&str, &str)]) -> PermissionRules {
    let rule = |(path, set): &(&str, &str)| (path.parse().unwrap(), set.parse().unwrap());
    list.iter().map(rule).collect()
}

fn folder(name: &str, path: &str) -> Folder {
    Folder {
        name: folder_name(name),
        path: path.into(),
        comment: "shared".into(),
        quota: Quota {
            bytes: Some(7),
            files: None,
        },
        creation: CreationChoice::default(),
    }
}

fn group(name: &str) -> Group {
    Group {
        name: group_name(name),
        comment: String::new(),
        settings: MemberSettings {
            quota_bytes: Some(Limit(Some(100))),
            max_sessions: Some(4.into()),
            permissions: Some(rules(&[("/", "list,read"), ("/in", "create,list")])),
            allowed_from: Some(vec!["10.0.0.0/8".parse().unwrap()]),
            require: Some([Factor::Password].into()),
            folders: [(folder_name("public"), rules(&[("/", "list,read")]))].into(),
            ..MemberSettings::default()
        },
    }
}

async fn join(store: &SqlStore, user: &str, group: Option<&str>) -> Result<Changed<User>> {
    let group = group.map(group_name);
    let change = move |user: &mut User| {
        user.group.clone_from(&group);
        Ok(())
    };
    store.change_user(&name(user), Box::new(change)).await
}

/// A store with the folder `public`, the group `customers`, its member `tom`, and `calvin`, who has no group.
async fn customers() -> (TempDir, SqlStore) {
    let (dir, store) = store().await;
    let store = store.with_default_quota(Quota {
        bytes: Some(50),
        files: Some(5),
    });
    store.add_folder(&folder("public", "/srv/public")).await.unwrap();
    store.add_group(&group("customers")).await.unwrap();
    store.add_user(&user("calvin")).await.unwrap();
    store.add_user(&user("tom")).await.unwrap();
    join(&store, "tom", Some("customers")).await.unwrap();
    (dir, store)
}

#[tokio::test]
async fn a_member_inherits_what_the_record_leaves_open() {
    let (_dir, store) = customers().await;
    let check = async |user: &str, bytes, files, permissions: &str| {
        let data = "AAAA";
        let by_name = store.user(&name(user)).await.unwrap().unwrap();
        let by_key = store.user_with_key(&name(user), data).await.unwrap().unwrap();
        let all = store.users().await.unwrap();
        let listed = all.iter().find(|one| one.name == name(user)).unwrap();
        assert_eq!(&by_name, listed);
        assert_eq!(by_name, by_key);
        assert_eq!(by_name.quota(), Quota { bytes, files });
        assert_eq!(by_name.permissions().to_string(), permissions);
        by_name
    };
    let all = Permissions::all().to_string();
    let calvin = check("calvin", Some(50), Some(5), &all).await;
    assert!(calvin.folders().is_empty() && calvin.require().is_empty());
    let tom = check("tom", Some(100), Some(5), "/=list,read /in=list,create").await;
    assert_eq!(tom.max_sessions(), Some(4));
    assert_eq!(tom.require(), &[Factor::Password].into());
    assert_eq!(tom.allowed_from().len(), 1);
    assert_eq!(tom.folders()[0].0, folder("public", "/srv/public"));
    // The user's own values come first, each alone.
    let own = |user: &mut User| {
        user.settings.quota_bytes = Some(Limit(None));
        user.settings.permissions = Some(rules(&[("/in", "none")]));
        user.settings.require = Some(BTreeSet::new());
        user.settings.allowed_from = Some(Vec::new());
        user.settings.folders = [(folder_name("public"), rules(&[("/", "all")]))].into();
        Ok(())
    };
    store.change_user(&name("tom"), Box::new(own)).await.unwrap();
    let tom = check("tom", None, Some(5), "/=list,read /in=none").await;
    assert!(tom.require().is_empty() && tom.allowed_from().is_empty());
    assert_eq!(tom.folders()[0].1, PermissionRules::all());
}

#[tokio::test]
async fn what_is_in_use_is_not_removed_and_what_is_missing_is_not_used() {
    let (_dir, store) = customers().await;
    let error = store
        .remove_group(&group_name("customers"))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("1 user is in it"), "{error}");
    let error = store
        .remove_folder(&folder_name("public"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(
            "the group customers has it (hint: take it away first: homeportd group set customers --no-folder public)"
        ),
        "{error}"
    );
    let has = |user: &mut User| {
        user.settings.folders = [(folder_name("public"), PermissionRules::all())].into();
        Ok(())
    };
    store.change_user(&name("tom"), Box::new(has)).await.unwrap();
    let error = store.remove_folder(&folder_name("public")).await.unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("these have it: group customers, user tom (hint: ")
            && error.contains(" && homeportd user set tom --no-folder public)"),
        "{error}"
    );
    let has_not = |user: &mut User| {
        user.settings.folders.clear();
        Ok(())
    };
    store.change_user(&name("tom"), Box::new(has_not)).await.unwrap();
    let error = join(&store, "calvin", Some("nobody"))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("no group \"nobody\""), "{error}");
    let mut odd = group("odd");
    odd.settings.folders = [(folder_name("missing"), PermissionRules::all())].into();
    let error = store.add_group(&odd).await.unwrap_err().to_string();
    assert!(error.contains("no folder \"missing\""), "{error}");
    assert!(store.add_group(&group("customers")).await.is_err());
    assert!(store.add_folder(&folder("public", "/srv/other")).await.is_err());
    join(&store, "tom", None).await.unwrap();
    store.remove_group(&group_name("customers")).await.unwrap();
    assert_eq!(
        store.remove_folder(&folder_name("public")).await.unwrap(),
        Path::new("/srv/public")
    );
    assert!(store.groups().await.unwrap().is_empty() && store.folders().await.unwrap().is_empty());
}

#[tokio::test]
async fn folders_and_homes_are_separate() {
    let (_dir, store) = customers().await;
    for (path, why) in [
        ("/srv/homes/tom/in", "lies inside"),
        ("/srv", "lies inside"),
        (
            "/srv/homes/tom",
            "it is the home of the user \"tom\" (hint: a folder must be separate",
        ),
        ("/srv/public/deep", "it lies inside the folder \"public\""),
        ("relative", "not an absolute path"),
    ] {
        let error = store
            .add_folder(&folder("new", path))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{path}: {error}");
    }
    for home in ["/srv/public", "/srv/public/tom", "/"] {
        assert!(store.add_user(&at_home("new", home)).await.is_err(), "{home}");
    }
    // Siblings are no neighbours.
    store
        .add_folder(&folder("public2", "/srv/public2"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_change_of_a_group_or_folder_is_one_of_all_who_have_it() {
    let (_dir, store) = customers().await;
    let touched = async |seen: i64| -> (Vec<String>, Vec<(PathBuf, Option<Quota>)>) {
        let changes = store.changes_since(seen).await.unwrap();
        let homes = changes
            .homes
            .into_iter()
            .map(|home| (home.home, home.quota.unwrap()));
        (
            changes.users.iter().map(|user| user.name.to_string()).collect(),
            homes.collect(),
        )
    };
    let seen = store.version().await.unwrap();
    let more = |group: &mut Group| {
        group.settings.quota_bytes = Some(Limit(Some(200)));
        Ok(())
    };
    let changed = store
        .change_group(&group_name("customers"), Box::new(more))
        .await
        .unwrap();
    assert!(changed.is_change());
    let quota = Quota {
        bytes: Some(200),
        files: Some(5),
    };
    assert_eq!(
        touched(seen).await,
        (vec!["tom".into()], vec![("/srv/homes/tom".into(), Some(quota))])
    );
    let seen = store.version().await.unwrap();
    let again = |group: &mut Group| {
        group.settings.quota_bytes = Some(Limit(Some(200)));
        Ok(())
    };
    assert!(
        !store
            .change_group(&group_name("customers"), Box::new(again))
            .await
            .unwrap()
            .is_change()
    );
    assert_eq!(store.version().await.unwrap(), seen);
    let larger = |folder: &mut Folder| {
        folder.quota.bytes = None;
        folder.name = folder_name("shelf");
        Ok(())
    };
    store
        .change_folder(&folder_name("public"), Box::new(larger))
        .await
        .unwrap();
    let (users, homes) = touched(seen).await;
    assert_eq!(users, ["tom"]);
    assert_eq!(homes, [("/srv/public".into(), Some(Quota::default()))]);
    let tom = store.user(&name("tom")).await.unwrap().unwrap();
    assert_eq!(tom.folders()[0].0.name, folder_name("shelf"));
    let seen = store.version().await.unwrap();
    let renamed = |group: &mut Group| {
        group.name = group_name("clients");
        group.settings.folders.clear();
        Ok(())
    };
    store
        .change_group(&group_name("customers"), Box::new(renamed))
        .await
        .unwrap();
    assert_eq!(touched(seen).await.0, ["tom"]);
    let tom = store.user(&name("tom")).await.unwrap().unwrap();
    assert_eq!(
        (tom.group.clone(), tom.folders().len()),
        (Some(group_name("clients")), 0)
    );
}

#[tokio::test]
async fn users_of_one_home_come_out_with_one_quota() {
    let (_dir, store) = customers().await;
    let error = store
        .add_user(&at_home("susie", "/srv/homes/tom"))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("another quota"), "{error}");
    let mut susie = at_home("susie", "/srv/homes/tom");
    susie.settings.quota_bytes = Some(Limit(Some(100)));
    store.add_user(&susie).await.unwrap();
    let more = |group: &mut Group| {
        group.settings.quota_bytes = Some(Limit(None));
        Ok(())
    };
    let change = store.change_group(&group_name("customers"), Box::new(more)).await;
    let error = change.unwrap_err().to_string();
    assert!(error.contains("share the home"), "{error}");
    assert!(join(&store, "tom", None).await.is_err(), "50 is not 100");
}

#[tokio::test]
async fn codes_are_taken_once_and_better_hashes_change_nothing_else() {
    let (_dir, store) = customers().await;
    let tom = name("tom");
    assert!(store.take_totp_step(&tom, 5).await.unwrap());
    for used in [5, 4] {
        assert!(!store.take_totp_step(&tom, used).await.unwrap(), "{used}");
    }
    assert!(store.take_totp_step(&tom, 6).await.unwrap());
    assert!(!store.take_totp_step(&name("nobody"), 1).await.unwrap());
    store
        .set_recovery_codes(&tom, &["a".into(), "b".into()])
        .await
        .unwrap();
    assert!(store.take_totp_step(&tom, 1).await.unwrap(), "another secret");
    assert!(store.take_recovery_code(&tom, "a").await.unwrap());
    assert!(!store.take_recovery_code(&tom, "a").await.unwrap());
    assert_eq!(store.recovery_codes_left(&tom).await.unwrap(), 1);

    let set = |user: &mut User| {
        user.password_hash = Some(PasswordHash::new("old".into()));
        Ok(())
    };
    let before = store.change_user(&tom, Box::new(set)).await.unwrap().after;
    let seen = store.version().await.unwrap();
    let better = PasswordHash::new("better".into());
    assert!(store.replace_hash(&before, &better).await.unwrap());
    assert!(
        !store.replace_hash(&before, &better).await.unwrap(),
        "it is not the old one any more"
    );
    assert_eq!(store.version().await.unwrap(), seen);
    assert_eq!(
        store.user(&tom).await.unwrap().unwrap().password_hash,
        Some(better)
    );
}

#[tokio::test]
async fn a_change_of_folders_leaves_the_keys_as_they_are() {
    let (_dir, store) = store().await;
    for shared in ["in", "out"] {
        let path = format!("/srv/folders/{shared}");
        store.add_folder(&folder(shared, &path)).await.unwrap();
    }
    for who in ["calvin", "tom"] {
        let keys = vec![format!("key of {who}")];
        store.add_user(&User { keys, ..user(who) }).await.unwrap();
    }
    let rows = async || -> Vec<(i64, String)> {
        sqlx::query_as("SELECT rowid, line FROM user_keys ORDER BY rowid")
            .fetch_all(&store.db.pool)
            .await
            .unwrap()
    };
    let before = rows().await;
    assert_eq!(before.len(), 2);
    let give = |user: &mut User| {
        for shared in ["in", "out"] {
            let folders = &mut user.settings.folders;
            folders.insert(folder_name(shared), PermissionRules::all());
        }
        Ok(())
    };
    let changed = store.change_user(&name("calvin"), Box::new(give)).await.unwrap();
    assert_eq!(changed.after.inherited.folders.len(), 2);
    assert_eq!(rows().await, before);
    let found = store.user(&name("calvin")).await.unwrap().unwrap();
    assert_eq!(found, changed.after);
}
