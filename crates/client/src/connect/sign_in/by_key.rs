//! Signing in with keys of the agent and of files: the order in which they are shown, and how they sign.

use std::collections::VecDeque;
use std::time::Duration;

use russh::AgentAuthError;
use russh::MethodKind;
use russh::client::{AuthResult, Handler};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::attempt::{ANSWER, RsaHash, SignIn, SignInStep};
use super::identity::{Agent, Identity};
use super::keys::{self, FileSigner, KeyError, KeyFile};
use super::report::SignInError;
use crate::connect::known_hosts::fingerprint;
use base::visible::printable;

/// How long the agent may take to list its keys, which needs no confirmation.
const AGENT: Duration = Duration::from_secs(10);

impl<H: Handler> SignIn<'_, H> {
    pub(super) async fn by_key(&mut self) -> Result<SignInStep, SignInError> {
        if self.identities.is_none() {
            self.identities = Some(self.look_up().await);
        }
        let mut last = SignInStep::Exhausted;
        while let Some(identity) = self.identities.as_mut().and_then(VecDeque::pop_front) {
            let Some(step) = self.try_key(identity).await? else {
                continue;
            };
            let go_on = matches!(&step, SignInStep::Refused(open) if open.contains(&MethodKind::PublicKey));
            last = step;
            if !go_on {
                break;
            }
        }
        Ok(last)
    }

    /// Tries one key. `None`: the key could not be used, which was reported.
    async fn try_key(&mut self, identity: Identity) -> Result<Option<SignInStep>, SignInError> {
        match identity {
            Identity::InAgent { key, name } => {
                let Some(hash) = self.hash(&key, &name).await? else {
                    return Ok(None);
                };
                self.report.keys.push(name.clone());
                self.by_agent(key, hash, &name).await
            }
            Identity::InFile(mut file) => {
                let name = printable(file.path.as_os_str().as_encoded_bytes());
                if file.public.is_none() {
                    match file.unlock(self.credentials, self.prompts).await {
                        Ok(key) => file.public = Some(key.public_key().clone()),
                        Err(error) => return self.unusable(&name, error).map(|()| None),
                    }
                }
                let Some(key) = file.public.clone() else {
                    return Ok(None);
                };
                let Some(hash) = self.hash(&key, &name).await? else {
                    return Ok(None);
                };
                self.report.keys.push(name.clone());
                self.by_file(&file, key, hash, &name).await
            }
        }
    }

    async fn by_file(
        &mut self,
        file: &KeyFile,
        key: PublicKey,
        hash: Option<HashAlg>,
        name: &str,
    ) -> Result<Option<SignInStep>, SignInError> {
        let mut signer = FileSigner {
            file,
            credentials: self.credentials,
            prompts: self.prompts,
        };
        let user = self.rules.user.as_str();
        let attempt = self
            .handle
            .authenticate_publickey_with(user, key, hash, &mut signer);
        match self.prompts.with_timeout(ANSWER, attempt).await {
            Some(Err(KeyError::Gone(_))) => Err(SignInError::Closed(self.take_report())),
            Some(Err(error)) => self.unusable(name, error).map(|()| None),
            Some(Ok(result)) => self.key_step(result).map(Some),
            None => Err(SignInError::Silent(self.take_report())),
        }
    }

    async fn by_agent(
        &mut self,
        key: PublicKey,
        hash: Option<HashAlg>,
        name: &str,
    ) -> Result<Option<SignInStep>, SignInError> {
        let Some(agent) = self.agent.as_mut() else {
            return Ok(None);
        };
        let user = self.rules.user.as_str();
        let attempt = self.handle.authenticate_publickey_with(user, key, hash, agent);
        match self.prompts.with_timeout(ANSWER, attempt).await {
            Some(Err(AgentAuthError::Send(_))) => Err(SignInError::Closed(self.take_report())),
            Some(Err(AgentAuthError::Key(error))) => {
                self.note(format!("the agent does not sign with {name}: {error}"));
                Ok(None)
            }
            Some(Ok(result)) => self.key_step(result).map(Some),
            None => Err(SignInError::Silent(self.take_report())),
        }
    }

    fn key_step(&mut self, result: AuthResult) -> Result<SignInStep, SignInError> {
        self.step::<russh::Error>(Some(Ok(result)))
    }

    /// Skips a key that was not unlocked, unless the user cancelled.
    fn unusable(&mut self, name: &str, error: KeyError) -> Result<(), SignInError> {
        match error {
            KeyError::NotUnlocked(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                Err(self.cannot_ask(error))
            }
            error => {
                self.note(format!("the key {name} is not used: {error}"));
                Ok(())
            }
        }
    }

    /// The hash with which the key signs. The outer `None`: there is none that both accept, which was reported.
    async fn hash(&mut self, key: &PublicKey, name: &str) -> Result<Option<Option<HashAlg>>, SignInError> {
        if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
            return Ok(Some(None));
        }
        let rsa = match self.rsa {
            Some(rsa) => rsa,
            None => {
                // Servers that do not announce their algorithms have supported SHA-2 since 2016.
                let best = self.handle.best_supported_rsa_hash().await;
                match best.map_err(|error| self.broken(error))? {
                    Some(Some(hash)) => RsaHash::Sha2(hash),
                    Some(None) => RsaHash::None,
                    None => RsaHash::Sha2(HashAlg::Sha512),
                }
            }
        };
        self.rsa = Some(rsa);
        match rsa {
            RsaHash::Sha2(hash) => Ok(Some(Some(hash))),
            RsaHash::None => {
                self.note(format!(
                    "the key {name} is not used: the server takes RSA only with SHA-1, which can be forged"
                ));
                Ok(None)
            }
        }
    }

    /// Looks up the keys in the order in which they are tried: named files first (by the agent where it has the key),
    /// then other keys of the agent, then the usual files.
    async fn look_up(&mut self) -> VecDeque<Identity> {
        let files = self.rules.files.clone();
        let load = move || files.iter().map(keys::load).collect::<Vec<_>>();
        let loaded = tokio::task::spawn_blocking(load).await.unwrap_or_default();
        let mut files = Vec::new();
        for (file, note) in loaded {
            if let Some(note) = note {
                self.note(note);
            }
            files.extend(file);
        }
        let listed = self.agent_keys().await;
        order(files, listed, self.rules.identities_only)
    }

    /// The agent's keys with their names. Certificates are skipped, and so is an agent that does not answer.
    async fn agent_keys(&mut self) -> Vec<(PublicKey, String)> {
        let Some(socket) = self.rules.agent.clone() else {
            return Vec::new();
        };
        let binding = self.handle.agent_session_binding().cloned();
        let list = async {
            let mut agent = Agent::connect_uds(&socket).await?;
            if let Some(binding) = binding {
                // An agent without this extension works as well: only keys that are bound to hosts need it.
                let _ = agent.bind_session(&binding, false).await;
            }
            let identities = agent.request_identities().await?;
            Ok::<_, russh::keys::Error>((agent, identities))
        };
        let (agent, identities) = match tokio::time::timeout(AGENT, list).await {
            Ok(Ok(found)) => found,
            failed => {
                let why = failed.map_or_else(
                    |_| "it does not answer".to_owned(),
                    |r| r.err().map_or_else(String::new, |e| e.to_string()),
                );
                self.note(format!(
                    "the agent \"{}\" cannot be used: {why}",
                    socket.display()
                ));
                return Vec::new();
            }
        };
        self.agent = Some(agent);
        let plain = identities.into_iter().filter_map(|identity| match identity {
            AgentIdentity::PublicKey { key, comment } => {
                let name = format!(
                    "{} ({}, of the agent)",
                    fingerprint(&key),
                    printable(comment.as_bytes())
                );
                Some((key, name))
            }
            AgentIdentity::Certificate { .. } => None,
        });
        plain.collect()
    }
}

fn order(files: Vec<KeyFile>, mut agent: Vec<(PublicKey, String)>, only_files: bool) -> VecDeque<Identity> {
    let mut first = VecDeque::new();
    let mut last = Vec::new();
    for file in files {
        let same = |(key, _): &(PublicKey, String)| {
            file.public
                .as_ref()
                .is_some_and(|public| public.key_data() == key.key_data())
        };
        match agent.iter().position(same) {
            Some(at) => {
                let (key, name) = agent.remove(at);
                first.push_back(Identity::InAgent { key, name });
            }
            None if !file.private => {}
            None if file.named => first.push_back(Identity::InFile(file)),
            None => last.push(Identity::InFile(file)),
        }
    }
    if !only_files {
        first.extend(
            agent
                .into_iter()
                .map(|(key, name)| Identity::InAgent { key, name }),
        );
    }
    first.extend(last);
    first
}
