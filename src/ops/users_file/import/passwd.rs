//! The accounts of a Unix system: `passwd`, `shadow`, and a file of authorized_keys for each user.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use super::{DAY, Imported, Importer};
use crate::domain::user::UserName;
use crate::ops::installation::Installation;
use crate::ops::key_files;
use crate::ops::users_file::declaration::DeclaredUser;
use crate::ops::users_file::gaps::FormatGap;
use base::regular;

/// What the file contains, for messages.
pub const EXPECTED: &str =
    "lines of passwd for people (uid 1000 and above): name:x:uid:gid:comment:home:shell";

/// The smallest number of an account for a person, as login.defs has it.
const FIRST_UID: u32 = 1000;

/// The number of the account `nobody`.
const NOBODY: u32 = 65534;

/// The largest file of keys, in bytes.
const MAX_KEY_FILE: u64 = 1 << 20;

/// The most names that one line about what is left out has.
const MOST_NAMED: usize = 5;

/// The files of a system.
#[derive(Debug, Clone, Copy)]
pub struct SystemFiles<'a> {
    /// The content of `passwd`.
    pub passwd: &'a str,
    /// The content of `shadow`.
    pub shadow: Option<&'a str>,
    /// The path of each user's authorized_keys, with `%u` for the name and `%h` for the home.
    pub keys: Option<&'a str>,
}

/// What `shadow` says about a user.
#[derive(Debug, Clone, Copy)]
struct ShadowEntry<'a> {
    password: &'a str,
    /// The day since 1970 from which the account cannot be used, as it is written.
    expires: &'a str,
}

/// Reads the accounts of people. Those of the system are left out.
pub fn import(files: SystemFiles<'_>, installation: &Installation) -> Imported {
    let shadow: HashMap<&str, ShadowEntry<'_>> = files
        .shadow
        .unwrap_or_default()
        .lines()
        .filter_map(shadow_entry)
        .collect();
    let mut accounts: HashSet<&str> = HashSet::new();
    let mut shared_groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut importer = Importer::new(installation, gaps(files));
    for (number, line) in (1..).zip(files.passwd.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split(':').collect();
        let [name, password, uid, gid, comment, home, ..] = fields[..] else {
            importer.leave_out(&format!("line {number}"), "it is not a line of passwd");
            continue;
        };
        accounts.insert(name);
        if !is_person(&mut importer, name, uid) {
            continue;
        }
        let Some(mut user) = importer.begin(name) else {
            continue;
        };
        user.comment = importer.comment(name, comment.split(',').next().unwrap_or_default());
        let entry = shadow.get(name);
        // Nothing is known of when the account expires.
        user.unsaid.extend(entry.is_none().then_some(FormatGap::Expiry));
        take_expiry(&mut importer, &mut user, entry);
        let entry = entry.ok_or(match files.shadow {
            Some(_) => {
                "the password: the file of --shadow has no line for this name, so set one: homeportd user passwd NAME"
            }
            None => "the password, which is not in this file: name the one that has it with --shadow",
        });
        take_password(&mut importer, &mut user, password, entry);
        // A group of the same number is the user's alone.
        if gid != uid {
            shared_groups.entry(gid).or_default().push(name);
        }
        importer.home(&mut user, home);
        if let Some(template) = files.keys {
            take_keys(
                &mut importer,
                &mut user,
                &template.replace("%u", name).replace("%h", home),
            );
        }
        importer.take(user);
    }
    name_groups(&mut importer, &shared_groups);
    name_unused_lines(&mut importer, files.shadow.unwrap_or_default(), &accounts);
    importer.finish()
}

/// Returns whether an account is that of a person; says so if it is not.
fn is_person(importer: &mut Importer<'_>, name: &str, uid: &str) -> bool {
    match uid.parse::<u32>() {
        Ok(uid) if uid >= FIRST_UID && uid != NOBODY => return true,
        Ok(uid) => importer.leave_out(name, format!("an account of the system (uid {uid})")),
        Err(_) => importer.leave_out(name, "its uid is not a number"),
    }
    false
}

