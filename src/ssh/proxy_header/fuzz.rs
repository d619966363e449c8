//! The body of the fuzz target for headers of proxies: the parser never asks for a byte behind the header, never for
//! too many, and decides the same in whatever pieces the bytes arrive.

use super::{HeaderError, LONGEST, ProxyHeader, parse};

/// Reads a connection that begins with `data`, in the pieces that the parser asks for, and byte by byte.
pub fn fuzz_proxy_header(data: &[u8]) {
    let at_once = read(data, LONGEST);
    let by_bytes = read(data, 1);
    match (at_once, by_bytes) {
        (Some((length, Ok(header))), other) => assert_eq!(other, Some((length, Ok(header)))),
        // What is wrong may show before a piece is complete, and then with fewer bytes in the message.
        (Some((length, Err(_))), Some((earlier, result))) => {
            assert!(earlier <= length && result.is_err(), "{result:?}");
        }
        (Some((_, Err(error))), None) => panic_free(&error),
        (None, other) => assert!(other.is_none_or(|(_, result)| result.is_err())),
    }
}

/// Returns how many bytes were read, and the result, reading at most `piece` bytes at once; `None` if the data ends
/// within the header.
fn read(data: &[u8], piece: usize) -> Option<(usize, Result<ProxyHeader, HeaderError>)> {
    let mut length = 0;
    loop {
        match parse(data.get(..length)?) {
            Ok(ProxyHeader::Incomplete { more }) => {
                assert!(more > 0 && length + more <= LONGEST, "{more} after {length}");
                length += more.min(piece);
            }
            decided => {
                if let Err(error) = &decided {
                    panic_free(error);
                }
                return Some((length, decided));
            }
        }
    }
}

/// Formats an error, which shows what the peer sent.
fn panic_free(error: &HeaderError) {
    let text = error.to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
