//! `homeportd backup`

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use serde::Serialize;

use super::grammar::BackupArgs;
use super::output::{self, counted};
use super::work::{IfMissing, with_store};
use crate::config::Config;
use crate::ops::backup::manifest::{LeftOut, Manifest};
use crate::ops::backup::unfinished::Unfinished;
use crate::ops::backup::{self, ConfigurationFile};
use base::error::{Error, Result};
use base::paths::from_here;
use base::size::Size;

/// Makes a backup, and prints what is in it. If a process that root had started failed, its exit code is returned; it
/// has printed the error.
///
/// # Errors
/// Returns an error if something has its name already, or if it cannot be made. Nothing is left then.
pub fn run(args: &BackupArgs, config: &Config) -> Result<ExitCode> {
    if args.fill {
        fill(Path::new("."), &args.dir, config)?;
        return Ok(ExitCode::SUCCESS);
    }
    let target = from_here(&args.dir)?;
    let unfinished = Unfinished::begin(&target)?;
    let manifest = match other_owner(config) {
        None => fill(unfinished.path(), &target, config)?,
        Some(owner) => {
            unfinished.give_to(owner.uid(), owner.gid())?;
            if let Some(code) = fill_as_owner(unfinished.path(), &target, config)? {
                return Ok(ExitCode::from(code));
            }
            unfinished.give_to(0, 0)?;
            Manifest::read(unfinished.path())?
        }
    };
    unfinished.finish()?;
    output::print(&report(&target, &manifest, args.json)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Fills a directory. Root becomes the owner of the data directory first.
fn fill(directory: &Path, target: &Path, config: &Config) -> Result<Manifest> {
    let configuration = ConfigurationFile::read(&config.file, config.named_paths())?;
    with_store(config, IfMissing::Fail, async |context| {
        let manifest = backup::fill(directory, target, &configuration, context).await?;
        backup::record(target, &manifest, context).await;
        Ok(manifest)
    })
}

/// Returns the owner of the data directory, if this is root and root is not the owner. Nothing works on the store as
/// root then, and the owner may have no access to where the backup goes.
fn other_owner(config: &Config) -> Option<Metadata> {
    let owner = config.data_dir().metadata().ok()?;
    (rustix::process::geteuid().is_root() && owner.uid() != 0).then_some(owner)
}

/// Has a directory filled by a process of its own, which becomes the owner of the data directory. Its current directory
/// is the one to fill, which its owner can reach only that way if root keeps backups to itself. Returns the exit code
/// of a process that failed.
fn fill_as_owner(directory: &Path, target: &Path, config: &Config) -> Result<Option<u8>> {
    let failed = |e| Error::new("cannot start a process for the backup").because(e);
    let status = Command::new(std::env::current_exe().map_err(failed)?)
        .arg("-c")
        .arg(&config.file)
        .args(["backup", "--fill"])
        .arg(target)
        .current_dir(directory)
        .status()
        .map_err(failed)?;
    Ok(match status.success() {
        true => None,
        false => Some(
            status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(1),
        ),
    })
}

/// A backup, as `backup --json` prints it.
#[derive(Debug, Serialize)]
struct BackupJson<'a> {
    directory: String,
    time: &'a str,
    files: usize,
    bytes: u64,
    users: u64,
    left_out: &'a [LeftOut],
}

fn report(target: &Path, manifest: &Manifest, json: bool) -> Result<String> {
    if json {
        return output::json(&BackupJson {
            directory: target.display().to_string(),
            time: &manifest.time,
            files: manifest.files.len(),
            bytes: manifest.bytes(),
            users: manifest.users,
            left_out: &manifest.left_out,
        });
    }
    let mut text = format!(
        "made \"{}\": {}, {}, {}\n",
        target.display(),
        counted(manifest.users, "user"),
        counted(manifest.files.len(), "file"),
        Size(manifest.bytes())
    );
    for LeftOut { what, path } in &manifest.left_out {
        let files = if matches!(&**what, "homes" | "root") {
            "the files in "
        } else {
            ""
        };
        text.push_str(&format!("not in it: {files}\"{path}\"\n"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::backup::manifest::BackupFile;

    #[test]
    fn what_is_in_a_backup_is_counted() {
        let at = "2026-11-30T13:00:01.987654321Z".parse().unwrap();
        let mut manifest = Manifest::new(at, Path::new("/srv/homeportd.toml"));
        let file = BackupFile {
            name: "store/homeport.db".to_owned(),
            mode: "0600".to_owned(),
            bytes: 1024,
            sha256: String::new(),
        };
        let text = |manifest: &Manifest| report(Path::new("/b"), manifest, false).unwrap();
        assert_eq!(text(&manifest), "made \"/b\": 0 users, 0 files, 0 B\n");
        (manifest.users, manifest.files) = (1, vec![file.clone()]);
        assert_eq!(text(&manifest), "made \"/b\": 1 user, 1 file, 1.0 KiB\n");
        (manifest.users, manifest.files) = (2, vec![file.clone(), file]);
        assert_eq!(text(&manifest), "made \"/b\": 2 users, 2 files, 2.0 KiB\n");
        let json: serde_json::Value =
            serde_json::from_str(&report(Path::new("/b"), &manifest, true).unwrap()).unwrap();
        assert_eq!(json["time"], "2026-11-30T13:00:01Z");
    }
}
