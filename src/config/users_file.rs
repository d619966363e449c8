//! The file of users, groups and folders: TOML in, a declaration out, with every mistake and its position.
//!
//! Secrets may stand in any line of the file, also in one with a mistake, so lines are shown without them.

#[doc(hidden)]
pub mod fuzz;
mod reader;
mod secrets;
mod settings;

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use self::reader::{Section, SectionReader};
use self::settings::FileGroups;
use super::parse;
use super::report::{self, Problem, nearest};
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::quota::{Limit, Quota};
use crate::domain::texts;
use crate::ops::homes::{HomeRules, Resident};
use crate::ops::installation::Installation;
use crate::ops::users_file::declaration::{Declaration, DeclaredUser, MOST_MISTAKES, Mistake};
use crate::ops::users_file::gaps::FormatGaps;
use base::error::{Error, Result};
use base::paths::{Resolver, absolute, from_here};
use base::regular;

/// The largest file that is read, in bytes: 100,000 users with keys and hashes.
const MAX_BYTES: u64 = 64 << 20;

/// Reads the file. Paths in it are relative to its directory.
///
/// # Errors
/// Returns an error if it cannot be read. What is wrong with its content is in the declaration.
pub fn load(file: &Path, installation: &Installation) -> Result<Declaration> {
    let cannot = || Error::new(format!("cannot read users from \"{}\"", file.display()));
    let bytes = regular::read_regular(file, MAX_BYTES).map_err(|e| cannot().because(e))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes().iter().take(e.utf8_error().valid_up_to());
        let line = line.filter(|&&b| b == b'\n').count() + 1;
        Error::new(format!("{}:{line}: this line is not UTF-8", file.display()))
    })?;
    let directory = from_here(file)?;
    let directory = directory.parent().unwrap_or(Path::new("/"));
    Ok(declaration(text, file, directory, installation))
}

/// Returns what the text declares. `file` is its name in messages.
pub fn declaration(text: String, file: &Path, directory: &Path, installation: &Installation) -> Declaration {
    declaration_without(&[], text, file, directory, installation)
}

/// Returns what the text declares, as [`declaration`] does. Hints do not name these settings of users, which the caller
/// refuses.
pub fn declaration_without(
    hidden: &[&'static str],
    text: String,
    file: &Path,
    directory: &Path,
    installation: &Installation,
) -> Declaration {
    let (table, syntax) = parse::read(&text);
    let mut read = FileReader {
        declaration: Declaration {
            groups: Vec::new(),
            folders: Vec::new(),
            users: Vec::new(),
            gaps: FormatGaps::default(),
            mistakes: Vec::new(),
            warnings: Vec::new(),
            refuse: Box::new(|_| Error::new("the file has mistakes")),
        },
        problems: Vec::new(),
        hidden,
        directory,
        rules: HomeRules::new(installation),
        resolver: Resolver::default(),
        file_groups: FileGroups::new(installation),
    };
    read.file(table.get_ref());
    let FileReader {
        mut declaration,
        problems,
        ..
    } = read;
    // After a mistake of syntax, nobody knows what any section is to be.
    if !syntax.is_empty() {
        declaration.distrust_all();
    }
    let problems = parse::together(&text, syntax, problems);
    let shown = secrets::masked(&text, table.get_ref());
    let mistake = |problem: Problem| Mistake {
        span: problem.span,
        what: secrets::without_hashes(&problem.what),
        hint: problem.hint,
    };
    declaration.mistakes = problems.into_iter().map(mistake).collect();
    let file = file.to_owned();
    declaration.refuse = Box::new(move |mistakes| refusal(&mistakes, &file, &shown));
    declaration
}

/// Returns one error for all mistakes.
fn refusal(mistakes: &[Mistake], file: &Path, text: &str) -> Error {
    let problem = |mistake: &Mistake| Problem {
        span: mistake.span.clone(),
        what: mistake.what.clone(),
        hint: mistake.hint.clone(),
    };
    let mut problems: Vec<Problem> = mistakes.iter().take(MOST_MISTAKES).map(problem).collect();
    let more = mistakes.len().saturating_sub(MOST_MISTAKES);
    if more > 0 {
        problems.push(Problem::new(None, format!("and {more} more mistakes"), None));
    }
    report::all(&problems, file, text)
}

/// Reads the whole file.
struct FileReader<'a> {
    declaration: Declaration,
    problems: Vec<Problem>,
    /// The settings of users that no hint names.
    hidden: &'a [&'static str],
    directory: &'a Path,
    rules: HomeRules<'a>,
    resolver: Resolver,
    file_groups: FileGroups<'a>,
}

