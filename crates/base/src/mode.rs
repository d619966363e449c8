//! Formats the permissions of a file as `ls -l` shows them.

/// Returns the ten characters of a mode, as strmode(3) writes them: `kind` first, then `rwx` for user, group and
/// others, with the setuid, setgid and sticky bits in the place of an `x`.
pub fn mode_letters(kind: u8, mode: u32) -> [u8; 10] {
    let bit = |bit: u32, letter: u8| if mode & bit != 0 { letter } else { b'-' };
    let execute = |execute: u32, special: u32, letter: u8| match (mode & execute != 0, mode & special != 0) {
        (false, false) => b'-',
        (true, false) => b'x',
        (true, true) => letter,
        (false, true) => letter.to_ascii_uppercase(),
    };
    [
        kind,
        bit(0o400, b'r'),
        bit(0o200, b'w'),
        execute(0o100, 0o4000, b's'),
        bit(0o040, b'r'),
        bit(0o020, b'w'),
        execute(0o010, 0o2000, b's'),
        bit(0o004, b'r'),
        bit(0o002, b'w'),
        execute(0o001, 0o1000, b't'),
    ]
}

/// Returns the letter for the file type in a mode's upper bits (stat(2)), or `?` if there is none.
pub fn kind_letter(mode: u32) -> u8 {
    match mode & 0o170_000 {
        0o100_000 => b'-',
        0o040_000 => b'd',
        0o120_000 => b'l',
        0o010_000 => b'p',
        0o020_000 => b'c',
        0o060_000 => b'b',
        0o140_000 => b's',
        _ => b'?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_reads_as_ls_prints_it() {
        for (mode, text) in [
            (0o100_644, "-rw-r--r--"),
            (0o040_755, "drwxr-xr-x"),
            (0o120_777, "lrwxrwxrwx"),
            (0o100_000, "----------"),
            (0o041_777, "drwxrwxrwt"),
            (0o106_644, "-rwSr-Sr--"),
            (0o010_600, "prw-------"),
            (0o644, "?rw-r--r--"),
        ] {
            assert_eq!(mode_letters(kind_letter(mode), mode), text.as_bytes(), "{mode:o}");
        }
    }
}
