use std::fs;

use super::*;
use crate::domain::group::Group;
use crate::domain::settings::MemberSettings;
use crate::domain::user::Quota;

struct FoldersFixture {
    dir: tempfile::TempDir,
    installation: Installation,
}

impl FoldersFixture {
    /// A server with homes in `homes` and a root `srv`.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let mut installation = Installation::default();
        installation.storage.homes = root.join("homes");
        installation.storage.roots = vec![root.join("srv")];
        installation.store.path = "/nowhere/data/homeport.db".into();
        installation.host_keys = "/nowhere/hostkeys".into();
        installation.config_file = "/nowhere/homeportd.toml".into();
        fs::create_dir_all(root.join("homes/alice")).unwrap();
        fs::create_dir_all(root.join("srv")).unwrap();
        Self { dir, installation }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn folder(&self, name: &str, path: &str) -> Folder {
        Folder {
            name: name.parse().unwrap(),
            path: self.path(path),
            comment: String::new(),
            quota: Quota::default(),
            creation: CreationChoice::default(),
        }
    }

    /// A user whose group has these folders and permissions.
    fn alice(&self, folders: &[Folder], permissions: &[(&str, &str)]) -> User {
        let rules = permissions
            .iter()
            .map(|(path, names)| (path.parse().unwrap(), names.parse().unwrap()));
        let rules: PermissionRules = rules.collect();
        let group = Group {
            name: "staff".parse().unwrap(),
            comment: String::new(),
            settings: MemberSettings {
                permissions: (!rules.is_empty()).then_some(rules),
                folders: folders
                    .iter()
                    .map(|folder| (folder.name.clone(), PermissionRules::all()))
                    .collect(),
                ..MemberSettings::default()
            },
        };
        let mut alice = User::blank("alice".parse().unwrap());
        alice.home = self.path("homes/alice");
        alice.group = Some(group.name.clone());
        alice.inherited.group = Some(group);
        alice.inherited.folders = folders.to_vec();
        alice
    }

    fn findings(&self, users: &[User], folders: &[Folder]) -> (Vec<String>, Vec<String>) {
        let mut report = Report::default();
        check(&self.installation, users, folders, &mut report);
        (report.errors, report.warnings)
    }
}

#[test]
fn a_good_folder_is_no_finding_and_a_missing_one_is() {
    let f = FoldersFixture::new();
    let team = f.folder("team", "srv/team");
    fs::create_dir(&team.path).unwrap();
    let users = [f.alice(std::slice::from_ref(&team), &[])];
    let folders = [team];
    assert_eq!(f.findings(&users, &folders), (vec![], vec![]));
    fs::remove_dir(&folders[0].path).unwrap();
    let (errors, _) = f.findings(&users, &folders);
    assert!(errors[0].starts_with("folder team: the directory"), "{errors:?}");
    assert!(errors[0].contains("is missing (hint:"), "{errors:?}");
    // Nobody misses it.
    let (errors, warnings) = f.findings(&[], &folders);
    assert_eq!((errors.len(), warnings.len()), (0, 1));
    fs::write(&folders[0].path, "").unwrap();
    let (errors, _) = f.findings(&users, &folders);
    assert!(errors[0].contains("is not a directory"), "{errors:?}");
}

#[test]
fn a_folder_lies_beneath_a_root_and_outside_of_homes_and_folders() {
    let f = FoldersFixture::new();
    let users = [f.alice(&[], &[])];
    let check = |folders: &[(&str, &str)], expected: &str| {
        let folders: Vec<Folder> = folders.iter().map(|(name, path)| f.folder(name, path)).collect();
        folders
            .iter()
            .for_each(|folder| fs::create_dir_all(&folder.path).unwrap());
        let (errors, _) = f.findings(&users, &folders);
        assert!(errors.iter().any(|error| error.contains(expected)), "{errors:?}");
    };
    check(&[("x", "elsewhere")], "cannot be a folder: it is not beneath");
    check(&[("x", "homes/alice/in")], "overlaps with the home of user alice");
    check(&[("x", "srv/a"), ("y", "srv/a/b")], "overlaps with the folder x");
    check(&[("y", "srv/a/b"), ("x", "srv/a")], "overlaps with the folder y");
}

#[test]
fn what_a_folder_hides_and_directories_that_are_not_there_are_named() {
    let f = FoldersFixture::new();
    let team = f.folder("team", "srv/team");
    fs::create_dir(&team.path).unwrap();
    fs::write(f.path("homes/alice/team"), "").unwrap();
    let alice = f.alice(std::slice::from_ref(&team), &[("/", "list"), ("/in", "all")]);
    let mut bob = f.alice(&[], &[("/in", "all")]);
    bob.name = "bob".parse().unwrap();
    let folders = [team];
    let (errors, warnings) = f.findings(&[alice.clone(), bob], &folders);
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].starts_with("user alice: the folder team hides"),
        "{warnings:?}"
    );
    assert!(
        warnings[1]
            .starts_with("group staff: there are permissions for \"/in\", and for 2 users, such as alice"),
        "{warnings:?}"
    );
    fs::create_dir(f.path("homes/alice/in")).unwrap();
    fs::remove_file(f.path("homes/alice/team")).unwrap();
    assert_eq!(f.findings(&[alice], &folders), (vec![], vec![]));
}

#[test]
fn a_group_of_the_system_that_is_gone_is_named() {
    let f = FoldersFixture::new();
    let mut team = f.folder("team", "srv/team");
    fs::create_dir(&team.path).unwrap();
    team.creation.file_group = Some("no-such-group".to_owned());
    let (errors, _) = f.findings(&[], &[team]);
    assert!(
        errors[0].contains("there is no group \"no-such-group\""),
        "{errors:?}"
    );
}

#[test]
fn a_home_that_is_a_fifo_is_not_waited_for() {
    let f = FoldersFixture::new();
    let mut alice = f.alice(&[], &[("/", "list,read"), ("/In", "none")]);
    alice.home = f.path("homes/fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(CWD, &alice.home, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let mut report = Report::default();
    without_case(&[alice], |_| true, &mut report);
    assert!(report.errors.is_empty(), "{report:?}");
}

#[test]
fn permissions_by_directory_where_case_is_ignored_are_errors() {
    let f = FoldersFixture::new();
    let team = f.folder("team", "srv/team");
    fs::create_dir(&team.path).unwrap();
    let found = |user: &User, probe: CaseProbe| {
        let mut report = Report::default();
        without_case(std::slice::from_ref(user), probe, &mut report);
        report.errors
    };
    let mut alice = f.alice(
        std::slice::from_ref(&team),
        &[("/", "list,read"), ("/In", "none")],
    );
    let home = "group staff: permissions differ by directory, and for user alice the file system ignores the case of names \
                in \"/\": other letters would avoid them";
    let errors = found(&alice, |_| true);
    assert!(errors.len() == 1 && errors[0].starts_with(home), "{errors:#?}");
    let in_team = [("/", "all"), ("/In", "none")];
    let in_team = in_team.map(|(path, set)| (path.parse::<RulePath>().unwrap(), set.parse().unwrap()));
    let in_team: PermissionRules = in_team.into_iter().collect();
    alice.settings.folders.insert(team.name.clone(), in_team);
    let errors = found(&alice, |_| true);
    assert!(
        errors.len() == 2 && errors[1].starts_with("user alice, folder team: permissions differ"),
        "{errors:#?}"
    );
    assert_eq!(found(&alice, ignores_case), [] as [String; 0]);
    let uniform = f.alice(&[team], &[("/", "list,read")]);
    assert_eq!(found(&uniform, |_| true), [] as [String; 0]);
}