impl FileReader<'_> {
    fn file(&mut self, table: &DeTable<'_>) {
        let kinds = ["groups", "folders", "users"];
        for (kind, value) in table {
            let name = kind.get_ref().as_ref();
            if !kinds.contains(&name) {
                let hint = match nearest(name, &kinds) {
                    Some(meant) => format!("did you mean [{meant}.NAME]?"),
                    None => "the sections are [groups.NAME], [folders.NAME] and [users.NAME]".to_owned(),
                };
                let what = format!("unknown section [{}]", name.escape_debug());
                self.problems
                    .push(Problem::new(Some(kind.span()), what, Some(&hint)));
                continue;
            }
            let DeValue::Table(records) = value.get_ref() else {
                let what = format!("[{name}] must be a section with one section for each name");
                self.problems.push(Problem::new(Some(value.span()), what, None));
                continue;
            };
            for (key, value) in records {
                let title = format!("{name}.{}", key.get_ref());
                let DeValue::Table(settings) = value.get_ref() else {
                    let what = format!("[{}] must be a section", title.escape_debug());
                    self.problems.push(Problem::new(Some(value.span()), what, None));
                    continue;
                };
                let section = Section {
                    title,
                    name: key.get_ref().as_ref(),
                    span: key.span(),
                    settings,
                };
                match name {
                    "groups" => self.group(&section),
                    "folders" => self.folder(&section),
                    _ => self.user(&section),
                }
            }
        }
    }

    fn group(&mut self, section: &Section<'_, '_>) {
        let mut reader = SectionReader::new(section, &mut self.problems);
        let name = reader.name(GroupName::new_name);
        let comment = reader.comment();
        let settings = settings::member_settings(&mut reader, &mut self.file_groups);
        let section = reader.finish(None);
        if let Some(name) = name {
            self.declaration.groups.push(section.declares(Group {
                name,
                comment,
                settings,
            }));
        }
    }

    fn folder(&mut self, section: &Section<'_, '_>) {
        let (directory, rules, resolver) = (self.directory, &self.rules, &mut self.resolver);
        let mut reader = SectionReader::new(section, &mut self.problems);
        let name = reader.name(str::parse::<FolderName>);
        let comment = reader.comment();
        let path = reader.parsed("path", |text| {
            place(text, directory, resolver, |path| {
                rules.check_as(Resident::Folder, path)
            })
        });
        reader.require("path");
        let quota = Quota {
            bytes: reader.bytes("quota_bytes").and_then(|Limit(bytes)| bytes),
            files: reader.count("quota_files").and_then(|Limit(files)| files),
        };
        let creation = settings::creation(&mut reader, &mut self.file_groups);
        let section = reader.finish(Some("path"));
        if let (Some(name), Some(path)) = (name, path) {
            self.declaration.folders.push(section.declares(Folder {
                name,
                path,
                comment,
                quota,
                creation,
            }));
        }
    }

    fn user(&mut self, section: &Section<'_, '_>) {
        let (directory, rules, resolver) = (self.directory, &self.rules, &mut self.resolver);
        let mut reader = SectionReader::new(section, &mut self.problems);
        reader.hide(self.hidden);
        let name = reader.user_name();
        let comment = reader.comment();
        let group = reader.group();
        let password = reader.password();
        let (keys, refused) = reader.keys(directory);
        let principals = reader.list("principals", texts::principal).unwrap_or_default();
        let home = reader.parsed("home", |text| {
            place(text, directory, resolver, |path| rules.check(path))
        });
        let enabled = reader.flag("enabled");
        let expires_at = reader.expiry("expires_at");
        let settings = settings::member_settings(&mut reader, &mut self.file_groups);
        let section = reader.finish(Some("home"));
        self.declaration.warnings.extend(refused);
        if let Some(name) = name {
            self.declaration.users.push(section.declares(DeclaredUser {
                name,
                comment,
                group,
                password,
                keys,
                principals,
                home,
                enabled,
                expires_at,
                settings,
                unsaid: Vec::new(),
            }));
        }
    }
}

/// Returns the directory that a text names, with links resolved, if it may lie there.
fn place(
    text: &str,
    directory: &Path,
    resolver: &mut Resolver,
    check: impl Fn(&Path) -> Result<()>,
) -> Result<PathBuf> {
    if text.is_empty() {
        return Err(Error::new("it is empty").hint("leave it out for the usual place"));
    }
    let path = resolver.resolve(&absolute(directory, Path::new(text)));
    check(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests;
