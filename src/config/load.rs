//! Loads the configuration file: returns the settings, or everything that is wrong with it.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::parse::parse;
use super::settings::Config;
use super::{report, source};
use base::error::{Error, Result};
use base::paths::{from_here, resolve};

/// The name of the file that is looked for in the current directory.
pub const FILE_NAME: &str = "homeportd.toml";

/// The path at which the configuration is looked for last.
const SYSTEM_WIDE: &str = "/etc/homeport/homeportd.toml";

/// Returns the configuration file: `explicit` (`-c`), or else `$HOMEPORT_CONFIG`, or else `./homeportd.toml`, or else
/// the one in `/etc/homeport`.
///
/// # Errors
/// Returns an error if none is named and none exists.
pub fn find(explicit: Option<&Path>) -> Result<PathBuf> {
    let named = explicit.map(Path::to_path_buf).or_else(|| {
        let variable = std::env::var_os("HOMEPORT_CONFIG")?;
        (!variable.is_empty()).then(|| variable.into())
    });
    if let Some(path) = named {
        return Ok(path);
    }
    let usual = [FILE_NAME, SYSTEM_WIDE].map(PathBuf::from);
    usual.into_iter().find(|path| path.exists()).ok_or_else(|| {
        Error::new(format!(
            "no configuration: neither ./{FILE_NAME} nor {SYSTEM_WIDE} is there"
        ))
        .hint("name one with -c FILE or $HOMEPORT_CONFIG, or make one: homeportd init DIR")
    })
}

/// Reads a file, strictly, and the settings in the environment, which take precedence.
///
/// # Errors
/// Returns an error if it cannot be read, or one with everything that is wrong and its position.
pub fn load(file: &Path) -> Result<Config> {
    let cannot =
        |cause| Error::new(format!("cannot read configuration \"{}\"", file.display())).because(cause);
    let mut config = read(file)?;
    let file = std::path::absolute(file).map_err(cannot)?;
    let directory = file.parent().unwrap_or(Path::new("/"));
    let directory = directory.canonicalize().map_err(cannot)?;
    config.rebase(&directory);
    config.file = directory.join(file.file_name().unwrap_or_default());
    Ok(config)
}

/// Reads a file as [`load`] does, but as if it were `place`, which need not exist yet: paths in it are relative to the
/// directory of `place`.
///
/// # Errors
/// Returns the errors of [`load`].
pub fn load_as(file: &Path, place: &Path) -> Result<Config> {
    let mut config = read(file)?;
    let place = from_here(place)?;
    let directory = resolve(place.parent().unwrap_or(Path::new("/")));
    config.rebase(&directory);
    config.file = directory.join(place.file_name().unwrap_or_default());
    Ok(config)
}

/// Reads the settings of a file and of the environment. Paths are as they are written.
fn read(file: &Path) -> Result<Config> {
    let cannot = || Error::new(format!("cannot read configuration \"{}\"", file.display()));
    let bytes = source::read(file).map_err(|e| cannot().because(e))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes().iter().take(e.utf8_error().valid_up_to());
        let line = line.filter(|&&b| b == b'\n').count() + 1;
        Error::new(format!("{}:{line}: this line is not UTF-8", file.display()))
    })?;
    let config = parse(&text).map_err(|problems| report::all(&problems, file, &text))?;
    let environment = Environment::read(std::env::vars_os())?;
    let mut config = environment.apply(&text, config)?;
    config.unknown_variables = environment.unknown;
    Ok(config)
}
