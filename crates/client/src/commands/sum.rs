//! `sum`: MD5 of files on the server, computed there, in the words of md5sum; and `df`.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use serde_json::json;

use super::args::{DfArgs, SumArgs};
use super::output::{Style, about, print, print_bytes, print_json, refused};
use super::{Named, Session};
use crate::printable::printable;
use crate::remote::prove::Md5;
use crate::remote::space::Space;
use base::digest;
use base::digest::Algorithm;
use base::error::{Error, Result};
use base::size::Size;
use base::visible::hex;

/// Of the bar that shows how full it is, in characters.
const BAR: u64 = 30;

/// Prints hashes. Returns the exit code.
///
/// # Errors
/// When the server cannot hash, or cannot be asked.
pub async fn sum(session: &Arc<Session>, args: &SumArgs) -> Result<u8> {
    let link = session.link().await?;
    let mut code = 0;
    for word in &args.words {
        for Named { shown, path } in session.matching(&link, word).await? {
            match link.md5(&path, None).await {
                Ok(Some(hash)) if session.output.style == Style::Json => {
                    print_json(&about(&path, json!({ "md5": hex(&hash) })))?;
                }
                Ok(Some(hash)) => print_bytes(&line(&hash, &shown))?,
                Ok(None) => {
                    return Err(
                        Error::new("this server cannot hash").hint("get the file, and use md5sum here")
                    );
                }
                Err(failed) => {
                    code = 1;
                    session.complain(&shown, &failed);
                }
            }
        }
    }
    Ok(code)
}

/// As md5sum prints it.
fn line(hash: &Md5, name: &[u8]) -> Vec<u8> {
    let name = match io::stdout().is_terminal() {
        true => printable(name).into_bytes(),
        false => name.to_vec(),
    };
    digest::line(digest::Style::default(), Algorithm::Md5, hash, &name)
}

/// Shows how much is used and free. Returns the exit code.
///
/// # Errors
/// When the server does not say.
pub async fn df(session: &Arc<Session>, args: &DfArgs) -> Result<u8> {
    let link = session.link().await?;
    let here = [OsString::from(".")];
    let words = if args.words.is_empty() {
        &here[..]
    } else {
        &args.words
    };
    for word in words {
        let path = session.path(word);
        let space = link.space(&path).await.map_err(refused("look for room"))?;
        let Some(space) = space else {
            return Err(Error::new("the server does not say how much room there is"));
        };
        match session.output.style {
            Style::Json => print_json(&about(
                &path,
                json!({ "total_bytes": space.total, "used_bytes": space.used(), "free_bytes": space.free }),
            ))?,
            Style::Words | Style::Quiet => print(&as_bar(space, args.bytes))?,
        }
    }
    Ok(0)
}

fn as_bar(space: Space, bytes: bool) -> String {
    let amount = |amount: u64| {
        if bytes {
            format!("{amount} bytes")
        } else {
            Size(amount).to_string()
        }
    };
    // Wide enough for any product; nothing is divided by zero.
    let part = |of: u64| u128::from(space.used()) * u128::from(of) / u128::from(space.total.max(1));
    let full = usize::try_from(part(BAR)).unwrap_or(0);
    let empty = usize::try_from(BAR).unwrap_or(0).saturating_sub(full);
    format!(
        "[{}{}] {} %  {} of {} used, {} free\n",
        "#".repeat(full),
        "-".repeat(empty),
        part(100),
        amount(space.used()),
        amount(space.total),
        amount(space.free),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_how_full_it_is() {
        let gib = 1 << 30;
        assert_eq!(
            as_bar(
                Space {
                    total: gib,
                    free: gib / 2
                },
                false
            ),
            "[###############---------------] 50 %  512.0 MiB of 1.0 GiB used, 512.0 MiB free\n"
        );
        assert!(as_bar(Space { total: 0, free: 0 }, true).contains("0 %  0 bytes of 0 bytes used"));
        assert!(
            as_bar(
                Space {
                    total: u64::MAX,
                    free: 0
                },
                false
            )
            .contains("100 %")
        );
    }
}
