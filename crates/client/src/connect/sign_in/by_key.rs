//! Signing in with keys of the agent and of files: the order in which they are shown, and how they sign.

use std::collections::VecDeque;
use std::time::Duration;

use russh::client::{AuthResult, Handler};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};
use russh::{AgentAuthError, MethodKind, Signer};

use super::auth_session::{ANSWER, AuthSession, SignInStep};
use super::identity::{self, Agent, AgentKey, AgentSigner, Holder, Identity};
use super::keys::{self, FileSigner, KeyError, KeyFile};
use super::report::SignInError;
use crate::connect::host_certificate::{self, name_of};
use crate::verbose;
use base::visible::printable;

/// How long the agent may take to list its keys, which needs no confirmation.
const AGENT: Duration = Duration::from_secs(10);

/// The hash that the server accepts for RSA keys.
#[derive(Clone, Copy)]
enum RsaHash {
    Sha2(HashAlg),
    /// The server accepts only SHA-1, which is not used.
    None,
}

/// A key that the server may accept, and how it signs.
struct UsableKey {
    key: PublicKey,
    /// The certificate that is shown instead of the key.
    certificate: Option<Box<Certificate>>,
    /// The hash with which an RSA key signs. `None`: the key is of another kind.
    hash: Option<HashAlg>,
    /// The name of the key, for messages.
    name: String,
}

impl UsableKey {
    fn with(self, certificate: Option<Box<Certificate>>) -> Self {
        Self { certificate, ..self }
    }
}

/// The method `publickey`: the keys that are left to try, and what is known about signing with them.
#[derive(Default)]
pub(super) struct KeyMethod {
    /// The keys that are left to try, or `None` before they are looked up.
    identities: Option<VecDeque<Identity>>,
    agent: Option<Agent>,
    /// The hash with which RSA keys sign, or `None` before the server was asked.
    rsa: Option<RsaHash>,
}

