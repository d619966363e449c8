//! Tests that a batch of more records than a statement takes leaves what single writes leave.

use super::*;
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::Group;
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
            dir_mode: number.is_multiple_of(2).then_some(0o750),
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
        group: (!number.is_multiple_of(5)).then(|| format!("g{number}").parse().unwrap()),
        password_hash: number
            .is_multiple_of(2)
            .then(|| PasswordHash::new(format!("$x${number}"))),
        keys: keys.collect(),
        enabled: !number.is_multiple_of(7),
        ..user(&format!("u{number}"))
    };
    user.settings.quota_files = number.is_multiple_of(3).then_some(Limit(Some(number.into())));
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

/// Two stores with the same records.
struct StorePair {
    one_by_one: SqlStore,
    at_once: SqlStore,
    _dirs: [TempDir; 2],
}

impl StorePair {
    /// Adds records to one store one by one, and to the other one in a batch.
    async fn new() -> Self {
        let (dir, one_by_one) = store().await;
        let (other_dir, at_once) = store().await;
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
        Self {
            one_by_one,
            at_once,
            _dirs: [dir, other_dir],
        }
    }

    async fn are_equal(&self) {
        let (one_by_one, at_once) = (
            comparable(&self.one_by_one).await,
            comparable(&self.at_once).await,
        );
        assert_eq!(at_once, one_by_one);
    }
}

/// Returns the incarnations of all users.
async fn incarnations(store: &SqlStore) -> BTreeSet<i64> {
    let users = store.users().await.unwrap();
    users.iter().map(|user| user.incarnation).collect()
}

#[tokio::test]
async fn a_batch_adds_what_single_writes_add() {
    let many = usize::try_from(MANY).unwrap();
    assert!(many > 2 * MOST_ROWS, "more than two statements take");
    let stores = StorePair::new().await;
    stores.are_equal().await;
    let records = stores.at_once.records().await.unwrap();
    assert_eq!(records.declared_passwords.len(), many);
    let incarnations = incarnations(&stores.at_once).await;
    assert_eq!(incarnations.len(), many);
    assert!(
        incarnations
            .iter()
            .all(|one| (1..=records.revision).contains(one))
    );
    let changes = stores.at_once.changes_since(0).await.unwrap();
    assert_eq!(changes.users.len(), many);
}

/// Returns the folder, the group and the user of a number with settings of others.
fn changed(number: u32) -> (Folder, Group, User) {
    let other = member(number + 1);
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
        group: other.group.clone().filter(|_| number + 1 < MANY),
        ..other
    };
    (changed_folder, changed_group, changed_user)
}

#[tokio::test]
async fn a_batch_changes_what_single_writes_change() {
    let stores = StorePair::new().await;
    let before = incarnations(&stores.at_once).await;
    let mut writes = Vec::new();
    for number in 0..MANY {
        let (folder, group, user) = changed(number);
        writes.push(RecordWrite::ChangeFolder(folder.clone()));
        writes.push(RecordWrite::ChangeGroup(group.clone()));
        writes.push(RecordWrite::ChangeUser(Box::new(user.clone())));
        let (folder_name, group_name, user_name) =
            (folder.name.clone(), group.name.clone(), user.name.clone());
        let replace = Box::new(move |stored: &mut Folder| {
            *stored = folder.clone();
            Ok(())
        });
        let done = stores.one_by_one.change_folder(&folder_name, replace).await;
        assert!(done.unwrap().is_change());
        let replace = Box::new(move |stored: &mut Group| {
            *stored = group.clone();
            Ok(())
        });
        let done = stores.one_by_one.change_group(&group_name, replace).await;
        assert!(done.unwrap().is_change());
        let replace = Box::new(move |stored: &mut User| {
            *stored = User {
                incarnation: stored.incarnation,
                ..user.clone()
            };
            Ok(())
        });
        let done = stores.one_by_one.change_user(&user_name, replace).await;
        assert!(done.unwrap().is_change());
    }
    write(&stores.at_once, writes).await;
    stores.are_equal().await;
    // The records are those of the same users.
    assert_eq!(incarnations(&stores.at_once).await, before);
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
