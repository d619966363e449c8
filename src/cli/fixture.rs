//! A server's directory with a store, on which tests run commands as the binary would.

use std::path::Path;

use clap::Parser as _;
use serde_json::Value;

use super::grammar::{Cli, Command};
use super::users_file::line;
use super::{folders, groups, output, quota, tokens, users};
use crate::config::{self, Config, users_file};
use crate::control::client::Client;
use crate::domain::user::User;
use crate::ops::context::OpsContext;
use crate::ops::users_file::declaration::Declaration;
use crate::ops::users_file::{apply, export};
use crate::store::sql::SqlStore;
use crate::store::{BatchStore as _, Store as _};
use base::error::Result;

/// The key in the fixture's file `key.pub`.
pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMd6xXnVT1S/yCl4qB7po332lDM7TUEWm0vjYEfkxSE9 calvin@box";

/// A server that does not run: its configuration in `server`, and the root `roots` for homes and folders.
pub struct CliFixture {
    pub dir: tempfile::TempDir,
    pub config: Config,
    pub store: SqlStore,
}

impl CliFixture {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = super::init::directory(&dir.path().join("server"), None).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("roots = []", "roots = [\"../roots\"]")).unwrap();
        std::fs::create_dir(dir.path().join("roots")).unwrap();
        let config = config::load(&file).unwrap();
        let store = SqlStore::open(&config.store.path).await.unwrap();
        std::fs::write(dir.path().join("key.pub"), format!("{KEY}\n")).unwrap();
        Self { dir, config, store }
    }

    /// Returns the path of a name in the fixture's directory.
    pub fn path(&self, name: &str) -> String {
        let here = self.dir.path().canonicalize().unwrap();
        here.join(name).display().to_string()
    }

    /// Runs a use case under this configuration.
    pub async fn with_context<T>(
        &self,
        config: &Config,
        run: impl AsyncFnOnce(&OpsContext<'_>) -> Result<T>,
    ) -> Result<T> {
        let context = OpsContext {
            installation: &config.installation(),
            store: &self.store,
            server: &Client::new(config.control_socket()),
            warn: output::warn,
        };
        run(&context).await
    }

    /// Runs a command line as the binary would, `@` standing for the fixture's directory.
    pub async fn run(&self, line: &str) -> Result<String> {
        self.run_under(&self.config, line).await
    }

    /// Runs a command line under another configuration.
    pub async fn run_under(&self, config: &Config, line: &str) -> Result<String> {
        let line = line.replace('@', &self.path(""));
        let cli = Cli::try_parse_from(["homeportd"].into_iter().chain(line.split(' '))).unwrap();
        self.with_context(config, async |context| match cli.command {
            Command::User(command) => {
                let inputs = users::Inputs::read(&command)?;
                users::execute(command, inputs, context).await
            }
            Command::Group(command) => groups::execute(command, context).await,
            Command::Token(command) => tokens::execute(command, context).await,
            Command::Folder(command) => folders::execute(command, context).await,
            Command::Quota(command) => {
                let mut told = String::new();
                let mut print = |text: &str| {
                    told.push_str(text);
                    Ok(())
                };
                quota::execute(command, context, &mut print).await?;
                Ok(told)
            }
            _ => panic!("{line}"),
        })
        .await
    }

    pub async fn ok(&self, line: &str) -> String {
        self.run(line).await.unwrap_or_else(|e| panic!("{line}: {e}"))
    }

    pub async fn fails(&self, line: &str, expected: &str) {
        let error = self.run(line).await.expect_err(line).to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }

    pub async fn show(&self, name: &str) -> Value {
        self.json(&format!("user show {name} --json")).await
    }

    pub async fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(line).await).unwrap()
    }

    /// Returns what a file of users declares, `"@` in it standing for the fixture's directory.
    pub fn declaration(&self, text: &str) -> Declaration {
        let text = text.replace("\"@/", &format!("\"{}", self.path("")));
        let installation = self.config.installation();
        users_file::declaration(text, Path::new("users.toml"), self.dir.path(), &installation)
    }

    /// Applies a file of users; returns a line for each change.
    pub async fn apply(&self, text: &str, prune: bool) -> Result<Vec<String>> {
        self.apply_declaration(&self.declaration(text), prune).await
    }

    pub async fn apply_declaration(&self, declaration: &Declaration, prune: bool) -> Result<Vec<String>> {
        let applied = self
            .with_context(&self.config, async |context| {
                apply::apply(declaration, prune, context).await
            })
            .await?;
        assert!(applied.failed.is_empty(), "{:?}", applied.failed);
        Ok(applied.changes.iter().map(line).collect())
    }

    /// Returns the file that declares all that the store has.
    pub async fn export(&self) -> String {
        let homes = base::paths::resolve(&self.config.storage.homes);
        export::text(&self.store.records().await.unwrap(), &homes)
    }

    pub async fn user(&self, name: &str) -> User {
        self.store.user(&name.parse().unwrap()).await.unwrap().unwrap()
    }
}
