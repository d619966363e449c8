//! Reading files of public keys.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::output;
use crate::ops::key_files::parse;
use base::error::{Error, Result};
use base::size::Size;

/// The largest file that is read, in bytes: about 2,000 RSA keys.
const MAX_FILE: u64 = 1 << 20;

/// Reads the keys of all files; `-` is standard input. Refused lines are reported on standard error, if other lines of
/// the file are accepted.
///
/// # Errors
/// Returns an error if a file cannot be read, or contains no usable key.
pub fn read(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for file in files {
        let (name, bytes) = if file == Path::new("-") {
            ("standard input".to_owned(), read_limited(std::io::stdin().lock()))
        } else {
            (
                format!("\"{}\"", file.display()),
                File::open(file).and_then(read_limited),
            )
        };
        let bytes = bytes.map_err(|e| Error::new(format!("cannot read keys from {name}")).because(e))?;
        let keys = parse(&name, &bytes)?;
        for line in &keys.refused {
            output::note(&format!(
                "{name}: line {} is left out: {}",
                line.number, line.reason
            ));
        }
        lines.extend(keys.lines);
    }
    Ok(lines)
}

fn read_limited(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        // Reading only a part of the keys would silently leave the others out.
        return Err(std::io::Error::other(format!(
            "it is larger than {}",
            Size(MAX_FILE)
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMd6xXnVT1S/yCl4qB7po332lDM7TUEWm0vjYEfkxSE9 one@a";

    #[test]
    fn of_a_file_that_is_too_large_no_part_is_taken() {
        let text = format!("{ONE}\n{}", "#\n".repeat(1 << 19));
        let error = read_limited(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "it is larger than 1.0 MiB");
        assert_eq!(read_limited(&vec![b'#'; 1 << 20][..]).unwrap().len(), 1 << 20);
    }
}
