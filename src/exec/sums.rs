//! md5sum, sha1sum, sha256sum and sha512sum, as coreutils prints them. They compute hashes; they do not check lists of
//! hashes.

use super::home_session::HomeSession;
use super::io::{CommandIo, print_error, refuse_option};
use super::options::parse;
use super::script::Program;
use crate::session::stream::{Disconnected, Stream};
use base::digest::{Algorithm, Style, line};

/// The most bytes of the standard input that are hashed at once.
const PIECE: usize = 1 << 20;

/// Runs one of the four programs; returns its exit status.
pub(super) async fn run(
    home: &mut HomeSession,
    io: &mut CommandIo,
    algorithm: Algorithm,
    words: &[Vec<u8>],
) -> Result<u32, Disconnected> {
    let program = Program::Sum(algorithm).name();
    let (style, mut names) = match options(words) {
        Ok(asked) => asked,
        Err(option) => return refuse_option(io, program, option, "-b -t -z --tag").await,
    };
    if names.is_empty() {
        names.push(b"-");
    }
    let mut exit_status = 0;
    for name in names {
        let digest = match name {
            b"-" => standard_input(home, io, algorithm).await?,
            _ => home.hash(name, algorithm).await,
        };
        match digest {
            Ok(digest) => {
                io.output
                    .send(Stream::Output, line(style, algorithm, &digest, name))
                    .await?
            }
            Err(reason) => {
                print_error(io, &format!("{program}: {}: {reason}", quoted(name))).await?;
                exit_status = 1;
            }
        }
    }
    Ok(exit_status)
}

/// Returns the style and the names, or the option that is unknown.
fn options(words: &[Vec<u8>]) -> Result<(Style, Vec<&[u8]>), &[u8]> {
    // `--tag` has no letter of its own, so it gets one here.
    const TAG: u8 = b'T';
    let long = [("binary", b'b'), ("text", b't'), ("zero", b'z'), ("tag", TAG)];
    let asked = parse(words, b"btz", &long)?;
    let style = Style {
        binary: asked.has_last(b'b', b't'),
        tag: asked.has(TAG),
        zero: asked.has(b'z'),
    };
    Ok((style, asked.names))
}

/// Returns a name for a message: in quotation marks if it is not plain, and without control characters.
pub(super) fn quoted(name: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_.,:/@+-%".contains(b) || *b >= 0x80;
    let text: String = String::from_utf8_lossy(name)
        .chars()
        .map(|c| match c.is_control() {
            true => c.escape_default().to_string(),
            false => c.to_string(),
        })
        .collect();
    match !name.is_empty() && name.iter().all(plain) {
        true => text,
        false => format!("'{text}'"),
    }
}

async fn standard_input(
    home: &HomeSession,
    io: &mut CommandIo,
    algorithm: Algorithm,
) -> Result<Result<Vec<u8>, String>, Disconnected> {
    let mut hasher = algorithm.hasher();
    loop {
        let pieces = io.input.pieces(PIECE).await?;
        if pieces.is_empty() {
            return Ok(Ok(hasher.finalize().to_vec()));
        }
        let digested = home.compute(move || {
            pieces.iter().for_each(|piece| hasher.update(piece));
            hasher
        });
        match digested.await {
            Some(back) => hasher = back,
            None => return Ok(Err("the server could not compute it".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_coreutils() {
        let check = |flags: &[&str], name: &[u8], expected: &[u8]| {
            let words: Vec<Vec<u8>> = flags.iter().map(|flag| flag.as_bytes().to_vec()).collect();
            let (style, _) = options(&words).unwrap();
            let made = line(style, Algorithm::Md5, &[0xab, 1], name);
            assert_eq!(
                made.escape_ascii().to_string(),
                expected.escape_ascii().to_string()
            );
        };
        check(&[], b"a b", b"ab01  a b\n");
        check(&["-b"], b"-", b"ab01 *-\n");
        check(&["-bt"], b"x", b"ab01  x\n");
        check(&[], b"a\\b\nc", b"\\ab01  a\\\\b\\nc\n");
        check(&["--tag"], b"a\\b", b"\\MD5 (a\\\\b) = ab01\n");
        check(&["-z"], b"a\nb\xff", b"ab01  a\nb\xff\0");
    }

    #[test]
    fn names_in_messages_obey_no_terminal() {
        assert_eq!(quoted(b"a/b.txt"), "a/b.txt");
        assert_eq!(quoted("caf\u{e9} au lait".as_bytes()), "'caf\u{e9} au lait'");
        assert_eq!(quoted(b"\x1b[2J\n"), "'\\u{1b}[2J\\n'");
        assert_eq!(quoted(b""), "''");
    }
}
