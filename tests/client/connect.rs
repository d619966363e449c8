//! The way to a server, tried against `homeportd` and against OpenSSH's `sshd` with a real `ssh-agent`.

mod not_there;
mod openssh;
mod ours;
mod person;
mod strange;
mod terminal;

use std::ffi::OsStr;
use std::sync::{Arc, Mutex};

use homeport::connect::{
    Callbacks, ConfigFile, ConnectError, Credentials, Destination, LocalEnvironment, Options, Target,
    UnknownKeys, connect,
};
use russh::client::{Handle, Handler, Session};
use russh::keys::PublicKeyOrCertificate;

use person::Person;
use testkit::PATIENCE;
pub use testkit::sshd::{keygen, public};

/// What a caller's handler does at least, and what was agreed on.
pub struct Client {
    callbacks: Callbacks,
    agreed: Agreed,
}

/// Cipher, key exchange, and whether it was strict.
type Agreed = Arc<Mutex<Option<(String, String, bool)>>>;

impl Handler for Client {
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

/// A home of a person's own, and what leads to a server on this machine.
pub struct Way {
    home: tempfile::TempDir,
    destination: Destination,
    agreed: Agreed,
}

impl Way {
    /// To 127.0.0.1, where everything is asked and learned in a fresh home. `config`: of ssh.
    pub fn new(user: &str, port: u16, config: &str) -> Self {
        let home = tempfile::Builder::new()
            .prefix("homeport-connect-")
            .tempdir()
            .unwrap();
        let file = home.path().join("config");
        std::fs::write(&file, config).unwrap();
        let options = Options {
            config: ConfigFile::File(file),
            unknown_keys: Some(UnknownKeys::Learn),
            ..Options::default()
        };
        let here = LocalEnvironment {
            home: home.path().to_owned(),
            local_user: "nobody".to_owned(),
            agent: None,
            system: home.path().join("etc"),
        };
        let word = format!("sftp://{user}@127.0.0.1:{port}");
        let target = Target::parse(OsStr::new(&word)).unwrap();
        Self {
            destination: Destination::resolve(&target, &options, &here).unwrap(),
            home,
            agreed: Agreed::default(),
        }
    }

    /// Connects, in bounded time.
    pub async fn go(
        &self,
        credentials: &Credentials,
        person: &Arc<Person>,
    ) -> Result<Handle<Client>, ConnectError> {
        let agreed = Arc::clone(&self.agreed);
        let client = |callbacks| Client { callbacks, agreed };
        let prompts = Arc::clone(person) as Arc<dyn homeport::connect::Prompts>;
        let connecting = connect(&self.destination, credentials, prompts, client);
        tokio::time::timeout(PATIENCE, connecting)
            .await
            .expect("connected or not in time")
    }

    /// The same, which must succeed and leave a connection that takes a channel.
    pub async fn arrive(&self, credentials: &Credentials, person: &Arc<Person>) {
        let handle = match self.go(credentials, person).await {
            Ok(handle) => handle,
            Err(error) => panic!("{error}\ntold: {}", person.told()),
        };
        let opened = tokio::time::timeout(PATIENCE, handle.channel_open_session()).await;
        opened.expect("a channel in time").expect("a channel");
    }

    /// The same, which must fail; the error and its words.
    pub async fn fail(&self, credentials: &Credentials, person: &Arc<Person>) -> (ConnectError, String) {
        match self.go(credentials, person).await {
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
