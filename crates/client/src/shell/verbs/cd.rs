//! `cd`: changes the directory on the server.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use crate::commands::Session;
use crate::commands::candidates::Candidates;
use crate::globs;
use crate::link::RemoteError;
use crate::shell::context::ShellContext;
use crate::shell::messages::quoted_name;
use crate::shell::verb::{LineOutcome, ShellVerb};
use base::glob::{escape, unescape};

/// Change the directory on the server (.. is the parent, - the previous directory)
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct CdArgs {
    /// The new directory; the default is the home.
    #[arg(value_name = "DIRECTORY")]
    pub(in crate::shell) word: Option<OsString>,
}

impl ShellVerb for CdArgs {
    fn run(&self, shell: &mut ShellContext) -> LineOutcome {
        self.change_directory(shell).into()
    }

    fn candidates(earlier: usize) -> &'static [Candidates] {
        match earlier {
            0 => &[Candidates::RemoteDirectories],
            _ => &[],
        }
    }
}

impl CdArgs {
    fn change_directory(&self, shell: &mut ShellContext) -> Result<(), String> {
        let back = self.word.as_ref().is_some_and(|word| word == "-");
        let to = match (&self.word, back) {
            (_, true) => {
                let previous = shell.previous.clone();
                escape(&previous.ok_or("cd: there was no other directory before")?)
            }
            (None, false) => b"~".to_vec(),
            (Some(word), false) => word.as_bytes().to_vec(),
        };
        let directory = shell.stoppable(find(&shell.session, &to))?;
        if back {
            shell.say_directory(&directory);
        }
        shell.previous = Some(shell.session.directory());
        shell.session.set_directory(directory);
        Ok(())
    }
}

/// Finds the directory that a word means, as the server resolves it.
async fn find(session: &Session, word: &[u8]) -> Result<Vec<u8>, String> {
    let shown = match unescape(word) {
        name if name == b"~" => "the home directory".to_owned(),
        name => quoted_name(&name),
    };
    let cannot = |failed: RemoteError| format!("cannot go to {shown}: {failed}");
    let directory = &session.directory()[..];
    let looking = session.repeated(|link, _| async move { globs::remote(&link, directory, word).await });
    let path = match &looking.await.map_err(cannot)?[..] {
        [one] => session.resolve(one),
        several => {
            return Err(format!(
                "cannot go to {shown}: it stands for {} names",
                several.len()
            ));
        }
    };
    let attrs = session.stat(&path).await.map_err(cannot)?;
    // A server that does not report the type of the file is not doubted.
    if attrs.is_directory() == Some(false) {
        return Err(format!("cannot go to {shown}: it is not a directory"));
    }
    let real = resolved(session, &path).await.map_err(cannot)?;
    Ok(real)
}

async fn resolved(session: &Session, path: &[u8]) -> Result<Vec<u8>, RemoteError> {
    let real = session.realpath(path).await?;
    match real.starts_with(b"/") && !real.contains(&0) {
        true => Ok(real),
        false => Err(RemoteError::UnexpectedReply("an absolute path")),
    }
}
