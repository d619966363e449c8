//! `chmod`: sets permissions of files on the server.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use sftp_wire::Attributes;

use super::candidates::Candidates;
use super::session::Session;
use super::verb::Verb;
use base::error::Result;

/// Change the permissions of files on the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "From a command line:\n  homeport chmod 640 HOST:PATH…")]
pub struct ChmodArgs {
    /// The permissions in octal digits, such as 644.
    #[arg(value_parser = octal)]
    pub mode: u32,
    /// The files, directories or patterns whose permissions are changed.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

fn octal(text: &str) -> std::result::Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| "permissions are octal digits, as in 644 or 0755".to_owned())
}

#[async_trait]
impl Verb for ChmodArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(chmod(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(earlier: usize) -> &'static [Candidates] {
        match earlier {
            // The permissions.
            0 => &[],
            _ => &[Candidates::Remote],
        }
    }
}

async fn chmod(session: &Arc<Session>, args: &ChmodArgs) -> Result<u8> {
    let link = session.link().await?;
    let attrs = Attributes {
        permissions: Some(args.mode),
        ..Attributes::default()
    };
    let mut code = 0;
    for word in &args.words {
        for found in session.matching(&link, word).await? {
            if let Err(failed) = link.set(&found.path, &attrs).await {
                code = 1;
                session.complain(&found.shown, &format!("cannot set its permissions: {failed}"));
            }
        }
    }
    Ok(code)
}
