//! Patterns and the names that they stand for.

use super::*;

fn check(pattern: &str, name: &str, expected: bool) {
    // A backslash quotes here, too.
    let mut marked = Vec::new();
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => marked.extend(bytes.next().map(|b| (b, true))),
            plain => marked.push((plain, false)),
        }
    }
    let component = Pattern::compile(&marked);
    assert_eq!(
        component.matches(name.as_bytes()),
        expected,
        "{pattern} for {name}"
    );
}

#[test]
fn patterns_match_as_in_a_shell() {
    check("*", "a", true);
    check("*", ".a", false);
    check(".*", ".a", true);
    check("?", ".", false);
    check("[.]a", ".a", false);
    check("a*c", "abbc", true);
    check("a*c", "abcd", false);
    check("*a*b*", "xxaxxbxx", true);
    check("*a*b", "abab", true);
    check("a?c", "abc", true);
    check("a?c", "ac", false);
    check("[a-c]x", "bx", true);
    check("[!a-c]x", "bx", false);
    check("[^a-c]x", "dx", true);
    check("[]]", "]", true);
    check("[a-]", "-", true);
    check("[", "[", true);
    check("f[1].txt", "f1.txt", true);
    check("f[1].txt", "f[1].txt", false);
    check("f\\[1].txt", "f[1].txt", true);
    check("\\*", "*", true);
    check("\\*", "a", false);
    check("", "", true);
    check("**", "abc", true);
}

#[test]
fn hard_patterns_take_no_exponential_time() {
    let hard = |text: &[u8]| -> Pattern {
        let marked: Vec<PatternByte> = text.iter().map(|&b| (b, false)).collect();
        Pattern::compile(&marked)
    };
    let name = [&b"a".repeat(254)[..], b"b"].concat();
    assert!(!hard(&b"*a".repeat(127)).matches(&name));
    assert!(!hard(&b"*[".repeat(60_000)).matches(&name));
    assert!(!hard(&b"[".repeat(120_000)).matches(&b"[".repeat(255)));
    assert!(hard(&b"*".repeat(120_000)).matches(&name));
}

#[test]
fn stars_and_question_marks() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("*", "anything", true),
        ("", "", true),
        ("", "a", false),
        ("*.example.com", "www.example.com", true),
        ("*.example.com", "example.com", false),
        ("10.0.?.1", "10.0.7.1", true),
        ("10.0.?.1", "10.0.77.1", false),
        ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "aXbYbZ", false),
        ("**a", "bba", true),
        ("a?", "a", false),
        ("*aaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
    ] {
        assert_eq!(
            Pattern::of_host(pattern).matches(text.as_bytes()),
            expected,
            "{pattern:?} {text:?}"
        );
    }
}

#[test]
fn a_negated_pattern_rules_out() {
    for (list, text, expected) in [
        (&["*.a", "!x.a"][..], "y.a", true),
        (&["*.a", "!x.a"], "x.a", false),
        (&["!x.a", "*.a"], "x.a", false),
        (&["!x.a"], "y.a", false),
        (&[], "y", false),
    ] {
        assert_eq!(
            matches_host_list(list.iter().copied(), text),
            expected,
            "{list:?} {text:?}"
        );
    }
}

#[test]
fn a_name_that_is_escaped_stands_for_itself() {
    for name in [&b"a*b?[c]\\d~"[..], b"~", b"\\", b"plain", b"\xff*", b""] {
        let word = escape(name);
        assert_eq!(unescape(&word), name);
        assert!(!is_pattern(&parse(&word)));
    }
    assert_eq!(unescape(b"a\\"), b"a\\");
}
