use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;

use super::records::DosTime;
use super::*;

/// Reads an archive with another implementation: a line for each entry, with the bytes of its name in hexadecimal
/// digits, its size, mode and time.
const LIST: &str = "
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
for entry in archive.infolist():
    name = entry.orig_filename.encode('utf-8' if entry.flag_bits & 0x800 else 'cp437')
    time = '%04d-%02d-%02d %02d:%02d:%02d' % entry.date_time
    print(name.hex(), entry.file_size, oct(entry.external_attr >> 16), time)
";

/// Reads all files and compares their checksums, and prints the number of entries.
const TEST: &str = "
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
print(archive.testzip(), len(archive.infolist()))
";

/// Prints what a file has.
const READ: &str = "
import sys, zipfile
print(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]).decode())
";

fn python(script: &str, archive: &Path, arguments: &[&str]) -> String {
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(archive)
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn file(size: u64) -> ZipMember {
    ZipMember {
        kind: ZipKind::File { size },
        // 2026-01-02 03:04:06.
        mtime: 1_767_323_046,
        mode: 0o104_640,
    }
}

fn directory() -> ZipMember {
    ZipMember {
        kind: ZipKind::Directory,
        ..file(0)
    }
}

/// Adds a file with this content.
fn put(zip: &mut ZipLayout, out: &mut Vec<u8>, name: &str, content: &[u8]) {
    let size = content.len() as u64;
    out.extend_from_slice(&zip.entry(name.as_bytes(), &file(size)).unwrap());
    out.extend_from_slice(content);
    let mut crc = flate2::Crc::new();
    crc.update(content);
    out.extend_from_slice(&zip.finish_entry(crc.sum(), size).unwrap());
}

/// Ends the archive, and writes it to a file.
fn stored(zip: ZipLayout, mut out: Vec<u8>) -> tempfile::NamedTempFile {
    for piece in zip.end().unwrap() {
        out.extend_from_slice(&piece);
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&out).unwrap();
    file
}

#[test]
fn another_program_reads_what_is_written() {
    let mut zip = ZipLayout::new();
    let mut out = Vec::new();
    out.extend_from_slice(&zip.entry(b"docs", &directory()).unwrap());
    put(&mut zip, &mut out, "docs/hello.txt", b"hello\n");
    put(&mut zip, &mut out, "docs/é", b"");
    out.extend_from_slice(&zip.entry(b"docs/caf\xe9", &file(10)).unwrap());
    // The file has become shorter; these are its CRC and size.
    out.extend_from_slice(b"a");
    out.extend_from_slice(&zip.finish_entry(0xe8b7_be43, 1).unwrap());
    let archive = stored(zip, out);
    let listed = python(LIST, archive.path(), &[]);
    let time = "2026-01-02 03:04:06";
    let expected = [
        format!("{} 0 0o40640 {time}", base::visible::hex(b"docs/")),
        format!("{} 6 0o100640 {time}", base::visible::hex(b"docs/hello.txt")),
        format!("{} 0 0o100640 {time}", base::visible::hex("docs/é".as_bytes())),
        format!("{} 1 0o100640 {time}", base::visible::hex(b"docs/caf\xe9")),
    ];
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);
    assert_eq!(python(TEST, archive.path(), &[]), "None 4\n");
    assert_eq!(python(READ, archive.path(), &["docs/hello.txt"]), "hello\n\n");
}

#[test]
fn an_empty_archive_is_one() {
    let archive = stored(ZipLayout::new(), Vec::new());
    assert_eq!(archive.as_file().metadata().unwrap().len(), 22);
    assert_eq!(python(TEST, archive.path(), &[]), "None 0\n");
}

#[test]
fn an_archive_has_more_than_65535_entries() {
    let mut zip = ZipLayout::new();
    let mut out = Vec::new();
    for number in 0..70_000 {
        put(&mut zip, &mut out, &format!("file-{number}"), b"x");
    }
    let archive = stored(zip, out);
    assert_eq!(python(TEST, archive.path(), &[]), "None 70000\n");
}

