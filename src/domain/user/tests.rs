use super::*;
use base::size::Size;

#[test]
fn names_are_portable() {
    for good in [
        "calvin",
        "a",
        "A.b_c-9",
        "0",
        "_x",
        "user@example.com",
        "x+y",
        "a@b@c",
        "x-",
        &"x".repeat(128),
    ] {
        assert_eq!(good.parse::<UserName>().unwrap().as_str(), good);
    }
    for bad in [
        "",
        "-a",
        ".",
        "..",
        ".a",
        "@a",
        "+a",
        "a:b",
        "a\\b",
        "a%b",
        "~a",
        "a/b",
        "a b",
        "é",
        "a\0",
        "a\n",
        &"x".repeat(129),
    ] {
        assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
    }
    // A store that was written by an older version may hold such a name.
    assert_eq!(UserName::stored(".a").unwrap().as_str(), ".a");
    assert!(!UserName::stored(".a").unwrap().is_assignable());
    assert!(UserName::stored("a").unwrap().is_assignable());
    for bad in [
        "",
        ".",
        "..",
        "-a",
        "./a",
        ".a b",
        &format!(".{}", "x".repeat(128)),
    ] {
        assert!(UserName::stored(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn sizes_are_read_and_shown() {
    let check = |text: &str, bytes: u64| assert_eq!(text.parse::<Size>().unwrap(), Size(bytes), "{text}");
    check("512", 512);
    check("0", 0);
    check("10MiB", 10 << 20);
    check("1GiB", 1 << 30);
    check("1G", 1 << 30);
    check("2k", 2048);
    for bad in ["", "G", "-1", "1.5G", "1X", "99999999999999999999", "99999999P"] {
        assert!(bad.parse::<Size>().is_err(), "{bad}");
    }
    assert_eq!(Size(1 << 30).to_string(), "1.0 GiB");
    assert_eq!(Size(512).to_string(), "512 B");
    assert_eq!(Size(1536).to_string(), "1.5 KiB");
    assert_eq!(Size(0).to_string(), "0 B");
}

#[test]
fn limits_are_read() {
    let check = |text: &str, expected: Option<u64>| {
        let limit: Limit<Size> = text.parse().unwrap();
        assert_eq!(limit.0.map(|size| size.0), expected, "{text}");
    };
    check("unlimited", None);
    check("0", Some(0));
    check("1GiB", Some(1 << 30));
    for bad in ["", "-1", "lots", "16383P", "9223372036854775808"] {
        assert!(bad.parse::<Limit<Size>>().is_err(), "{bad}");
    }
    assert_eq!("7".parse::<Limit<u64>>().unwrap(), Limit(Some(7)));
    assert_eq!("unlimited".parse::<Limit<u64>>().unwrap(), Limit(None));
    for bad in ["", "1.5", "-1", "9223372036854775808"] {
        assert!(bad.parse::<Limit<u64>>().is_err(), "{bad}");
    }
}
