//! Connecting and signing in, against `homeportd` and against OpenSSH's `sshd` with a real `ssh-agent`.

mod homeportd;
mod no_server;
mod openssh;
pub mod prompts;
mod strange;
mod terminal;

use std::sync::{Arc, Mutex};

use homeport::connect::{Callbacks, ConfigFile, ConnectError, Credentials, Destination, connect};
use russh::client::{Handle, Handler, Session};
use russh::keys::PublicKeyOrCertificate;

use crate::client::destination::local_destination;
use prompts::ScriptedPrompts;
use testkit::PATIENCE;
pub use testkit::sshd::{keygen, public};

/// A minimal handler, which records the negotiated algorithms.
pub struct AlgorithmRecorder {
    callbacks: Callbacks,
    agreed: Agreed,
}

/// The cipher, the key exchange, and whether the key exchange was strict.
type Agreed = Arc<Mutex<Option<(String, String, bool)>>>;

impl Handler for AlgorithmRecorder {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(self.callbacks.host_key.accepts(key).await)
    }

    async fn auth_banner(&mut self, banner: &str, _session: &mut Session) -> Result<(), Self::Error> {
        self.callbacks.banner.show(banner);
        Ok(())
    }

    async fn kex_done(
        &mut self,
        _secret: Option<&[u8]>,
        names: &russh::Names,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let names = (
            names.cipher.as_ref().to_owned(),
            names.kex.as_ref().to_owned(),
            names.strict_kex(),
        );
        *self.agreed.lock().unwrap() = Some(names);
        Ok(())
    }
}

/// Connects to one destination on this machine, with an empty home for the user.
pub struct Connector {
    home: tempfile::TempDir,
    destination: Destination,
    agreed: Agreed,
}

impl Connector {
    /// Creates a connector to a port of 127.0.0.1, with this text as configuration of ssh.
    pub fn new(user: &str, port: u16, config: &str) -> Self {
        let home = tempfile::Builder::new()
            .prefix("homeport-connect-")
            .tempdir()
            .unwrap();
        let file = home.path().join("config");
        std::fs::write(&file, config).unwrap();
        Self {
            destination: local_destination(user, port, home.path(), ConfigFile::File(file)),
            home,
            agreed: Agreed::default(),
        }
    }

    /// Connects and signs in with these credentials and prompts.
    pub async fn connect(
        &self,
        credentials: &Credentials,
        prompts: &Arc<ScriptedPrompts>,
    ) -> Result<Handle<AlgorithmRecorder>, ConnectError> {
        let agreed = Arc::clone(&self.agreed);
        let client = |callbacks| AlgorithmRecorder { callbacks, agreed };
        let prompts = Arc::clone(prompts) as Arc<dyn homeport::connect::Prompts>;
        let connecting = connect(&self.destination, credentials, prompts, client);
        tokio::time::timeout(PATIENCE, connecting)
            .await
            .expect("connected or not in time")
    }

    /// Connects, which must succeed, and opens a channel.
    pub async fn connect_ok(&self, credentials: &Credentials, prompts: &Arc<ScriptedPrompts>) {
        let handle = match self.connect(credentials, prompts).await {
            Ok(handle) => handle,
            Err(error) => panic!("{error}\nmessages: {}", prompts.messages()),
        };
        let opened = tokio::time::timeout(PATIENCE, handle.channel_open_session()).await;
        opened.expect("a channel in time").expect("a channel");
    }

    /// Connects, which must fail, and returns the error and its message.
    pub async fn connect_err(
        &self,
        credentials: &Credentials,
        prompts: &Arc<ScriptedPrompts>,
    ) -> (ConnectError, String) {
        match self.connect(credentials, prompts).await {
            Ok(_) => panic!("connected"),
            Err(error) => {
                let words = error.to_string();
                (error, words)
            }
        }
    }

    fn known_hosts(&self) -> std::path::PathBuf {
        self.home.path().join(".ssh/known_hosts")
    }
}
