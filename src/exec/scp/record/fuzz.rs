//! The body of the fuzz target for scp: no line makes the parser panic, and a parsed record is parsed again when it is
//! written as scp writes it.

use super::{FileTimes, Record, is_name, parse};

/// Parses each line of `data` as a record, writes it again, and asserts that the same record is parsed.
pub fn fuzz_scp(data: &[u8]) {
    for line in data.split(|&byte| byte == b'\n') {
        let Ok(record) = parse(line) else { continue };
        let again = match &record {
            Record::Times(FileTimes { modified, accessed }) => {
                format!("T{modified} 0 {accessed} 0").into_bytes()
            }
            Record::File { mode, size, name } => {
                assert!(*mode <= 0o7777 && i64::try_from(*size).is_ok());
                [format!("C{mode:04o} {size} ").as_bytes(), name].concat()
            }
            Record::Directory { mode, name } => [format!("D{mode:04o} 0 ").as_bytes(), name].concat(),
            Record::Up => b"E".to_vec(),
            Record::Warning => vec![1],
            Record::Fatal => vec![2],
        };
        assert_eq!(parse(&again).as_ref(), Ok(&record), "{}", line.escape_ascii());
        if let Record::File { name, .. } | Record::Directory { name, .. } = record {
            assert!(!is_name(name) || !name.contains(&b'/'));
        }
    }
}
