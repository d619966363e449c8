//! Destinations on this machine for the client library, independent of the configuration of the user who runs the
//! tests.

use std::ffi::OsStr;
use std::path::Path;

use homeport::connect::destination::resolve;
use homeport::connect::{ConfigFile, Destination, LocalEnvironment, Options, Target, UnknownKeys};

/// Returns the destination of `user` at a port of 127.0.0.1. The user's home is `home`, without an agent, and unknown
/// host keys are accepted.
pub fn local_destination(user: &str, port: u16, home: &Path, config: ConfigFile) -> Destination {
    let options = Options {
        config,
        unknown_keys: Some(UnknownKeys::AcceptNew),
        ..Options::default()
    };
    let environment = LocalEnvironment {
        home: home.to_owned(),
        account_home: None,
        local_user: "nobody".to_owned(),
        agent: None,
        system: home.join("etc"),
    };
    let word = format!("sftp://{user}@127.0.0.1:{port}");
    let target = Target::parse(OsStr::new(&word)).unwrap();
    resolve(&target, &options, &environment).unwrap()
}
