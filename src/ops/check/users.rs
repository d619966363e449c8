//! Checks users: their homes, and whether they can sign in.
//!
//! Each check runs once for each user, or once for all: nested homes are found by sorting, and directories that many
//! homes have in common are checked once. 10,000 users take well under a second.

use std::collections::{BTreeMap, HashMap};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::report::Report;
use crate::accounts::account::UsageAccuracy;
use crate::auth::keys::AuthorizedKey;
use crate::auth::password;
use crate::domain::user::{Factor, User, UserSource};
use crate::ops::homes::{HomeRules, is_made_at_sign_in};
use crate::ops::installation::Installation;
use crate::ops::usage::HomeUsage;
use base::advice;
use base::error::Error;
use base::paths::Resolver;
use base::size::counted;

/// Checks all users and their homes.
pub fn check(installation: &Installation, users: &[User], report: &mut Report) {
    let mut homes = HomeInspector::new(installation);
    let places: Vec<PathBuf> = users
        .iter()
        .map(|user| homes.resolver.resolve(&user.home))
        .collect();
    for (user, place) in users.iter().zip(&places) {
        homes.check_home(user, place, report);
        sign_in(user, installation.user_ca_keys.is_some(), report);
    }
    check_overlaps(users, &places, report);
    check_passwords(installation, users, report);
}

/// Counts the users whose passwords other systems have hashed, and those whose passwords cannot expire.
fn check_passwords(installation: &Installation, users: &[User], report: &mut Report) {
    let hashes = users.iter().filter_map(|user| user.password_hash.as_ref());
    let mut schemes: BTreeMap<&str, usize> = BTreeMap::new();
    for scheme in hashes.map(password::scheme_of) {
        *schemes.entry(scheme).or_default() += 1;
    }
    // The second kind is an error, with the user's name.
    schemes.retain(|scheme, _| !["argon2id", "unknown"].contains(scheme));
    let counts: Vec<String> = schemes
        .iter()
        .map(|(scheme, count)| format!("{scheme} {count}"))
        .collect();
    let counts = counts.join(", ");
    match schemes.values().sum::<usize>() {
        0 => {}
        1 => report.warn(format!(
            "1 user has a password hash of another system: {counts} (it is replaced when the user signs in)"
        )),
        count => report.warn(format!(
            "{count} users have password hashes of other systems: {counts} (they are replaced when the users sign in)"
        )),
    }
    let ageless = |user: &&User| user.password_hash.is_some() && user.password_set_at.is_none();
    let ageless = users.iter().filter(ageless).count();
    if installation.password_rules.expire() && ageless > 0 {
        report.warn(format!(
            "max_age in [auth.password] does not apply to {} whose age is not known (hint: homeportd user passwd NAME \
             sets a new one)",
            counted(ageless, "password")
        ));
    }
}

/// The state of checking all homes, with the results that several have in common.
struct HomeInspector<'a> {
    installation: &'a Installation,
    rules: HomeRules<'a>,
    resolver: Resolver,
    /// The owner of the data directory.
    owner: Option<u32>,
    /// For each directory, why no home can be created in it.
    parents: HashMap<PathBuf, Option<String>>,
}

impl<'a> HomeInspector<'a> {
    fn new(installation: &'a Installation) -> Self {
        Self {
            installation,
            rules: HomeRules::new(installation),
            resolver: Resolver::default(),
            owner: installation.data_dir().metadata().ok().map(|meta| meta.uid()),
            parents: HashMap::new(),
        }
    }

    fn check_home(&mut self, user: &User, place: &Path, report: &mut Report) {
        let name = &user.name;
        let home = user.home.display();
        if let Err(e) = self.rules.check(place) {
            report.error(format!("user {name}: {e}"));
        }
        match place.metadata() {
            Ok(meta) if meta.is_dir() => self.check_directory(user, place, &meta, report),
            Ok(_) => report.error(format!(
                "user {name}: the home \"{home}\" is not a directory (hint: move it away)"
            )),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => self.check_missing(user, place, report),
            Err(e) => {
                let error = Error::new(format!("user {name}: cannot look at the home \"{home}\""));
                report.error(advice::because(error, e, place, "u+rwx"));
            }
        }
    }

