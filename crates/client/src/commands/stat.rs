//! `stat`: shows all that the server says of a file.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use serde_json::json;
use sftp_wire::Attributes;

use super::candidates::Candidates;
use super::details;
use super::named_paths::NamedPaths;
use super::session::{RemotePath, Session};
use super::verb::Verb;
use crate::link::{Answered as _, Link, OwnerIds, OwnerNames, RemoteError};
use crate::output::{Stdout, Style, about, print_bytes, print_json};
use base::error::Result;
use base::size::{Size, counted};

/// Show type, size, permissions, owner and times of files on the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "Examples:\n  \
    homeport stat HOST:backup.tar\n  \
    homeport stat -L HOST:current        what a link points to\n  \
    homeport --json stat HOST:'*.log'    for scripts: size, mode, modified, …")]
pub struct StatArgs {
    /// Show what a link points to, instead of the link itself.
    #[arg(short = 'L', long)]
    pub dereference: bool,
    /// The files, directories or patterns to show.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for StatArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(stat(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

async fn stat(session: &Arc<Session>, args: &StatArgs) -> Result<u8> {
    let mut names = NamedPaths::of(session, &args.words);
    let mut code = 0;
    while let Some(found) = names.next().await? {
        let path = &found.path[..];
        let looking = session.repeated(|link, _| async move { look(&link, args, path).await });
        match looking.await {
            Ok(details) => show(session, &found, &details)?,
            Err(failed) => code = code.max(names.fail(&found, failed, "")?),
        }
    }
    Ok(code)
}

/// What the server says of a path.
struct PathDetails {
    attrs: Attributes,
    /// Where it points to if it is a link.
    target: Option<Vec<u8>>,
    owners: OwnerNames,
}

async fn look(link: &Link, args: &StatArgs, path: &[u8]) -> std::result::Result<PathDetails, RemoteError> {
    let attrs = match args.dereference {
        true => link.stat(path).await?,
        false => link.lstat(path).await?,
    };
    let target = match attrs.is_symlink() && !args.dereference {
        // A link that cannot be read is shown without its target.
        true => link.readlink(path).await.unless_refused()?,
        false => None,
    };
    let mut ids = OwnerIds::default();
    ids.add(&attrs);
    let owners = OwnerNames::of(link, &ids).await?;
    Ok(PathDetails {
        attrs,
        target,
        owners,
    })
}

fn show(session: &Session, found: &RemotePath, details: &PathDetails) -> Result<()> {
    let PathDetails {
        attrs,
        target,
        owners,
    } = details;
    if session.output.style == Style::Json {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        return print_json(&about(
            &found.path,
            json!({
                "type": details::type_name(attrs),
                "size": attrs.size,
                "mode": details::octal(attrs),
                "uid": attrs.owner.map(|owner| owner.uid),
                "gid": attrs.owner.map(|owner| owner.gid),
                "user": attrs.owner.and_then(|owner| owners.users.get(&owner.uid)).map(text),
                "group": attrs.owner.and_then(|owner| owners.groups.get(&owner.gid)).map(text),
                "modified": attrs.times.map(|times| times.modified),
                "accessed": attrs.times.map(|times| times.accessed),
                "target": target.as_ref().map(text),
            }),
        ));
    }
    let stdout = Stdout::of_this_process();
    let mut out = stdout.name(&found.path).into_owned();
    let mut line = |name: &str, value: &[u8]| {
        out.extend_from_slice(format!("\n  {name:<10}").as_bytes());
        out.extend_from_slice(value);
    };
    line("type", details::type_name(attrs).as_bytes());
    if let Some(target) = target {
        line("target", &stdout.name(target));
    }
    if let Some(size) = attrs.size {
        let units = if size >= 1024 {
            format!(" ({})", Size(size))
        } else {
            String::new()
        };
        line("size", format!("{}{units}", counted(size, "byte")).as_bytes());
    }
    if let Some(octal) = details::octal(attrs) {
        line(
            "mode",
            format!("{octal} {}", details::permissions(attrs)).as_bytes(),
        );
    }
    if let Some(owner) = attrs.owner {
        line(
            "owner",
            format!("{} ({})", details::user(attrs, owners), owner.uid).as_bytes(),
        );
        line(
            "group",
            format!("{} ({})", details::group(attrs, owners), owner.gid).as_bytes(),
        );
    }
    if let Some(times) = attrs.times {
        line("modified", details::exact_time(times.modified).as_bytes());
        line("accessed", details::exact_time(times.accessed).as_bytes());
    }
    out.push(b'\n');
    print_bytes(&out)
}
