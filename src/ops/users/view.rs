//! The views of users.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use ipnet::IpNet;
use jiff::Timestamp;

use crate::auth::password;
use crate::domain::folder::{CreationChoice, Folder, FolderName};
use crate::domain::group::GroupName;
use crate::domain::rate::RateRules;
use crate::domain::settings::MemberSettings;
use crate::domain::user::{Factor, PermissionRules, Quota, User, UserName, UserSource};
use crate::ops::context::OpsContext;
use crate::ops::keys::KeyView;
use crate::ops::running::if_running;
use crate::ops::usage::HomeUsage;
use crate::ops::{quota, sessions};
use crate::store::Store;
use base::error::{Error, Result};

/// The view of a user. It contains no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// The name of the user.
    pub name: UserName,
    /// Where the record comes from.
    pub source: UserSource,
    /// Whether the user is enabled. A disabled user cannot sign in.
    pub enabled: bool,
    /// Whether the user is an administrator.
    pub is_admin: bool,
    /// The absolute path of the home.
    pub home: PathBuf,
    /// The public keys of the user.
    pub keys: Vec<KeyView>,
    /// The principals besides the user's name that certificates may have.
    pub principals: Vec<String>,
    /// Whether the user has a password.
    pub has_password: bool,
    /// The scheme of the password's hash.
    pub password_kind: Option<&'static str>,
    /// The second factor, if the user has one.
    pub totp: Option<TotpView>,
    /// The quota of the home.
    pub quota: Quota,
    /// The use of the home, and how far it can be relied on.
    pub usage: HomeUsage,
    /// The most sessions at once; `None` means the server's limit.
    pub max_sessions: Option<u32>,
    /// The permissions that the user has in the home.
    pub permissions: PermissionRules,
    /// The networks from which the user may connect; an empty list means any.
    pub allowed_from: Vec<IpNet>,
    /// The factors that are all required to sign in; an empty set means that one is enough.
    pub require: BTreeSet<Factor>,
    /// The time from which the user cannot sign in.
    pub expires_at: Option<Timestamp>,
    /// The rates of the user's transfers.
    pub rates: RateRules,
    /// The group from which the user inherits settings.
    pub group: Option<GroupName>,
    /// A remark for operators.
    pub comment: String,
    /// The folders that the user has, with the permissions in each.
    pub folders: BTreeMap<FolderName, PermissionRules>,
    /// The use and the quota of each of these folders, which all who have it share.
    pub folder_usage: BTreeMap<FolderName, HomeUsage>,
    /// The modes and the group of what is created in the home, where they differ from the server's.
    pub creation: CreationChoice,
    /// What the user's own settings say.
    pub own: MemberSettings,
    /// The time of the last sign-in, if it is known.
    pub last_sign_in: Option<Timestamp>,
    /// The number of sessions; `None` if the running server has not said it.
    pub sessions: Option<usize>,
}

/// What is known of users besides their records and the use of their homes: also the use of their folders.
#[derive(Debug, Default)]
struct UserActivity {
    last_sign_ins: HashMap<UserName, Timestamp>,
    /// The number of sessions of each user who has one; `None` if the server has not said it.
    sessions: Option<HashMap<UserName, usize>>,
    /// The use of all folders of the users.
    folders: HashMap<FolderName, HomeUsage>,
}

impl UserActivity {
    /// Looks up one user, or all.
    async fn of(users: &[User], is_answering: bool, context: &OpsContext<'_>) -> Result<Self> {
        let only = match users {
            [one] => Some(&one.name),
            _ => None,
        };
        let mut activity = Self {
            last_sign_ins: context.store.last_sign_ins(only).await?,
            sessions: None,
            folders: usage_of_folders(users, is_answering, context).await?,
        };
        // A server that does not answer is waited for once.
        if is_answering && let Ok(sessions) = if_running(sessions::list(context.server).await) {
            let mut counts = HashMap::new();
            for session in sessions.unwrap_or_default() {
                *counts.entry(session.user).or_default() += 1;
            }
            activity.sessions = Some(counts);
        }
        Ok(activity)
    }
}