impl KeyMethod {
    /// Tries the keys that are left, until the server accepts one or takes no more.
    pub(super) async fn sign_in<H: Handler>(
        &mut self,
        session: &mut AuthSession<'_, H>,
    ) -> Result<SignInStep, SignInError> {
        if self.identities.is_none() {
            self.identities = Some(self.look_up(session).await);
        }
        let mut last = SignInStep::Exhausted;
        while let Some(identity) = self.identities.as_mut().and_then(VecDeque::pop_front) {
            let Some(step) = self.try_key(session, identity).await? else {
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
    async fn try_key<H: Handler>(
        &mut self,
        session: &mut AuthSession<'_, H>,
        identity: Identity,
    ) -> Result<Option<SignInStep>, SignInError> {
        let Identity { holder, certificate } = identity;
        match holder {
            Holder::Agent(listed) => {
                let name = match &certificate {
                    Some(certificate) if !matches!(listed.listed, AgentIdentity::Certificate { .. }) => {
                        format!("{} with {}", listed.name, name_of(certificate))
                    }
                    _ => listed.name.clone(),
                };
                let Some(key) = self.usable(session, listed.key(), name).await? else {
                    return Ok(None);
                };
                let key = key.with(certificate);
                self.by_agent(session, &listed, key).await
            }
            Holder::File(mut file) => {
                let name = printable(file.path.as_os_str().as_encoded_bytes());
                if file.public.is_none() {
                    match file.unlock(session.credentials, session.prompts).await {
                        Ok(key) => file.public = Some(key.public_key().clone()),
                        Err(error) => return skip(session, &name, error).map(|()| None),
                    }
                }
                let Some(key) = file.public.clone() else {
                    return Ok(None);
                };
                let name = match &certificate {
                    Some(certificate) => format!("{name} with {}", name_of(certificate)),
                    None => name,
                };
                let Some(key) = self.usable(session, key, name).await? else {
                    return Ok(None);
                };
                by_file(session, &file, key.with(certificate)).await
            }
        }
    }

    async fn by_agent<H: Handler>(
        &mut self,
        session: &mut AuthSession<'_, H>,
        listed: &AgentKey,
        key: UsableKey,
    ) -> Result<Option<SignInStep>, SignInError> {
        let Some(agent) = self.agent.as_mut() else {
            return Ok(None);
        };
        let mut signer = AgentSigner {
            agent,
            listed: &listed.listed,
            name: &key.name,
            prompts: session.prompts,
            was_silent: false,
        };
        let shown = show(session, &key, &mut signer).await;
        if signer.was_silent {
            self.agent = None;
        }
        match shown {
            Some(Err(AgentAuthError::Send(_))) => Err(SignInError::Closed(session.take_report())),
            Some(Err(AgentAuthError::Key(error))) => {
                session.note(format!("the agent does not sign with {}: {error}", key.name));
                Ok(None)
            }
            Some(Ok(result)) => key_step(session, &key, result).map(Some),
            None => Err(SignInError::Silent(session.take_report())),
        }
    }

    /// The key, if there is a hash that both it and the server accept. `None`: there is none, which was reported.
    async fn usable<H: Handler>(
        &mut self,
        session: &mut AuthSession<'_, H>,
        key: PublicKey,
        name: String,
    ) -> Result<Option<UsableKey>, SignInError> {
        let hash = match key.algorithm() {
            Algorithm::Rsa { .. } => match self.rsa_hash(session).await? {
                RsaHash::Sha2(hash) => Some(hash),
                RsaHash::None => {
                    session.note(format!(
                        "the key {name} is not used: the server takes RSA only with SHA-1, which can be forged"
                    ));
                    return Ok(None);
                }
            },
            _ => None,
        };
        session.report.keys.push(name.clone());
        verbose::say(verbose::STEPS, || format!("trying the key {name}"));
        Ok(Some(UsableKey {
            key,
            certificate: None,
            hash,
            name,
        }))
    }

    /// The hash with which RSA keys sign. The server is asked once.
    async fn rsa_hash<H: Handler>(
        &mut self,
        session: &mut AuthSession<'_, H>,
    ) -> Result<RsaHash, SignInError> {
        if let Some(rsa) = self.rsa {
            return Ok(rsa);
        }
        let best = session.handle.best_supported_rsa_hash().await;
        let rsa = match best.map_err(|error| session.broken(error))? {
            Some(Some(hash)) => RsaHash::Sha2(hash),
            Some(None) => RsaHash::None,
            // Servers that do not announce their algorithms have supported SHA-2 since 2016.
            None => RsaHash::Sha2(HashAlg::Sha512),
        };
        self.rsa = Some(rsa);
        Ok(rsa)
    }

    /// Looks up the keys and their certificates, in the order in which they are tried.
    async fn look_up<H: Handler>(&mut self, session: &mut AuthSession<'_, H>) -> VecDeque<Identity> {
        let (files, named) = (session.rules.files.clone(), session.rules.certificates.clone());
        let load = move || {
            let loaded = files.iter().map(keys::load).collect::<Vec<_>>();
            (loaded, keys::certificates(&files, &named))
        };
        let (loaded, (certificates, notes)) = tokio::task::spawn_blocking(load).await.unwrap_or_default();
        let mut files = Vec::new();
        for (file, note) in loaded {
            if let Some(note) = note {
                session.note(note);
            }
            files.extend(file);
        }
        for note in notes {
            session.note(note);
        }
        let listed = self.agent_keys(session).await;
        identity::order(files, listed, &certificates, session.rules.identities_only)
    }

    /// The agent's keys and certificates. An agent that does not answer is skipped.
    async fn agent_keys<H: Handler>(&mut self, session: &mut AuthSession<'_, H>) -> Vec<AgentKey> {
        let Some(socket) = session.rules.agent.clone() else {
            return Vec::new();
        };
        let binding = session.handle.agent_session_binding().cloned();
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
                session.note(format!(
                    "the agent \"{}\" cannot be used: {why}",
                    socket.display()
                ));
                return Vec::new();
            }
        };
        self.agent = Some(agent);
        identities.into_iter().map(AgentKey::new).collect()
    }
}

/// Shows a key or its certificate to the server, and signs with it. `None`: the server did not answer in time.
async fn show<H: Handler, S: Signer>(
    session: &mut AuthSession<'_, H>,
    key: &UsableKey,
    signer: &mut S,
) -> Option<Result<AuthResult, S::Error>> {
    let user = session.rules.user.as_str();
    let (prompts, handle) = (session.prompts, &mut *session.handle);
    match &key.certificate {
        None => {
            let attempt = handle.authenticate_publickey_with(user, key.key.clone(), key.hash, signer);
            prompts.with_timeout(ANSWER, attempt).await
        }
        Some(certificate) => {
            let certificate = Certificate::clone(certificate);
            let attempt = handle.authenticate_certificate_with(user, certificate, key.hash, signer);
            prompts.with_timeout(ANSWER, attempt).await
        }
    }
}

/// Signs in with a key of a file. `None`: it does not sign, which was reported.
async fn by_file<H: Handler>(
    session: &mut AuthSession<'_, H>,
    file: &KeyFile,
    key: UsableKey,
) -> Result<Option<SignInStep>, SignInError> {
    let mut signer = FileSigner {
        file,
        credentials: session.credentials,
        prompts: session.prompts,
    };
    match show(session, &key, &mut signer).await {
        Some(Err(KeyError::Gone(_))) => Err(SignInError::Closed(session.take_report())),
        Some(Err(error)) => skip(session, &key.name, error).map(|()| None),
        Some(Ok(result)) => key_step(session, &key, result).map(Some),
        None => Err(SignInError::Silent(session.take_report())),
    }
}

/// What the server's answer to a key means. Why it may refuse a certificate is noted.
fn key_step<H: Handler>(
    session: &mut AuthSession<'_, H>,
    key: &UsableKey,
    result: AuthResult,
) -> Result<SignInStep, SignInError> {
    let step = session.step::<russh::Error>(Some(Ok(result)))?;
    if let (SignInStep::Refused(_), Some(certificate)) = (&step, &key.certificate) {
        let problem = host_certificate::refused(certificate, &session.rules.user, host_certificate::now());
        session.note_problem(problem);
    }
    let on_security_key = matches!(
        key.key.algorithm(),
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256
    );
    if on_security_key && matches!(step, SignInStep::Done | SignInStep::Part(_)) {
        session.credentials.keep_confirmed();
    }
    Ok(step)
}

/// Skips a key that was not unlocked, unless the user cancelled.
fn skip<H: Handler>(
    session: &mut AuthSession<'_, H>,
    name: &str,
    error: KeyError,
) -> Result<(), SignInError> {
    match error {
        KeyError::NotUnlocked(error) if error.kind() == std::io::ErrorKind::Interrupted => {
            Err(session.cannot_ask(error))
        }
        error => {
            session.note(format!("the key {name} is not used: {error}"));
            Ok(())
        }
    }
}
