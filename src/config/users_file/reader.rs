//! Reads one section of the file: each setting once, by its name. What is not read by then is unknown.

use std::path::Path;

use jiff::Timestamp;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::auth::keys::AuthorizedKey;
use crate::auth::password;
use crate::config::report::{Problem, nearest};
use crate::domain::group::GroupName;
use crate::domain::quota::{Limit, storable};
use crate::domain::texts;
use crate::domain::user::UserName;
use crate::ops::key_files;
use crate::ops::keys;
use crate::ops::users_file::declaration::{Declared, DeclaredPassword, Reference, Span};
use base::error::{Error, Result};
use base::paths::absolute;
use base::regular;
use base::size::Size;

/// The largest file of keys, in bytes: about 2,000 RSA keys.
const MAX_KEY_FILE: u64 = 1 << 20;

/// A section of the file.
pub(super) struct Section<'a, 't> {
    /// The section's name with dots.
    pub title: String,
    /// The name of the record.
    pub name: &'a str,
    /// Where the name stands.
    pub span: Span,
    /// The settings.
    pub settings: &'a DeTable<'t>,
}

/// What is known of a section besides its settings, when it has been read.
pub(super) struct ReadSection {
    references: Vec<(Reference, Option<Span>)>,
    span: Span,
    is_place_known: bool,
}

impl ReadSection {
    /// Returns the record that the section declares.
    pub(super) fn declares<T>(self, record: T) -> Declared<T> {
        Declared {
            record,
            references: self.references,
            span: Some(self.span),
            is_place_known: self.is_place_known,
        }
    }
}

/// A value, and where it stands.
pub(super) type Value<'a, 't> = &'a Spanned<DeValue<'t>>;

/// Reads the settings of a section, and collects what is wrong with them.
pub(super) struct SectionReader<'a, 't> {
    section: &'a Section<'a, 't>,
    problems: &'a mut Vec<Problem>,
    /// The settings with a wrong value.
    mistaken: Vec<String>,
    known: Vec<&'static str>,
    /// Settings that no hint names.
    hidden: &'a [&'static str],
    references: Vec<(Reference, Option<Span>)>,
}

impl<'a, 't> SectionReader<'a, 't> {
    pub fn new(section: &'a Section<'a, 't>, problems: &'a mut Vec<Problem>) -> Self {
        Self {
            section,
            problems,
            mistaken: Vec::new(),
            known: Vec::new(),
            hidden: &[],
            references: Vec::new(),
        }
    }

