//! The tokens of users: adding, listing, removing. A token is shown once; the store has its hash.

use jiff::Timestamp;

use super::admin;
use super::context::OpsContext;
use super::users::change::{ConfirmedChange, StoredChange, UserChange, require_local};
use crate::auth::tokens::AccessToken;
use crate::domain::event::{AdminAct, Setting, SettingValue};
use crate::domain::token::TokenScope;
use crate::domain::user::UserName;
use crate::store::web::TokenRecord;
use base::error::{Error, Result};

/// A token that is to be added.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The name of the user.
    pub user: UserName,
    /// What the token allows.
    pub scope: TokenScope,
    /// A remark for operators.
    pub comment: String,
    /// The time from which the token is not accepted; `None` if it does not expire.
    pub expires_at: Option<Timestamp>,
}

/// A token that was added.
#[derive(Debug)]
pub struct AddedToken {
    /// What the store has of it.
    pub view: TokenView,
    /// The token itself, which nothing shows again.
    pub token: AccessToken,
}

/// The view of a token. It contains neither the token nor its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenView {
    /// The number by which commands name the token.
    pub id: i64,
    /// The name of the user.
    pub user: UserName,
    /// What the token allows.
    pub scope: TokenScope,
    /// A remark for operators.
    pub comment: String,
    /// The time at which the token was added.
    pub created_at: Timestamp,
    /// The time from which the token is not accepted.
    pub expires_at: Option<Timestamp>,
    /// The time at which the token was last used, to about a minute.
    pub last_used_at: Option<Timestamp>,
}

impl From<TokenRecord> for TokenView {
    fn from(record: TokenRecord) -> Self {
        Self {
            id: record.id,
            user: record.user,
            scope: record.scope,
            comment: record.comment,
            created_at: record.created_at,
            expires_at: record.expires_at,
            last_used_at: record.last_used_at,
        }
    }
}

/// Adds a token. It is in force at once; no session has to learn of it.
///
/// # Errors
/// Returns an error if there is no such user, if an outside source judges the user, if the scope is not for the user, if
/// the time has passed, or if the store refuses.
pub async fn add(new: NewToken, context: &OpsContext<'_>) -> Result<AddedToken> {
    let user = context.user(&new.user).await?;
    require_local(&user)?;
    let cannot = || Error::new(format!("cannot add a token of {}", new.user));
    if new.scope == TokenScope::Admin && !user.is_admin {
        return Err(cannot()
            .because("the scope admin is for administrators, and the user is not one".to_owned())
            .hint(format!("homeportd user set {} --admin", new.user)));
    }
    let now = whole_second(Timestamp::now());
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(cannot().because("it would have expired already".to_owned()));
    }
    let token = AccessToken::generate()?;
    let mut record = TokenRecord {
        id: 0,
        user: user.name,
        incarnation: user.incarnation,
        hash: token.hash(),
        scope: new.scope,
        comment: new.comment,
        created_at: now,
        expires_at: new.expires_at.map(whole_second),
        last_used_at: None,
    };
    record.id = context.store.add_token(&record).await?;
    let view = TokenView::from(record);
    admin::record(act("token add", &view, true), context).await;
    Ok(AddedToken { view, token })
}

/// Returns the tokens of a user, or of all users, in the order of their users' names and their numbers.
///
/// # Errors
/// Returns an error if there is no such user, or if the store cannot be read.
pub async fn list(name: Option<&UserName>, context: &OpsContext<'_>) -> Result<Vec<TokenView>> {
    if let Some(name) = name {
        context.user(name).await?;
    }
    let tokens = context.store.tokens(name).await?;
    Ok(tokens.into_iter().map(TokenView::from).collect())
}

/// Removes a token, and ends what it does on the running server.
///
/// # Errors
/// Returns an error if there is no such user, if the user has no such token, or if the store refuses.
pub async fn remove(name: &UserName, id: i64, context: &OpsContext<'_>) -> Result<ConfirmedChange> {
    let tokens = list(Some(name), context).await?;
    let no_such_token = || {
        Error::new(format!("{name} has no token {id}"))
            .hint(format!("homeportd token list {name}"))
            .not_found()
    };
    let view = tokens
        .iter()
        .find(|token| token.id == id)
        .ok_or_else(no_such_token)?;
    if !context.store.remove_token(name, id).await? {
        // Another command was faster.
        return Err(no_such_token());
    }
    let act = act("token remove", view, false);
    StoredChange::new(name, UserChange::TokenRemoved(id), true)
        .recorded_as(act, context)
        .confirm(context.server)
        .await
}

/// The store has whole seconds.
fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Describes a change of a token, without the token.
fn act(what: &str, token: &TokenView, is_added: bool) -> AdminAct {
    let time = |time: Option<Timestamp>| {
        time.map_or(SettingValue::Nothing, |time| SettingValue::Text(time.to_string()))
    };
    let settings = [
        (
            "id",
            SettingValue::Number(u64::try_from(token.id).unwrap_or_default()),
        ),
        ("scope", SettingValue::Text(token.scope.name().to_owned())),
        ("comment", SettingValue::Text(token.comment.clone())),
        ("expires_at", time(token.expires_at)),
    ];
    let settings: Vec<Setting> = settings
        .into_iter()
        .map(|(name, value)| Setting {
            name: name.to_owned(),
            value,
        })
        .collect();
    let (before, after) = match is_added {
        true => (Vec::new(), settings),
        false => (settings, Vec::new()),
    };
    AdminAct {
        what: what.to_owned(),
        name: token.user.to_string(),
        before,
        after,
    }
}
