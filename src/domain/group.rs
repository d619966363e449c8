//! Groups: settings that several users share.

use std::fmt;
use std::str::FromStr;

use super::name::{is_plain, not_a_name};
use super::settings::MemberSettings;
use base::error::Error;

/// A group's name: letters, digits, `.`, `_`, `-`, `@` and `+`, at most 128 bytes, case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupName(String);

impl GroupName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses the name that a group is to have. Some words have a meaning in place of names.
    ///
    /// # Errors
    /// Returns an error if the text is not a name, or if it is such a word.
    pub fn new_name(text: &str) -> Result<Self, Error> {
        match text {
            "none" | "inherit" => Err(Error::new(format!("\"{text}\" cannot be the name of a group"))
                .because("the word has another meaning in commands")),
            name => name.parse(),
        }
    }
}

impl FromStr for GroupName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match is_plain(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(not_a_name("group", text)),
        }
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A group of users. Each member inherits the settings that the member's own record leaves open; a quota is the limit of
/// each member's home, not of all together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The name of the group, which is unique.
    pub name: GroupName,
    /// A remark for operators.
    pub comment: String,
    /// The settings that the members inherit.
    pub settings: MemberSettings,
}
