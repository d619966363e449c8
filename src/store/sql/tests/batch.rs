//! Tests that a batch of more records than a statement takes leaves what single writes leave.

use super::*;
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::permission::PermissionRules;
use crate::store::many_rows::MOST_ROWS;
use crate::store::{BatchStore as _, GroupStore as _, RecordWrite, Records, UsageRecord};

/// The number of records of each kind.
const MANY: u32 = 203;

fn folder(number: u32) -> Folder {
    Folder {
        name: format!("f{number}").parse().unwrap(),
        path: format!("/srv/folders/{number}").into(),
        comment: format!("folder {number}"),
        quota: Quota {
            bytes: Some(number.into()),
            files: None,
        },
        creation: CreationChoice {
            dir_mode: (number % 2 == 0).then_some(0o750),
            ..CreationChoice::default()
        },
    }
}

fn given(numbers: impl Iterator<Item = u32>) -> BTreeMap<FolderName, PermissionRules> {
    let folder = |number| (format!("f{number}").parse().unwrap(), PermissionRules::all());
    numbers.map(folder).collect()
}

fn group(number: u32) -> Group {
    let mut group = Group {
        name: format!("g{number}").parse().unwrap(),
        comment: format!("group {number}"),
        settings: MemberSettings::default(),
    };
    group.settings.max_sessions = Some((number + 1).into());
    group.settings.folders = given(0..number % 3);
    group
}

/// A user with none, one or several keys and folders, and often a group.
fn member(number: u32) -> User {
    let keys = (0..number % 4).map(|key| format!("ssh-ed25519 AAAA{number} key {key}"));
    let mut user = User {
        comment: format!("user '{number}' \"ünïcode\""),
        group: (number % 5 != 0).then(|| format!("g{number}").parse().unwrap()),
        password_hash: (number % 2 == 0).then(|| PasswordHash::new(format!("$x${number}"))),
        keys: keys.collect(),
        enabled: number % 7 != 0,
        ..user(&format!("u{number}"))
    };
    user.settings.quota_files = (number % 3 == 0).then_some(Limit(Some(number.into())));
    user.settings.folders = given(number % 2..number % 4);
    user
}

/// Returns all records without their incarnations.
async fn comparable(store: &SqlStore) -> (Vec<Group>, Vec<Folder>, Vec<User>) {
    let Records {
        groups,
        folders,
        users,
        ..
    } = store.records().await.unwrap();
    let same = |user: User| User {
        incarnation: 0,
        ..user
    };
    (groups, folders, users.into_iter().map(same).collect())
}

async fn write(store: &SqlStore, writes: Vec<RecordWrite>) {
    let revision = store.version().await.unwrap();
    assert!(store.write_records(revision, &writes).await.unwrap());
}

