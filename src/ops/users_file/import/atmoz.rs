//! The `users.conf` of the container image atmoz/sftp: `name:password[:e][:uid[:gid[:dir,…]]]`.

use super::{Imported, Importer};
use crate::ops::installation::Installation;
use crate::ops::users_file::gaps::FormatGap;

/// What the file contains, for messages.
pub const EXPECTED: &str = "lines of atmoz/sftp: name:password[:e][:uid[:gid[:dir,…]]]";

/// What the file cannot say: it has names and passwords.
const GAPS: [FormatGap; 6] = [
    FormatGap::Comment,
    FormatGap::Group,
    FormatGap::Keys,
    FormatGap::Principals,
    FormatGap::Expiry,
    FormatGap::Settings,
];

/// Reads the users. Passwords that are not hashes are hashed when they are stored.
pub fn import(text: &str, installation: &Installation) -> Imported {
    let mut importer = Importer::new(installation, GAPS.to_vec());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.split(':').peekable();
        let (Some(name), Some(password)) = (fields.next(), fields.next()) else {
            importer.leave_out(&format!("line {number}"), "it has no password field");
            continue;
        };
        let Some(mut user) = importer.begin(name) else {
            continue;
        };
        let is_hash = fields.next_if_eq(&"e").is_some();
        let (uid, gid) = (fields.next(), fields.next());
        match password {
            "" => {}
            hash if is_hash => importer.hash(&mut user, hash),
            plain => importer.plain_password(&mut user, plain),
        }
        for (what, number) in [("uid", uid), ("gid", gid)] {
            if let Some(number) = number.filter(|number| !number.is_empty()) {
                importer.leave_out(
                    name,
                    format!("the {what} {number}: all files belong to the server's user"),
                );
            }
        }
        for directory in fields.next().into_iter().flat_map(|list| list.split(',')) {
            if !directory.is_empty() {
                importer.leave_out(name, format!("the directory {directory}: make it in the home"));
            }
        }
        let rest: Vec<&str> = fields.collect();
        if !rest.is_empty() {
            importer.leave_out(
                name,
                format!("{}: a line has no fields behind the directories", rest.join(":")),
            );
        }
        importer.take(user);
    }
    importer.finish()
}
