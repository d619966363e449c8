//! Writes all users, groups and folders as the file that `user apply` reads.

use std::fmt::Write as _;
use std::path::Path;

use super::fields::{self, Field, key};
use crate::domain::user::UserSource;
use crate::ops::context::OpsContext;
use crate::store::Records;
use base::error::Result;
use base::paths::resolve;

/// What stands at the beginning of the file.
const HEADER: &str = "\
# Users, groups and folders of a Homeport server: homeportd user apply FILE makes it so.
# This file contains hashes of passwords: only its owner should read it. One-time codes are not in it.
";

/// Returns the file.
///
/// # Errors
/// Returns an error if the store cannot be read.
pub async fn export(context: &OpsContext<'_>) -> Result<String> {
    let records = context.store.records().await?;
    Ok(text(&records, &resolve(&context.installation.storage.homes)))
}

/// Formats all records, in the order of their names. Users who come from elsewhere are left out.
pub fn text(records: &Records, homes: &Path) -> String {
    let mut text = HEADER.to_owned();
    for group in &records.groups {
        section(&mut text, "groups", group.name.as_str(), &fields::of_group(group));
    }
    for folder in &records.folders {
        section(
            &mut text,
            "folders",
            folder.name.as_str(),
            &fields::of_folder(folder),
        );
    }
    let local = records
        .users
        .iter()
        .filter(|user| user.source == UserSource::Local);
    for user in local {
        section(
            &mut text,
            "users",
            user.name.as_str(),
            &fields::of_user(user, homes),
        );
    }
    text
}

fn section(text: &mut String, kind: &str, name: &str, fields: &[Field]) {
    // Writing into a string does not fail.
    let _ = writeln!(text, "\n[{kind}.{}]", key(name));
    for field in fields {
        let _ = writeln!(text, "{} = {}", field.name, field.toml());
    }
}
