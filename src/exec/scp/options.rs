//! The options of scp's command line, as getopt(3) reads them for the server's side of scp.

/// The options and the mode of scp, as the client requests them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScpOptions {
    pub(super) role: Role,
    pub(super) recursive: bool,
    pub(super) preserve: bool,
    /// Whether the target must be a directory.
    pub(super) directory: bool,
}

/// The direction of the transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The server receives files, and writes them to the home.
    Sink,
    /// The server sends files, which it reads from the home.
    Source,
}

/// Splits the words into options and names; `None` if scp would reject them.
pub(super) fn options(words: &[Vec<u8>]) -> Option<(ScpOptions, &[Vec<u8>])> {
    let (mut role, mut recursive, mut preserve, mut directory) = (None, false, false, false);
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        let Some(letters) = word.strip_prefix(b"-").filter(|letters| !letters.is_empty()) else {
            break;
        };
        rest = after;
        if letters == b"-" {
            break;
        }
        for letter in letters {
            match letter {
                b't' => role = Some(Role::Sink),
                b'f' => role = Some(Role::Source),
                b'r' => recursive = true,
                b'p' => preserve = true,
                b'd' => directory = true,
                // The client prints verbose output on its own terminal.
                b'v' | b'q' => {}
                _ => return None,
            }
        }
    }
    let options = ScpOptions {
        role: role?,
        recursive,
        preserve,
        directory,
    };
    (!rest.is_empty()).then_some((options, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_getopt_reads_them() {
        let check = |line: &str, expected: Option<(Role, &str, &[&str])>| {
            let words: Vec<Vec<u8>> = line.split(' ').map(|w| w.as_bytes().to_vec()).collect();
            let found = options(&words).map(|(o, names)| {
                let mut flags = String::new();
                for (set, flag) in [(o.recursive, 'r'), (o.preserve, 'p'), (o.directory, 'd')] {
                    if set {
                        flags.push(flag);
                    }
                }
                let names: Vec<String> = names.iter().map(|n| n.escape_ascii().to_string()).collect();
                (o.role, flags, names)
            });
            let expected = expected.map(|(role, flags, names)| {
                (
                    role,
                    flags.to_owned(),
                    names.iter().map(|&n| n.to_owned()).collect(),
                )
            });
            assert_eq!(found, expected, "{line}");
        };
        check("-t .", Some((Role::Sink, "", &["."])));
        check("-v -r -p -d -t x", Some((Role::Sink, "rpd", &["x"])));
        check("-pf a b", Some((Role::Source, "p", &["a", "b"])));
        check("-f -- -x", Some((Role::Source, "", &["-x"])));
        check("-t -", Some((Role::Sink, "", &["-"])));
        check("-t", None);
        check("x", None);
        check("-t -S prog x", None);
    }
}