#[tokio::test]
async fn a_batch_leaves_what_single_writes_leave() {
    let many = usize::try_from(MANY).unwrap();
    assert!(many > 2 * MOST_ROWS, "more than two statements take");
    let (_dir, one_by_one) = store().await;
    let (_other_dir, at_once) = store().await;
    let mut writes = Vec::new();
    for number in 0..MANY {
        one_by_one.add_folder(&folder(number)).await.unwrap();
        writes.push(RecordWrite::AddFolder(folder(number)));
    }
    for number in 0..MANY {
        one_by_one.add_group(&group(number)).await.unwrap();
        writes.push(RecordWrite::AddGroup(group(number)));
    }
    for number in 0..MANY {
        one_by_one.add_user(&member(number)).await.unwrap();
        writes.push(RecordWrite::AddUser(Box::new(member(number))));
        writes.push(RecordWrite::DeclarePassword {
            user: member(number).name,
            digest: number.to_string(),
        });
    }
    // The order of the writes does not matter.
    writes.reverse();
    write(&at_once, writes).await;
    assert_eq!(comparable(&at_once).await, comparable(&one_by_one).await);
    let records = at_once.records().await.unwrap();
    assert_eq!(records.declared_passwords.len(), many);
    let incarnations: BTreeSet<i64> = records.users.iter().map(|user| user.incarnation).collect();
    assert_eq!(incarnations.len(), many);
    assert!(
        incarnations
            .iter()
            .all(|one| (1..=records.revision).contains(one))
    );
    assert_eq!(at_once.changes_since(0).await.unwrap().users.len(), many);

    // Everything is changed, and the records of users stay those of the same users.
    let mut writes = Vec::new();
    for number in 0..MANY {
        let changed_folder = Folder {
            comment: "changed".into(),
            path: format!("/srv/moved/{number}").into(),
            ..folder(number)
        };
        let changed_group = Group {
            comment: "changed".into(),
            ..group(number)
        };
        let changed_user = User {
            name: member(number).name,
            home: member(number).home,
            ..member(number + 1)
        };
        writes.push(RecordWrite::ChangeFolder(changed_folder.clone()));
        writes.push(RecordWrite::ChangeGroup(changed_group.clone()));
        let group = changed_user.group.clone().filter(|_| number + 1 < MANY);
        let changed_user = User {
            group,
            ..changed_user
        };
        writes.push(RecordWrite::ChangeUser(Box::new(changed_user.clone())));
        let replace = Box::new(move |folder: &mut Folder| {
            *folder = changed_folder.clone();
            Ok(())
        });
        let name: FolderName = format!("f{number}").parse().unwrap();
        one_by_one.change_folder(&name, replace).await.unwrap();
        let replace = Box::new(move |group: &mut Group| {
            *group = changed_group.clone();
            Ok(())
        });
        let name: GroupName = format!("g{number}").parse().unwrap();
        one_by_one.change_group(&name, replace).await.unwrap();
        let replace = Box::new(move |user: &mut User| {
            let incarnation = user.incarnation;
            *user = User {
                incarnation,
                ..changed_user.clone()
            };
            Ok(())
        });
        one_by_one
            .change_user(&member(number).name, replace)
            .await
            .unwrap();
    }
    write(&at_once, writes).await;
    assert_eq!(comparable(&at_once).await, comparable(&one_by_one).await);
    let later = at_once.records().await.unwrap();
    let later: BTreeSet<i64> = later.users.iter().map(|user| user.incarnation).collect();
    assert_eq!(later, incarnations);
}

#[tokio::test]
async fn what_a_batch_removes_is_gone_with_its_use() {
    let (_dir, store) = store().await;
    let mut writes = Vec::new();
    for number in 0..MANY {
        writes.push(RecordWrite::AddFolder(folder(number)));
        writes.push(RecordWrite::AddGroup(group(number)));
        writes.push(RecordWrite::AddUser(Box::new(member(number))));
    }
    write(&store, writes).await;
    let used = |home: PathBuf| UsageRecord {
        home,
        bytes: 7,
        files: 1,
        exact: true,
        measured_at: None,
    };
    let used = [used(member(1).home), used(member(2).home), used(folder(1).path)];
    store.record_usage(&used).await.unwrap();
    let mut writes = Vec::new();
    for number in 1..MANY {
        if number != 2 {
            writes.push(RecordWrite::RemoveUser(member(number).name));
        }
    }
    // The second one loses its group and its folders.
    writes.push(RecordWrite::ChangeUser(Box::new(user("u2"))));
    writes.extend((3..MANY).map(|number| RecordWrite::RemoveGroup(group(number).name)));
    writes.extend((3..MANY).map(|number| RecordWrite::RemoveFolder(folder(number).name)));
    write(&store, writes).await;
    let (groups, folders, users) = comparable(&store).await;
    assert_eq!((groups.len(), folders.len()), (3, 3));
    let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["u0", "u2"]);
    let homes: BTreeSet<PathBuf> = store
        .usages()
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.home)
        .collect();
    assert_eq!(homes, [member(2).home, folder(1).path].into());
    // A record that does not exist takes everything back.
    let writes = [
        RecordWrite::RemoveUser(name("u0")),
        RecordWrite::RemoveUser(name("nobody")),
    ];
    let revision = store.version().await.unwrap();
    assert!(store.write_records(revision, &writes).await.is_err());
    assert_eq!(comparable(&store).await.2.len(), 2);
}