    /// Checks whether the server will create a missing home.
    fn check_missing(&mut self, user: &User, place: &Path, report: &mut Report) {
        let name = &user.name;
        let home = user.home.display();
        if !is_made_at_sign_in(self.installation, user, place) {
            return report.error(format!(
                "user {name}: the home \"{home}\" is missing (hint: make it, or mount its disk; the server makes \
                 homes beneath [storage] homes only)"
            ));
        }
        // For users of an outside source, the directories above are made as well.
        let mut above = place.ancestors().skip(1);
        let parent = match user.source {
            UserSource::External => above.find(|directory| directory.is_dir()),
            UserSource::Local => above.next(),
        };
        match self.no_home_can_be_made_in(parent.unwrap_or(place)) {
            None => report.warn(format!(
                "user {name}: the home \"{home}\" is missing (the server makes it at sign-in)"
            )),
            Some(why) => report.error(format!(
                "user {name}: the home \"{home}\" is missing, and the server cannot make it: {why}"
            )),
        }
    }

    /// Checks whether the server can use an existing home.
    fn check_directory(&self, user: &User, place: &Path, meta: &Metadata, report: &mut Report) {
        let name = &user.name;
        let home = user.home.display();
        let listing = Access::READ_OK | Access::EXEC_OK;
        let may = |rights| accessat(CWD, place, rights, AtFlags::EACCESS);
        if let Err(e) = may(listing | Access::WRITE_OK) {
            // Users may do that to their own homes, so it must not make the check fail.
            if may(listing).is_ok() && self.owner == Some(meta.uid()) && meta.mode() & 0o200 == 0 {
                return report.warn(format!(
                    "user {name}: nothing can be made in the home \"{home}\": its mode is {} (hint: the user may have \
                     set it, and can change it; else {})",
                    advice::mode_text(meta),
                    advice::chmod(place, "u+w")
                ));
            }
            let error = Error::new(format!("user {name}: cannot use the home \"{home}\""));
            return report.error(advice::because(error, e.into(), place, "u+rwx"));
        }
        if self.owner.is_some_and(|owner| owner != meta.uid()) {
            report.warn(format!(
                "user {name}: the home \"{home}\" belongs to user {}, not to the data directory's owner",
                meta.uid()
            ));
        }
    }

    /// Returns why no home can be created in a directory. Each directory is checked once.
    fn no_home_can_be_made_in(&mut self, parent: &Path) -> Option<String> {
        let why = || {
            let rights = Access::WRITE_OK | Access::EXEC_OK;
            let cause = match parent.metadata() {
                Err(e) => e,
                Ok(meta) if !meta.is_dir() => std::io::Error::other("it is not a directory"),
                Ok(_) => match accessat(CWD, parent, rights, AtFlags::EACCESS) {
                    Ok(()) => return None,
                    Err(e) => e.into(),
                },
            };
            Some(
                Error::new(format!("\"{}\" cannot take it", parent.display()))
                    .because(cause)
                    .hint("is its disk mounted? it must be a directory that the server's user can write to")
                    .to_string(),
            )
        };
        self.parents.entry(parent.to_owned()).or_insert_with(why).clone()
    }
}

/// Checks that homes are separate, or equal with the same quota. In sorted order, the contents of a directory follow
/// it.
fn check_overlaps(users: &[User], places: &[PathBuf], report: &mut Report) {
    let mut all: Vec<(&Path, &User)> = places.iter().map(PathBuf::as_path).zip(users).collect();
    all.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.name.cmp(&other.name)));
    // The homes that contain the current one, the outermost first.
    let mut around: Vec<(&Path, &User)> = Vec::new();
    for (place, user) in all {
        while around.last().is_some_and(|(outer, _)| !place.starts_with(outer)) {
            around.pop();
        }
        match around.last() {
            Some((outer, other)) if *outer == place => {
                if other.quota() != user.quota() {
                    report.error(format!(
                        "users {0} and {1} share a home, but not a quota (hint: homeportd user set {0} --quota SIZE sets both)",
                        other.name, user.name
                    ));
                }
            }
            Some((outer, other)) => {
                report.error(format!(
                    "the homes of users {} and {} lie in each other: \"{}\", \"{}\" (hint: homeportd user set NAME --home DIR)",
                    other.name,
                    user.name,
                    outer.display(),
                    place.display()
                ));
                around.push((place, user));
            }
            None => around.push((place, user)),
        }
    }
}

