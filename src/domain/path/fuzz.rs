//! The body of the fuzz target for paths: no input makes the parser panic, and an accepted path keeps the invariants of
//! [`VirtualPath`].

use super::{MAX_PATH, VirtualPath};

/// Parses `data`, and asserts the properties that the storage relies on.
pub fn fuzz_path(data: &[u8]) {
    let Ok(path) = VirtualPath::parse(data) else {
        assert!(
            data.contains(&0) || data.len() >= MAX_PATH,
            "refused without a reason"
        );
        return;
    };
    let relative = path.relative();
    assert!(!relative.is_empty() && !relative.starts_with(b"/") && !relative.contains(&0));
    assert!(relative.len() < MAX_PATH && relative.len() <= data.len().max(1));
    assert!(!relative.windows(2).any(|pair| pair == b"//"));
    assert!(!relative.windows(3).any(|three| three == b"/./"));
    assert_eq!(path.len(), path.absolute().len());
    if !path.is_root() {
        assert_eq!(VirtualPath::parse(relative).as_ref(), Ok(&path));
    }
    if let Some((parent, name)) = path.split() {
        assert!(!matches!(name, b"" | b"." | b"..") && !name.contains(&b'/'));
        let mut joined = parent.absolute();
        joined.push(b'/');
        joined.extend_from_slice(name);
        // The joined path is one byte longer than the client's, which had no leading slash.
        if joined.len() < MAX_PATH {
            assert_eq!(VirtualPath::parse(&joined), Ok(path.clone()));
        }
    }
    let plain = path.without_dots();
    let mut components = plain.absolute();
    components.remove(0);
    let mut components = components.split(|&byte| byte == b'/');
    assert!(plain.is_root() || components.all(|name| !matches!(name, b"" | b"." | b"..")));
    assert_eq!(plain.without_dots(), plain);
    assert_eq!(path.without_tail().without_tail(), path.without_tail());
}