    /// Keeps hints from naming settings that have no place in this file.
    pub fn hide(&mut self, names: &'a [&'static str]) {
        self.hidden = names;
    }

    /// Reports the settings that nothing has read; returns what else is known of the section. `place` is the setting of the
    /// record's directory.
    pub fn finish(self, place: Option<&str>) -> ReadSection {
        let mut is_place_known = place.is_none_or(|place| self.mistaken.iter().all(|name| name != place));
        let is_shown = |name: &&'static str| !self.hidden.contains(name);
        let named: Vec<&'static str> = self.known.iter().copied().filter(is_shown).collect();
        for (key, _) in self.section.settings {
            let name = key.get_ref().as_ref();
            if self.known.contains(&name) {
                continue;
            }
            let title = self.section.title.escape_debug();
            let what = format!("unknown setting \"{}\" in [{title}]", name.escape_debug());
            let meant = nearest(name, &named);
            is_place_known &= meant.is_none() || meant != place;
            let hint = match meant {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("its settings are {}", named.join(", ")),
            };
            self.problems
                .push(Problem::new(Some(key.span()), what, Some(&hint)));
        }
        let span = place.and_then(|name| self.span_of(name));
        ReadSection {
            span: span.unwrap_or_else(|| self.section.span.clone()),
            is_place_known,
            references: self.references,
        }
    }

    /// Returns the value of a setting, which is known from then on.
    pub fn get(&mut self, name: &'static str) -> Option<Value<'a, 't>> {
        self.known.push(name);
        self.section.settings.get(name)
    }

    fn wrong(&mut self, name: &str, span: Span, error: &Error) {
        let what = format!("\"{name}\" in [{}]: {error}", self.section.title.escape_debug());
        self.problems.push(Problem::new(Some(span), what, None));
        self.mistaken.push(name.to_owned());
    }

    /// Reports a value of the wrong type.
    pub fn must_be(&mut self, name: &str, value: Value<'_, '_>, kind: &str) {
        let found = match value.get_ref() {
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a section".to_owned(),
            other => format!("a value of the type {}", other.type_str()),
        };
        self.wrong(
            name,
            value.span(),
            &Error::new(format!("it must be {kind}, not {found}")),
        );
    }

    /// Reports the error of a value, and returns what was read without one.
    pub fn taken<T>(&mut self, name: &str, span: Span, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.wrong(name, span, &error)).ok()
    }

    /// Returns the name of the record, which `parse` understands.
    pub fn name<T>(&mut self, parse: impl FnOnce(&str) -> Result<T>) -> Option<T> {
        match parse(self.section.name) {
            Ok(name) => Some(name),
            Err(error) => {
                let problem = Problem::new(Some(self.section.span.clone()), error.to_string(), None);
                self.problems.push(problem);
                None
            }
        }
    }

    /// Returns the name of a user. One that cannot be given any more must be that of a user who has it.
    pub fn user_name(&mut self) -> Option<UserName> {
        let name = self.name(UserName::stored)?;
        if !name.is_assignable() {
            self.refer(Reference::User(name.clone()), Some(self.section.span.clone()));
        }
        Some(name)
    }

    /// Reports a setting that is missing.
    pub fn require(&mut self, name: &str) {
        if !self.section.settings.contains_key(name) {
            let what = format!("[{}] needs \"{name}\"", self.section.title.escape_debug());
            self.problems
                .push(Problem::new(Some(self.section.span.clone()), what, None));
        }
    }

    /// Reads the remark for operators.
    pub fn comment(&mut self) -> String {
        self.parsed("comment", texts::comment).unwrap_or_default()
    }

    /// Reads a string that `parse` understands.
    pub fn parsed<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T>) -> Option<T> {
        let value = self.get(name)?;
        match value.get_ref().as_str() {
            Some(text) => {
                let parsed = parse(text);
                self.taken(name, value.span(), parsed)
            }
            None => {
                self.must_be(name, value, "a string");
                None
            }
        }
    }

    /// Reads `true` or `false`.
    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        let value = self.get(name)?;
        if value.get_ref().as_bool().is_none() {
            self.must_be(name, value, "true or false");
        }
        value.get_ref().as_bool()
    }

    /// Reads a list of strings, each of which `parse` understands.
    pub fn list<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T>) -> Option<Vec<T>> {
        let value = self.get(name)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.must_be(name, value, "a list of strings");
            return None;
        };
        let mut list = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_str() {
                Some(text) => list.extend(self.taken(name, item.span(), parse(text))),
                None => self.must_be(name, item, "a list of strings"),
            }
        }
        Some(list)
    }

    /// Reads a number, or a string that `parse` understands.
    pub fn number<T>(
        &mut self,
        name: &'static str,
        of_number: impl Fn(u64) -> Result<T>,
        of_text: impl Fn(&str) -> Result<T>,
    ) -> Option<T> {
        let value = self.get(name)?;
        let parsed = match value.get_ref() {
            DeValue::String(text) => of_text(text),
            DeValue::Integer(number) => {
                let digits = number.as_str();
                let parsed = u64::from_str_radix(digits, number.radix());
                parsed
                    .map_err(|_| Error::new(format!("{digits} is not a whole number, 0 or more")))
                    .and_then(of_number)
            }
            _ => {
                self.must_be(name, value, "a number or a string");
                return None;
            }
        };
        self.taken(name, value.span(), parsed)
    }

    /// Reads a number of bytes, a size or `unlimited`.
    pub fn bytes(&mut self, name: &'static str) -> Option<Limit<u64>> {
        let of_number = |number| storable(number).map(|number| Limit(Some(number)));
        let of_text = |text: &str| {
            let Limit(size) = text.parse::<Limit<Size>>()?;
            Ok(Limit(size.map(|Size(bytes)| bytes)))
        };
        self.number(name, of_number, of_text)
    }

    /// Reads a number or `unlimited`.
    pub fn count(&mut self, name: &'static str) -> Option<Limit<u64>> {
        let of_number = |number| storable(number).map(|number| Limit(Some(number)));
        self.number(name, of_number, |text| text.parse::<Limit<u64>>())
    }

    /// Reads a date or a time.
    pub fn expiry(&mut self, name: &'static str) -> Option<Timestamp> {
        let value = self.get(name)?;
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            _ => {
                self.must_be(name, value, "a date");
                return None;
            }
        };
        self.taken(name, value.span(), texts::expiry(&text)).flatten()
    }

    /// Reads the name of the group.
    pub fn group(&mut self) -> Option<GroupName> {
        let name = self.parsed("group", GroupName::new_name)?;
        let span = self.span_of("group");
        self.refer(Reference::Group(name.clone()), span);
        Some(name)
    }

    /// Returns where the value of a setting stands.
    pub fn span_of(&self, name: &str) -> Option<Span> {
        self.section.settings.get(name).map(Spanned::span)
    }

    /// Notes a name that must exist.
    pub fn refer(&mut self, reference: Reference, span: Option<Span>) {
        self.references.push((reference, span));
    }

    /// Reads the hash of the password. Messages must not contain it.
    pub fn password(&mut self) -> DeclaredPassword {
        let parse = |text: &str| match text {
            "none" => Ok(DeclaredPassword::Nothing),
            _ => match password::import(text) {
                Ok(hash) => Ok(DeclaredPassword::Hash(hash)),
                Err(error) => {
                    Err(error.hint("homeportd user passwd NAME sets a password; \"none\" takes it away"))
                }
            },
        };
        self.parsed("password_hash", parse).unwrap_or_default()
    }

    /// Reads `keys` and `keys_file`; returns the lines, each key once, and what is left out of the file.
    pub fn keys(&mut self, directory: &Path) -> (Vec<String>, Vec<Error>) {
        let line = |text: &str| AuthorizedKey::parse(text).map(|key| key.line().to_owned());
        let keys = self.list("keys", line).unwrap_or_default();
        let mut warnings = Vec::new();
        let from_file = self.parsed("keys_file", |text| {
            let path = absolute(directory, Path::new(text));
            let cannot = || Error::new(format!("cannot read keys from {path:?}"));
            let bytes = regular::read_regular(&path, MAX_KEY_FILE).map_err(|e| cannot().because(e))?;
            let file = key_files::parse(&format!("{path:?}"), &bytes)?;
            for line in file.refused {
                let left_out = format!("{path:?}: line {} is left out", line.number);
                warnings.push(Error::new(left_out).because(line.reason));
            }
            Ok(file.lines)
        });
        let merged = keys::merge(&[], &[keys, from_file.unwrap_or_default()].concat());
        let merged = self.taken("keys", self.section.span.clone(), merged);
        (merged.unwrap_or_default(), warnings)
    }
}