/// Says which primary groups are not carried over, and whose they are.
fn name_groups(importer: &mut Importer<'_>, groups: &BTreeMap<&str, Vec<&str>>) {
    for (gid, members) in groups {
        let what = format!(
            "the primary group of {}: files here get the group of the server's process (for this one: homeportd user \
             set NAME --file-group {gid})",
            some_of(members)
        );
        importer.leave_out(&format!("gid {gid}"), what);
    }
}

/// Says which lines of the file of `--shadow` are about no account of `passwd`, or about nothing.
fn name_unused_lines(importer: &mut Importer<'_>, shadow: &str, accounts: &HashSet<&str>) {
    let mut names = Vec::new();
    for (number, line) in (1..).zip(shadow.lines()) {
        match shadow_entry(line) {
            Some((name, _)) if !accounts.contains(name) => names.push(name),
            None if !line.trim().is_empty() && !line.starts_with('#') => {
                importer.leave_out(&format!("--shadow line {number}"), "it is not a line of shadow");
            }
            Some(_) | None => {}
        }
    }
    if !names.is_empty() {
        let what = format!(
            "the lines of {}: passwd has no account of that name, and so nobody is imported (if they are users, add \
             their lines of passwd)",
            some_of(&names)
        );
        importer.leave_out("--shadow", what);
    }
}

/// Names the first of these, and how many more there are.
fn some_of(names: &[&str]) -> String {
    let (shown, more) = names.split_at(names.len().min(MOST_NAMED));
    match more.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Returns what these files cannot say of anybody.
fn gaps(files: SystemFiles<'_>) -> Vec<FormatGap> {
    let mut gaps = vec![FormatGap::Group, FormatGap::Principals, FormatGap::Settings];
    gaps.extend(files.keys.is_none().then_some(FormatGap::Keys));
    gaps
}

fn shadow_entry(line: &str) -> Option<(&str, ShadowEntry<'_>)> {
    let fields: Vec<&str> = line.split(':').collect();
    let (name, password) = (*fields.first()?, *fields.get(1)?);
    let expires = fields.get(7).copied().unwrap_or_default();
    Some((name, ShadowEntry { password, expires }))
}

fn take_expiry(importer: &mut Importer<'_>, user: &mut DeclaredUser, entry: Option<&ShadowEntry<'_>>) {
    match entry.map_or("", |entry| entry.expires) {
        // libc reads both as never.
        "" | "-1" => {}
        days => {
            let at = days.parse::<i64>().ok().and_then(|days| days.checked_mul(DAY));
            importer.expires(user, at, format!("of day {days}"));
        }
    }
}

fn take_password(
    importer: &mut Importer<'_>,
    user: &mut DeclaredUser,
    in_passwd: &str,
    entry: Result<&ShadowEntry<'_>, &str>,
) {
    let password = match (in_passwd, entry) {
        ("x", Ok(entry)) => entry.password,
        ("x", Err(why)) => return leave_out(importer, &user.name, why),
        (in_passwd, _) => in_passwd,
    };
    match password {
        "" => leave_out(importer, &user.name, "that no password is needed"),
        "*" | "!" | "!!" | "!*" => leave_out(importer, &user.name, "the password is locked"),
        locked if locked.starts_with(['!', '*']) => {
            leave_out(importer, &user.name, "the password, because it is locked");
        }
        hash => importer.hash(user, hash),
    }
}

fn leave_out(importer: &mut Importer<'_>, name: &UserName, what: &str) {
    importer.leave_out(name.as_str(), what);
}

fn take_keys(importer: &mut Importer<'_>, user: &mut DeclaredUser, path: &str) {
    let path = PathBuf::from(path);
    let bytes = match regular::read_regular(&path, MAX_KEY_FILE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => return leave_out(importer, &user.name, &format!("the keys in {path:?}: {error}")),
    };
    match key_files::parse(&format!("{path:?}"), &bytes) {
        Ok(file) => {
            for refused in &file.refused {
                let what = format!(
                    "the key in line {} of {path:?}: {}",
                    refused.number, refused.reason
                );
                leave_out(importer, &user.name, &what);
            }
            importer.keys(user, file.lines.iter().map(String::as_str));
        }
        // An empty file has no keys.
        Err(_) if bytes.iter().all(u8::is_ascii_whitespace) => {}
        Err(error) => leave_out(importer, &user.name, &error.to_string()),
    }
}
