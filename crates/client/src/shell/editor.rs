//! The shell at a terminal: the prompt, the line editor, and the history that outlives it.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustyline::completion::{Completer, Pair};
use rustyline::config::{CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{DefaultHistory, History as _, SearchDirection};
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};

use super::complete::complete;
use super::interpreter::{Interpreter, NextStep};
use super::lister::SessionLister;
use super::messages::{complain, say};
use crate::commands::Session;
use crate::output::Stdout;
use crate::output::columns::{shorten, width};
use base::visible::printable;

/// The number of lines that the history keeps.
const HISTORY_LINES: usize = 1000;
/// How many candidates are shown without asking.
const SHOWN_UNASKED: usize = 100;
/// The longest directory in the prompt, in characters, and the longest `user@host`: the rest of the line is for the
/// input.
const PROMPT_ROOM: usize = 40;

/// Reads and runs lines until the user leaves. Returns the exit code.
pub(super) fn run(shell: &mut Interpreter) -> u8 {
    let sides = SessionLister::new(Arc::clone(&shell.context.session), shell.context.runtime.clone());
    let mut lines = match LineEditor::new(sides) {
        Ok(lines) => lines,
        Err(error) => {
            complain(&format!("cannot use this terminal: {error}"));
            return 1;
        }
    };
    loop {
        let text = match lines.editor.readline(&prompt_of(&shell.context.session)) {
            Ok(text) => text,
            // Ctrl-C only discards the line.
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => {
                say("");
                return 0;
            }
            Err(error) => {
                complain(&format!("cannot read from this terminal: {error}"));
                return 1;
            }
        };
        // Several lines were pasted.
        for line in text.lines() {
            lines.remember(line);
            match shell.line(line.as_bytes()) {
                NextStep::Code(_) => {}
                NextStep::ShowHistory => say(&lines.all()),
                NextStep::Leave => return 0,
            }
            if shell.was_interrupted() {
                break;
            }
        }
    }
}

fn prompt_of(session: &Session) -> String {
    let columns = Stdout::of_this_process().columns().unwrap_or(80);
    let place = format!("{}@{}", session.remote.user(), session.remote.name());
    prompt(&place, &session.directory(), columns)
}

/// The prompt `user@host:/path>`. Both parts are shortened, so that at least half of the line is for the input.
fn prompt(place: &str, directory: &[u8], columns: usize) -> String {
    let place = shorten(&printable(place.as_bytes()), PROMPT_ROOM.min(columns / 4).max(1));
    let room = PROMPT_ROOM.min((columns / 2).saturating_sub(width(&place)).max(1));
    let shown = printable(directory);
    let length = shown.chars().count();
    let shown = match length <= room {
        true => shown,
        // The end of a path says more than its middle.
        false => format!("…{}", shown.chars().skip(length - room + 1).collect::<String>()),
    };
    format!("{place}:{shown}> ")
}

/// The line editor with its history.
struct LineEditor {
    editor: Editor<ShellHelper, DefaultHistory>,
    /// The file of the history, if there is one.
    file: Option<PathBuf>,
}

impl LineEditor {
    fn new(sides: SessionLister) -> rustyline::Result<Self> {
        let config = Config::builder()
            .max_history_size(HISTORY_LINES)?
            .history_ignore_dups(true)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_prompt_limit(SHOWN_UNASKED)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(ShellHelper(sides)));
        let file = history_file();
        if let Some(file) = &file {
            // The first time there is no file.
            let _ = editor.load_history(file);
        }
        Ok(Self { editor, file })
    }

    fn remember(&mut self, line: &str) {
        // Lines that are empty, begin with a space, or repeat the last one are not kept.
        if let (Ok(true), Some(file)) = (self.editor.add_history_entry(line), &self.file)
            && let Err(error) = self.editor.append_history(file)
        {
            let shown = printable(file.as_os_str().as_encoded_bytes());
            complain(&format!("cannot keep the history in \"{shown}\": {error}"));
            self.file = None;
        }
    }

    /// All remembered lines, with numbers.
    fn all(&self) -> String {
        let history = self.editor.history();
        let mut text = String::new();
        for at in 0..history.len() {
            if let Ok(Some(line)) = history.get(at, SearchDirection::Forward) {
                text.push_str(&format!("{:5}  {}\n", at + 1, printable(line.entry.as_bytes())));
            }
        }
        text
    }
}

/// The history file: `$XDG_STATE_HOME/homeport/history`, else below `~/.local/state` (XDG Base Directory
/// Specification). Only its owner may read it. `None`: there is no directory for it.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let state = state
        // The specification says that relative paths are to be ignored.
        .filter(|state| state.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".local/state")))?;
    let directory = state.join("homeport");
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(&directory).ok()?;
    let file = directory.join("history");
    keep_private(&file);
    Some(file)
}

/// Makes the history private. A file that others can read may have come from a backup.
fn keep_private(file: &Path) {
    if let Ok(meta) = file.metadata()
        && meta.permissions().mode() & 0o077 != 0
    {
        // If that fails the file belongs to another user, and cannot be written either.
        let _ = std::fs::set_permissions(file, Permissions::from_mode(0o600));
    }
}

/// Completes words for the line editor.
struct ShellHelper(SessionLister);

impl Completer for ShellHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (typed, behind) = line.split_at_checked(at).unwrap_or((line, ""));
        let choices = complete(typed, behind.is_empty(), &self.0);
        let pairs = choices.all.into_iter().map(|choice| Pair {
            display: choice.shown,
            replacement: choice.text,
        });
        Ok((choices.start, pairs.collect()))
    }
}

impl Helper for ShellHelper {}
impl Hinter for ShellHelper {
    type Hint = String;
}
impl Highlighter for ShellHelper {}
impl Validator for ShellHelper {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_shows_a_shortened_directory() {
        for (columns, directory, expected) in [
            (200, &b"/"[..], "alice@nas:/> "),
            (200, b"/a b", "alice@nas:/a b> "),
            (200, b"/\x1b[2J", "alice@nas:/\\u{1b}[2J> "),
            (
                200,
                b"/0123456789/0123456789/0123456789/0123456789",
                "alice@nas:…456789/0123456789/0123456789/0123456789> ",
            ),
            (40, b"/0123456789", "alice@nas:/0123456789> "),
            (38, b"/0123456789", "alice@nas:…123456789> "),
            (20, b"/0123456789", "al…as:…6789> "),
            (1, b"/0123456789", "…:…> "),
        ] {
            assert_eq!(prompt("alice@nas", directory, columns), expected);
        }
    }

    #[test]
    fn a_history_that_others_can_read_is_made_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("history");
        std::fs::write(&file, "#V2\n").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        keep_private(&file);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        keep_private(&dir.path().join("not there"));
    }
}
