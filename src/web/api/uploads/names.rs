//! Names beside a name that is taken: `report (1).pdf`.

/// How many names are tried before the client has to choose one.
pub(super) const MOST: u32 = 100;

/// The longest name in bytes that every file system has room for.
const LONGEST: usize = 255;

/// Returns the name with a number in front of its extension. A name that becomes too long loses bytes in front of the
/// number, but no part of a character.
pub(super) fn numbered(name: &[u8], number: u32) -> Vec<u8> {
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&at| at > 0);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let number = format!(" ({number})");
    let rest = number.len() + extension.len();
    // An extension that leaves no room for anything else is none.
    let (stem, extension) = match rest < LONGEST {
        true => (stem, extension),
        false => (name, &b""[..]),
    };
    let room = LONGEST.saturating_sub(number.len() + extension.len());
    [shortened(stem, room), number.as_bytes(), extension].concat()
}

/// Returns the beginning of a name, in at most this many bytes.
fn shortened(name: &[u8], most: usize) -> &[u8] {
    if name.len() <= most {
        return name;
    }
    let is_continuation = |at: &usize| name.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut end = most;
    // A character of UTF-8 has at most three bytes behind its first.
    for _ in 0..3 {
        if is_continuation(&end) {
            end = end.saturating_sub(1);
        }
    }
    name.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_in_front_of_the_extension() {
        let check = |name: &[u8], number: u32, expected: &[u8]| {
            let found = numbered(name, number);
            assert_eq!(found, expected, "{}", found.escape_ascii());
        };
        check(b"report.pdf", 1, b"report (1).pdf");
        check(b"a.tar.gz", 12, b"a.tar (12).gz");
        check(b"README", 3, b"README (3)");
        check(b".profile", 1, b".profile (1)");
        check(b"a.", 1, b"a (1).");
        check(b"\xff\xfe.x", 1, b"\xff\xfe (1).x");
        check(b"report (1).pdf", 1, b"report (1) (1).pdf");
    }

    #[test]
    fn a_name_stays_as_short_as_names_may_be() {
        let check = |name: String| {
            for number in [1, 10, MOST] {
                let found = String::from_utf8(numbered(name.as_bytes(), number)).unwrap();
                assert!(
                    found.len() <= LONGEST && found.contains(&format!(" ({number})")),
                    "{found}"
                );
            }
        };
        check("a".repeat(255));
        check(format!("{}.jpeg", "a".repeat(250)));
        check(format!("{}.x", "é".repeat(126)));
        check(format!("{}.x", "😀".repeat(63)));
        check(format!("a.{}", "x".repeat(253)));
        check(format!("😀.{}", "😀".repeat(62)));
    }
}