#[test]
fn files_and_archives_are_larger_than_4_gib() {
    const LARGE: u64 = 5 << 30;
    let mut zip = ZipLayout::new();
    let temporary = tempfile::NamedTempFile::new().unwrap();
    let mut archive: &File = temporary.as_file();
    archive
        .write_all(&zip.entry(b"large", &file(LARGE)).unwrap())
        .unwrap();
    // The bytes of the file are a hole.
    archive
        .seek(SeekFrom::Current(LARGE.try_into().unwrap()))
        .unwrap();
    let descriptor = zip.finish_entry(0, LARGE).unwrap();
    assert_eq!(descriptor.len(), 24);
    archive.write_all(&descriptor).unwrap();
    let mut out = Vec::new();
    put(&mut zip, &mut out, "behind", b"hello");
    archive.write_all(&out).unwrap();
    for piece in zip.end().unwrap() {
        archive.write_all(&piece).unwrap();
    }
    let listed = python(LIST, temporary.path(), &[]);
    let sizes: Vec<&str> = listed
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(sizes, [LARGE.to_string().as_str(), "5"]);
    assert_eq!(python(READ, temporary.path(), &["behind"]), "hello\n");
}

#[test]
fn sizes_have_64_bits_only_where_they_need_them() {
    let limit = u64::from(u32::MAX);
    for (announced, sent, length) in [
        (0, 0, 16),
        (limit - 1, limit - 1, 16),
        (limit, limit, 24),
        (limit, 5, 24),
    ] {
        let mut zip = ZipLayout::new();
        zip.entry(b"a", &file(announced)).unwrap();
        let descriptor = zip.finish_entry(0x0403_0201, sent).unwrap();
        assert_eq!(descriptor.len(), length, "{announced}");
        assert_eq!(&descriptor[..8], b"PK\x07\x08\x01\x02\x03\x04");
    }
}

#[test]
fn names_lead_nowhere_else() {
    let mut zip = ZipLayout::new();
    for name in [
        "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", "a\0b", "..\\a", "a\\..\\b",
        "\\a", "a/..\\b",
    ] {
        assert_eq!(
            zip.entry(name.as_bytes(), &file(0)),
            Err(ZipError::Name),
            "{name}"
        );
    }
    assert_eq!(zip.entry(&[b'a'; 4097], &file(0)), Err(ZipError::LongName));
    for name in ["a", "...", "a\\b", ".a", "a..", "..a/b"] {
        zip.entry(name.as_bytes(), &directory()).unwrap();
    }
    assert_eq!(zip.entry(b"a", &directory()), Err(ZipError::Duplicate));
    assert_eq!(zip.entry(b"a", &file(0)), Err(ZipError::Duplicate));
    // What was refused has left nothing behind.
    let mut out = Vec::new();
    let mut again = ZipLayout::new();
    put(&mut again, &mut out, "b", b"x");
    assert_eq!(again.entry(b"b", &file(0)), Err(ZipError::Duplicate));
    assert_eq!(python(TEST, stored(again, out).path(), &[]), "None 1\n");
}

#[test]
fn what_is_out_of_order_is_refused() {
    let mut zip = ZipLayout::new();
    assert_eq!(zip.finish_entry(0, 0), Err(ZipError::Order));
    zip.entry(b"a", &file(1)).unwrap();
    assert_eq!(zip.entry(b"b", &file(1)), Err(ZipError::Order));
    assert_eq!(zip.finish_entry(0, 2), Err(ZipError::Grown));
    assert_eq!(zip.end().err(), Some(ZipError::Order));
    let mut zip = ZipLayout::new();
    zip.entry(b"a", &file(1)).unwrap();
    assert_eq!(zip.end().err(), Some(ZipError::Order));
}

#[test]
fn what_is_kept_has_a_limit() {
    let mut zip = ZipLayout::new();
    let name = "n".repeat(LONGEST_NAME);
    let kept = ZipLayout::kept_bytes(name.as_bytes());
    assert!(kept >= LONGEST_NAME + 46 && kept < LONGEST_NAME + 200, "{kept}");
    zip.entry(name.as_bytes(), &directory()).unwrap();
    let held: usize = zip.directory.iter().map(|piece| piece.len()).sum();
    assert!(held <= kept, "{held} {kept}");
    zip.entries = MOST_ENTRIES;
    assert_eq!(zip.entry(b"a", &directory()), Err(ZipError::TooMany));
}

#[test]
fn times_are_those_of_dos() {
    let check = |seconds: i64, date: u16, time: u16| {
        assert_eq!(DosTime::of(seconds), DosTime { date, time }, "{seconds}");
    };
    check(0, 0x0021, 0);
    check(i64::MIN, 0x0021, 0);
    // 1980-01-01 00:00:02 and 2026-01-02 03:04:06.
    check(315_532_802, 0x0021, 1);
    check(1_767_323_046, (46 << 9) | (1 << 5) | 2, (3 << 11) | (4 << 5) | 3);
    check(i64::MAX, 0xff9f, 0xbf7d);
    check(5_000_000_000, 0xff9f, 0xbf7d);
}
