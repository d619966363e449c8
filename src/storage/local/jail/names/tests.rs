//! Operations on names in a jail.

use std::fs;

use super::*;

/// The fallback must give the same results as the flag.
#[test]
fn without_noreplace_nothing_is_replaced_either() {
    let check = |from: &str, to: &str| {
        let outcome = |rename: fn(&NameInDir<'_>, &NameInDir<'_>) -> SysResult<()>| {
            let home = tempfile::tempdir().unwrap();
            let at = |name: &str| home.path().join(name);
            fs::write(at("file"), "file").unwrap();
            fs::write(at("other"), "other").unwrap();
            fs::create_dir(at("dir")).unwrap();
            fs::create_dir(at("empty")).unwrap();
            std::os::unix::fs::symlink("missing", at("dangling")).unwrap();
            let jail = Jail::open(home.path()).unwrap();
            let place = |path: &str| {
                let path = VirtualPath::parse(path.as_bytes()).unwrap();
                match LastComponent::of(&jail, &path) {
                    Ok(LastComponent::Name(place)) => Ok(place),
                    Ok(_) => panic!("{path}"),
                    Err(errno) => Err(errno),
                }
            };
            let result = place(from).and_then(|from| rename(&from, &place(to)?));
            let mut names: Vec<_> = fs::read_dir(home.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            names.sort();
            assert_eq!(fs::read(at("other")).unwrap(), b"other");
            (result, names)
        };
        let flag = outcome(rename_new);
        assert_eq!(outcome(rename_new_without_flags), flag, "{from} -> {to}");
        flag.0
    };
    assert_eq!(check("file", "new"), Ok(()));
    assert_eq!(check("dir", "new"), Ok(()));
    assert_eq!(check("dangling", "new"), Ok(()));
    assert_eq!(check("file", "other"), Err(Errno::EXIST));
    assert_eq!(check("file", "file"), Err(Errno::EXIST));
    assert_eq!(check("file", "dangling"), Err(Errno::EXIST));
    assert_eq!(check("dir", "empty"), Err(Errno::EXIST));
    assert_eq!(check("dir", "other"), Err(Errno::EXIST));
    assert_eq!(check("dir", "dir/inside"), Err(Errno::INVAL));
    assert_eq!(check("missing", "new"), Err(Errno::NOENT));
}

#[test]
fn a_mode_is_given_to_the_kernel_as_allowed() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let jail = Jail::open(home.path()).unwrap();
    mkdir(&jail, &VirtualPath::parse(b"d").unwrap(), 0o7000).unwrap();
    let mode = fs::metadata(home.path().join("d")).unwrap().permissions().mode();
    assert_eq!(Mode::from_raw_mode(mode), Mode::RUSR | Mode::XUSR);
}
