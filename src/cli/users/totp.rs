//! `homeportd user totp …`: shows a new second factor, once.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Read};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{qr, text};
use crate::auth::totp::TotpSecret;
use crate::cli::output;
use crate::domain::user::UserName;
use crate::ops::users::totp::Enrolment;
use crate::shapes::json::ChangeJson;
use base::error::{Error, Result};

/// The most bytes that are read of a secret: the longest in base32, in groups.
const LONGEST_SECRET: u64 = 256;

/// Reads a secret in base32 from standard input.
///
/// # Errors
/// Returns an error if it cannot be read or is refused.
pub fn secret_from_stdin() -> Result<TotpSecret> {
    let mut text = Zeroizing::new(String::new());
    let read = std::io::stdin()
        .lock()
        .take(LONGEST_SECRET)
        .read_to_string(&mut text);
    read.map_err(|e| Error::new("cannot read the TOTP secret").because(e))?;
    TotpSecret::from_base32(text.trim())
}

/// A new second factor, as `user totp enroll --json` prints it.
#[derive(Serialize)]
struct EnrolmentJson<'a> {
    #[serde(flatten)]
    change: ChangeJson<'a>,
    url: &'a str,
    secret: &'a str,
    recovery_codes: Vec<&'a str>,
}

/// Prints a new second factor. It is printed even if the server has not confirmed it, because it is stored.
///
/// # Errors
/// Returns an error if it cannot be printed, or if the server has not confirmed it.
pub fn print(name: &UserName, enrolment: Enrolment, json: bool) -> Result<String> {
    let url = enrolment.secret.url(name.as_str());
    let change = match enrolment.change.as_ref() {
        Ok(change) => change,
        // The secret would be lost with the error.
        Err(_) => {
            output::print(&as_text(&url, &enrolment, false))?;
            return enrolment.change.map(|_| String::new());
        }
    };
    if json {
        let codes: Vec<_> = enrolment.codes.iter().map(|code| code.shown()).collect();
        let secret = enrolment.secret.base32();
        return output::json(&EnrolmentJson {
            change: ChangeJson::from(change),
            url: &url,
            secret: &secret,
            recovery_codes: codes.iter().map(|code| code.as_str()).collect(),
        });
    }
    let is_terminal = std::io::stdout().is_terminal();
    Ok(format!(
        "{}{}",
        text::change(change),
        as_text(&url, &enrolment, is_terminal)
    ))
}

fn as_text(url: &str, enrolment: &Enrolment, is_terminal: bool) -> String {
    let mut shown = String::from("\n");
    if let Some(code) = qr::for_terminal(url).filter(|_| is_terminal) {
        shown.push_str("Let an authenticator application read this:\n\n");
        shown.push_str(&code);
        shown.push('\n');
    }
    // Writing into a string does not fail.
    let _ = writeln!(shown, "url            {url}");
    let _ = writeln!(shown, "secret         {}", enrolment.secret.base32().as_str());
    shown.push_str("\nRecovery codes: each takes the place of one code, once.\n");
    for code in &enrolment.codes {
        let _ = writeln!(shown, "    {}", code.shown().as_str());
    }
    shown.push_str("\nThis is not shown again. Keep the recovery codes apart from the device.\n");
    shown
}