/// Returns the use of the folders of these users: from the running server if it answers, or else as it was recorded last.
async fn usage_of_folders(
    users: &[User],
    is_answering: bool,
    context: &OpsContext<'_>,
) -> Result<HashMap<FolderName, HomeUsage>> {
    let folders = users.iter().flat_map(User::folders);
    let folders: BTreeMap<FolderName, Folder> =
        folders.map(|(folder, _)| (folder.name.clone(), folder)).collect();
    let (names, folders): (Vec<FolderName>, Vec<Folder>) = folders.into_iter().unzip();
    let answer = match is_answering {
        true => quota::usage_of(&folders, context).await.ok(),
        false => None,
    };
    let usages = match answer {
        Some(usages) => usages,
        None => HomeUsage::recorded(&folders, context.store).await?,
    };
    Ok(names.into_iter().zip(usages).collect())
}

/// The view of a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TotpView {
    /// The number of recovery codes that were not used yet.
    pub recovery_codes_left: u64,
}

impl TotpView {
    async fn of(user: &User, store: &dyn Store) -> Result<Option<Self>> {
        if user.totp.is_none() {
            return Ok(None);
        }
        let recovery_codes_left = store.recovery_codes_left(&user.name).await?;
        Ok(Some(Self { recovery_codes_left }))
    }
}

impl UserView {
    fn new(user: User, totp: Option<TotpView>, usage: HomeUsage, activity: &UserActivity) -> Self {
        let folders: BTreeMap<_, _> = user
            .folders()
            .into_iter()
            .map(|(folder, rules)| (folder.name, rules))
            .collect();
        let counts = activity.sessions.as_ref();
        let usage_of = |name: &FolderName| Some((name.clone(), activity.folders.get(name)?.clone()));
        Self {
            folder_usage: folders.keys().filter_map(usage_of).collect(),
            folders,
            creation: user.creation(),
            last_sign_in: activity.last_sign_ins.get(&user.name).copied(),
            sessions: counts.map(|counts| counts.get(&user.name).copied().unwrap_or_default()),
            group: user.group.clone(),
            comment: user.comment.clone(),
            own: user.settings.clone(),
            source: user.source,
            enabled: user.enabled,
            is_admin: user.is_admin,
            keys: user.keys.iter().map(|line| KeyView::new(line)).collect(),
            principals: user.principals.clone(),
            has_password: user.password_hash.is_some(),
            password_kind: user.password_hash.as_ref().map(password::scheme_of),
            totp,
            quota: user.quota(),
            usage,
            max_sessions: user.max_sessions(),
            permissions: user.permissions(),
            allowed_from: user.allowed_from().to_vec(),
            require: user.require().clone(),
            expires_at: user.expires_at,
            rates: user.rates(),
            name: user.name,
            home: user.home,
        }
    }
}

/// The view of a list of users.
#[derive(Debug)]
pub struct UserList {
    /// The users, in the store's order.
    pub users: Vec<UserView>,
    /// Why the running server has not reported the use of homes. The list then has the use that was recorded last.
    pub unanswered: Option<Error>,
}

impl UserList {
    pub(super) async fn of(users: Vec<User>, context: &OpsContext<'_>) -> Result<Self> {
        let usages = quota::usage_of(&users, context).await;
        Self::with_usages(users, usages, context).await
    }

    /// Creates the view of a few of many users.
    pub(super) async fn of_few(users: Vec<User>, context: &OpsContext<'_>) -> Result<Self> {
        let usages = quota::usage_of_few(&users, context).await;
        Self::with_usages(users, usages, context).await
    }

    async fn with_usages(
        users: Vec<User>,
        usages: Result<Vec<HomeUsage>>,
        context: &OpsContext<'_>,
    ) -> Result<Self> {
        let (usages, unanswered) = match usages {
            Ok(usages) => (usages, None),
            Err(error) => (HomeUsage::recorded(&users, context.store).await?, Some(error)),
        };
        let activity = UserActivity::of(&users, unanswered.is_none(), context).await?;
        let mut views = Vec::with_capacity(users.len());
        for (user, usage) in users.into_iter().zip(usages) {
            let totp = TotpView::of(&user, context.store).await?;
            views.push(UserView::new(user, totp, usage, &activity));
        }
        Ok(Self {
            users: views,
            unanswered,
        })
    }
}
