//! The permissions that `chmod` sets: octal digits, or changes as chmod(1) takes them (`u+x,go-w,a=rX`).

use std::str::FromStr;

/// All bits that can be changed.
const ALL: u32 = 0o7777;
/// The bits that let anybody execute a file.
const EXECUTE: u32 = 0o111;

/// Permissions to set, or a change to those that a file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModeChange {
    /// These permissions, whatever the file has.
    Octal(u32),
    /// Changes, one after the other.
    Symbolic(Vec<Clause>),
}

impl Default for ModeChange {
    fn default() -> Self {
        Self::Symbolic(Vec::new())
    }
}

/// One change: `u+x`, for example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// The bits of the users that are meant: 0o4700 for `u`, 0o2070 for `g`, 0o1007 for `o`.
    who: u32,
    operator: Operator,
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

/// What is added, removed or set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// These bits; with `or_execute` (`X`) the execute bits too, for directories and for files that somebody may
    /// execute.
    Bits { bits: u32, or_execute: bool },
    /// The permissions of the owner (shift 6), of the group (3) or of the others (0).
    Copy { shift: u32 },
}

impl ModeChange {
    /// The permissions of a file that has `mode`, after the change. `mode` is complete, with the type of the file.
    pub fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        let clauses = match self {
            Self::Octal(octal) => return *octal,
            Self::Symbolic(clauses) => clauses,
        };
        clauses.iter().fold(mode & ALL, |mode, clause| {
            let bits = match clause.source {
                Source::Bits { bits, or_execute } => {
                    let executable = or_execute && (is_directory || mode & EXECUTE != 0);
                    bits | if executable { EXECUTE } else { 0 }
                }
                Source::Copy { shift } => {
                    let three = mode >> shift & 0o7;
                    three << 6 | three << 3 | three
                }
            } & clause.who;
            match clause.operator {
                Operator::Add => mode | bits,
                Operator::Remove => mode & !bits,
                Operator::Set => {
                    // As chmod(1) does it, a directory keeps its setgid and setuid bits unless they are named.
                    let kept = if is_directory { 0o6000 } else { 0 };
                    mode & !(clause.who & !kept) | bits
                }
            }
        })
    }

    /// Whether the change needs the permissions that a file has.
    pub fn needs_mode(&self) -> bool {
        matches!(self, Self::Symbolic(_))
    }

    /// Parses the permissions. `umask` is applied where a change does not say whose permissions it changes.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn parse(text: &str, umask: u32) -> Result<Self, String> {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let octal = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= ALL);
            return octal.map(Self::Octal).ok_or_else(wrong);
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            clauses_of(part, umask, &mut clauses).ok_or_else(wrong)?;
        }
        Ok(Self::Symbolic(clauses))
    }
}

impl FromStr for ModeChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, umask())
    }
}

fn wrong() -> String {
    "permissions are octal digits, as in 644 or 0755, or changes, as in u+x,go-w or a=rX".to_owned()
}

/// Parses `who operator permissions`, where operator and permissions may be repeated.
fn clauses_of(part: &str, umask: u32, clauses: &mut Vec<Clause>) -> Option<()> {
    let start = part.find(['+', '-', '='])?;
    let (named, mut rest) = part.split_at(start);
    let mut who = 0;
    for letter in named.chars() {
        who |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => ALL,
            _ => return None,
        };
    }
    if named.is_empty() {
        who = ALL & !umask;
    }
    while let Some(sign) = rest.chars().next() {
        let operator = match sign {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            '=' => Operator::Set,
            _ => return None,
        };
        let after = rest.get(1..)?;
        let end = after.find(['+', '-', '=']).unwrap_or(after.len());
        let (letters, next) = after.split_at(end);
        clauses.push(Clause {
            who,
            operator,
            source: source(letters)?,
        });
        rest = next;
    }
    Some(())
}

fn source(letters: &str) -> Option<Source> {
    match letters {
        "u" => return Some(Source::Copy { shift: 6 }),
        "g" => return Some(Source::Copy { shift: 3 }),
        "o" => return Some(Source::Copy { shift: 0 }),
        _ => {}
    }
    let (mut bits, mut or_execute) = (0, false);
    for letter in letters.chars() {
        bits |= match letter {
            'r' => 0o444,
            'w' => 0o222,
            'x' => EXECUTE,
            's' => 0o6000,
            't' => 0o1000,
            'X' => {
                or_execute = true;
                0
            }
            _ => return None,
        };
    }
    Some(Source::Bits { bits, or_execute })
}

/// The umask of this process, or 022 where the system does not say it.
fn umask() -> u32 {
    // Asking by umask(2) would set it for a moment, for all threads.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok())
        .unwrap_or(0o022)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_those_of_chmod() {
        // Mode, change, result for a file, result for a directory; as coreutils' chmod has them.
        for (mode, change, file, directory) in [
            (0o644, "755", 0o755, 0o755),
            (0o644, "0", 0, 0),
            (0o644, "u+x", 0o744, 0o744),
            (0o777, "go-w", 0o755, 0o755),
            (0o666, "u+x,go-w", 0o744, 0o744),
            (0o640, "a=rX", 0o444, 0o555),
            (0o740, "a=rX", 0o555, 0o555),
            (0o600, "+x", 0o711, 0o711),
            (0o400, "+w", 0o600, 0o600),
            (0o644, "g=u", 0o664, 0o664),
            (0o750, "o=g", 0o755, 0o755),
            (0o644, "u=rwx,g=rx,o=", 0o750, 0o750),
            (0o755, "u-x+s", 0o4655, 0o4655),
            (0o755, "g+s,+t", 0o3755, 0o3755),
            (0o2755, "g=rx", 0o755, 0o2755),
            (0o2755, "g-s", 0o755, 0o755),
            (0o644, "ugo+X", 0o644, 0o755),
            (0o644, "u=", 0o044, 0o044),
        ] {
            let change = ModeChange::parse(change, 0o022).unwrap();
            assert_eq!(change.apply(0o100_000 | mode, false), file, "{change:?}");
            assert_eq!(change.apply(0o040_000 | mode, true), directory, "{change:?}");
        }
        for wrong in ["", "8", "77777", "u", "x+", "u+q", "u+x,", "u+é", "+é"] {
            assert!(ModeChange::parse(wrong, 0).is_err(), "{wrong}");
        }
        assert!(ModeChange::parse("644", 0).is_ok_and(|change| !change.needs_mode()));
    }
}
