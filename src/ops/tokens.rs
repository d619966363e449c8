//! Tokens: what programs show instead of a user's password. Each is shown once, when it is made.

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::admin;
use super::context::OpsContext;
use crate::domain::event::{AdminAct, Setting, SettingValue};
use crate::domain::token::TokenScope;
use crate::domain::user::UserName;
use crate::store::web::NewToken;
use base::error::{Error, Result};
use base::secret::Secret;

/// What tokens begin with, so that people and programs that search for secrets know them.
const PREFIX: &str = "hpt_";
/// The random bytes of a token: 160 bits, 32 characters of base32.
const BYTES: usize = 20;
/// The most characters of a comment.
const LONGEST_COMMENT: usize = 100;

/// A token that a user is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The name of the user.
    pub user: UserName,
    /// What it may be used for.
    pub scope: TokenScope,
    /// What it is for, in its owner's words.
    pub comment: String,
    /// The time from which it is not accepted any more; `None` if there is none.
    pub expires_at: Option<Timestamp>,
}

/// A token that was made. The text is stored nowhere.
#[derive(Debug)]
pub struct IssuedToken {
    /// The number of the token.
    pub id: i64,
    /// The token itself.
    pub text: Secret,
}

/// Gives a user a token.
///
/// # Errors
/// Returns an error if the comment or the time cannot be used, if the user does not exist or has too many tokens, or if the
/// store refuses.
pub async fn add(request: TokenRequest, context: &OpsContext<'_>) -> Result<IssuedToken> {
    let now = Timestamp::now();
    check(&request, now)?;
    let text = generate()?;
    let TokenRequest {
        user,
        scope,
        comment,
        expires_at,
    } = request;
    let token = NewToken {
        hash: Sha256::digest(text.bytes()).into(),
        user,
        scope,
        comment,
        created_at: now,
        expires_at,
    };
    let id = context.store.add_token(&token).await?;
    let setting = |name: &str, value: SettingValue| Setting {
        name: name.to_owned(),
        value,
    };
    let end = token.expires_at.map(|end| SettingValue::Text(end.to_string()));
    let act = AdminAct {
        what: "token add".to_owned(),
        name: token.user.to_string(),
        before: Vec::new(),
        after: vec![
            setting("token", number(id)),
            setting("scope", SettingValue::Text(scope.name().to_owned())),
            setting("expires_at", end.unwrap_or(SettingValue::Nothing)),
        ],
    };
    admin::record(act, context).await;
    Ok(IssuedToken { id, text })
}

/// Takes a token from a user.
///
/// # Errors
/// Returns an error if the user has no such token, or if the store refuses.
pub async fn remove(user: &UserName, id: i64, context: &OpsContext<'_>) -> Result<()> {
    if !context.store.remove_token(user, id).await? {
        return Err(Error::new(format!("{user} has no token {id}"))
            .hint(format!("homeportd token list {user}"))
            .not_found());
    }
    let act = AdminAct {
        what: "token remove".to_owned(),
        name: user.to_string(),
        before: vec![Setting {
            name: "token".to_owned(),
            value: number(id),
        }],
        after: Vec::new(),
    };
    admin::record(act, context).await;
    Ok(())
}

fn number(id: i64) -> SettingValue {
    SettingValue::Number(u64::try_from(id).unwrap_or_default())
}

fn check(request: &TokenRequest, now: Timestamp) -> Result<()> {
    let cannot = || Error::new("cannot make this token");
    if request.comment.chars().count() > LONGEST_COMMENT || request.comment.chars().any(char::is_control) {
        return Err(cannot()
            .because("its comment is too long, or is more than one line")
            .hint(format!("at most {LONGEST_COMMENT} characters")));
    }
    if request.expires_at.is_some_and(|end| end <= now) {
        return Err(cannot()
            .because("it would have expired already")
            .hint("a later date"));
    }
    Ok(())
}

/// Makes the text of a token.
fn generate() -> Result<Secret> {
    let mut bytes = Zeroizing::new([0u8; BYTES]);
    getrandom::fill(bytes.as_mut_slice())
        .map_err(|error| Error::new("cannot make a token").because(error.to_string()))?;
    let random = Zeroizing::new(BASE32_NOPAD.encode(bytes.as_slice()));
    Ok(Secret::new(format!("{PREFIX}{}", random.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        let text = one.reveal();
        assert!(
            text.starts_with(PREFIX) && text.len() == PREFIX.len() + 32,
            "{text}"
        );
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        );
        assert_ne!(text, two.reveal());
    }

    #[test]
    fn what_a_token_cannot_be_is_said() {
        let now = Timestamp::from_second(1000).unwrap();
        let request = |comment: &str, end: Option<i64>| TokenRequest {
            user: "calvin".parse().unwrap(),
            scope: TokenScope::Files,
            comment: comment.to_owned(),
            expires_at: end.map(|end| Timestamp::from_second(end).unwrap()),
        };
        assert!(check(&request("backup", None), now).is_ok());
        assert!(check(&request("backup", Some(1001)), now).is_ok());
        for wrong in [
            request(&"x".repeat(101), None),
            request("two\nlines", None),
            request("late", Some(1000)),
        ] {
            assert!(check(&wrong, now).is_err(), "{wrong:?}");
        }
    }
}