/// Checks the use of a home or a folder. Unknown use is not a problem: the first sign-in measures it.
pub fn check_usage(usage: &HomeUsage, report: &mut Report) {
    let (name, kind, place) = (&usage.holder, usage.holder.kind(), usage.holder.place());
    let argument = usage.holder.argument();
    if let Some(exceeded) = usage.exceeded() {
        report.warn(format!(
            "{kind} {name} cannot store more: {} are over {exceeded} (hint: homeportd {kind} set {name} --quota SIZE \
             --max-files N)",
            usage.used()
        ));
    }
    if let Some(unreadable) = usage.unreadable_clause() {
        report.warn(format!(
            "the quota of {kind} {name} is not of all that lies in the {place}: {unreadable} (hint: what the server may \
             not enter is counted as one entry, as lost+found should be; of anything else, find out first how it came there)"
        ));
    }
    if usage.accuracy == Some(UsageAccuracy::Unmeasurable) {
        report.error(format!(
            "{kind} {name} may be kept from storing anything: the {place} \"{}\" cannot be measured (hint: homeportd \
             quota scan {argument} says why)",
            usage.home.display()
        ));
    }
}

/// Checks whether the user can sign in. `certificates` says whether certificates are accepted for all users, so that
/// keys are not needed.
fn sign_in(user: &User, certificates: bool, report: &mut Report) {
    let name = &user.name;
    if !name.is_assignable() {
        let proposed = name.as_str().trim_start_matches(['.', '-', '@', '+']);
        let proposed = if proposed.is_empty() { "NEW_NAME" } else { proposed };
        report.warn(format!(
            "user {name} has a name from an older version that is not given any more: it begins with '.' (hint: the user \
             signs in by it as before; homeportd user rename {name} {proposed} gives another, and the home stays)"
        ));
    }
    for (at, line) in user.keys.iter().enumerate() {
        if let Err(e) = AuthorizedKey::parse(line) {
            report.error(format!("user {name}: key {} cannot be used: {e}", at + 1));
        }
    }
    if let Some(hash) = &user.password_hash
        && let Err(e) = password::import(hash.as_phc())
    {
        let hint = format!("homeportd user passwd {name}");
        report.error(
            Error::new(format!("user {name} cannot sign in with a password"))
                .because(e)
                .hint(hint),
        );
    }
    // What the outside source judges, only the source has.
    let is_external = user.source == UserSource::External;
    let has = |factor: &Factor| match factor {
        Factor::PublicKey => is_external || certificates || !user.keys.is_empty(),
        Factor::Password => is_external || user.password_hash.is_some(),
        Factor::Totp => user.totp.is_some(),
    };
    if let Some(missing) = user.require().iter().find(|factor| !has(factor)) {
        let hint = match missing {
            Factor::PublicKey => format!("homeportd user key add {name} FILE"),
            Factor::Password => format!("homeportd user passwd {name}"),
            Factor::Totp => format!("homeportd user totp enroll {name}"),
        };
        report.warn(format!(
            "user {name} cannot sign in: {} is required, and there is none (hint: {hint})",
            missing.name()
        ));
    } else if !has(&Factor::PublicKey) && !has(&Factor::Password) {
        report.warn(format!(
            "user {name} cannot sign in: neither key nor password (hint: homeportd user passwd {name})"
        ));
    }
    if user.max_sessions() == Some(0) {
        report.warn(format!(
            "user {name} cannot sign in: 0 sessions are allowed (hint: homeportd user set {name} --max-sessions default)"
        ));
    }
    if user.expires_at.is_some_and(|at| at <= Timestamp::now()) {
        report.warn(format!(
            "user {name} has expired (hint: homeportd user set {name} --expires never)"
        ));
    }
}

#[cfg(test)]
mod tests;
