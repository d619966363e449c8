//! Users as they are shown.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ipnet::IpNet;
use jiff::Timestamp;

use crate::domain::user::{Factor, Permissions, Quota, User, UserName};
use crate::ops::context::OpsContext;
use crate::ops::keys::KeyView;
use crate::ops::quota;
use crate::ops::usage::HomeUsage;
use base::error::{Error, Result};

/// A user as it is shown. Nothing secret is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// The name of the user.
    pub name: UserName,
    /// Whether the user can sign in at all.
    pub enabled: bool,
    /// The absolute path of the home.
    pub home: PathBuf,
    /// The public keys of the user.
    pub keys: Vec<KeyView>,
    /// Whether the user has a password.
    pub has_password: bool,
    /// What the home may hold.
    pub quota: Quota,
    /// What the home holds.
    pub usage: HomeUsage,
    /// Sessions at once; `None`: the server's limit.
    pub max_sessions: Option<u32>,
    /// What the user may do in the home.
    pub permissions: Permissions,
    /// The networks that the user may come from; empty: any.
    pub allowed_from: Vec<IpNet>,
    /// The ways to sign in that are all needed; empty: one of them is enough.
    pub require: BTreeSet<Factor>,
    /// From when on the user cannot sign in.
    pub expires_at: Option<Timestamp>,
}

impl UserView {
    fn new(user: User, usage: HomeUsage) -> Self {
        Self {
            name: user.name,
            enabled: user.enabled,
            home: user.home,
            keys: user.keys.iter().map(|line| KeyView::new(line)).collect(),
            has_password: user.password_hash.is_some(),
            quota: user.quota,
            usage,
            max_sessions: user.max_sessions,
            permissions: user.permissions,
            allowed_from: user.allowed_from,
            require: user.require,
            expires_at: user.expires_at,
        }
    }
}

/// A list of users as it is shown.
#[derive(Debug)]
pub struct UserList {
    /// The users, in the store's order.
    pub users: Vec<UserView>,
    /// Why the running server has not said what homes hold, if it was asked in vain. What is shown as used is what was
    /// recorded last then, which is true too.
    pub unanswered: Option<Error>,
}

impl UserList {
    pub(super) async fn of(users: Vec<User>, context: &OpsContext<'_>) -> Result<Self> {
        let (usages, unanswered) = match quota::usage_of(&users, context).await {
            Ok(usages) => (usages, None),
            Err(error) => (HomeUsage::recorded(&users, context.store).await?, Some(error)),
        };
        let users = users.into_iter().zip(usages);
        Ok(Self {
            users: users.map(|(user, usage)| UserView::new(user, usage)).collect(),
            unanswered,
        })
    }
}
