//! The keys that may be tried, wherever their private parts are, and the order in which they are tried.

use std::collections::VecDeque;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Certificate, HashAlg, PublicKey};
use russh::{AgentAuthError, Signer};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::auth_session::ANSWER;
use super::keys::KeyFile;
use crate::connect::known_hosts::fingerprint;
use crate::connect::prompts::AsyncPrompts;
use base::visible::printable;

/// The agent of ssh-agent(1), which signs for us.
pub(super) type Agent = AgentClient<UnixStream>;

/// A key of the agent.
#[derive(Clone)]
pub(super) struct AgentKey {
    /// The key or certificate, as the agent lists it.
    pub(super) listed: AgentIdentity,
    /// The name of the key, for messages.
    pub(super) name: String,
}

impl AgentKey {
    pub(super) fn new(listed: AgentIdentity) -> Self {
        let key = listed.public_key();
        let (kind, comment) = match &listed {
            AgentIdentity::PublicKey { comment, .. } => ("", comment),
            AgentIdentity::Certificate { comment, .. } => ("certificate of ", comment),
        };
        let comment = printable(comment.as_bytes());
        let name = format!("{kind}{} ({comment}, of the agent)", fingerprint(&key));
        Self { listed, name }
    }

    pub(super) fn key(&self) -> PublicKey {
        self.listed.public_key().into_owned()
    }

    fn certificate(&self) -> Option<&Certificate> {
        match &self.listed {
            AgentIdentity::PublicKey { .. } => None,
            AgentIdentity::Certificate { certificate, .. } => Some(certificate),
        }
    }
}

/// After this time without a signature, the user is told what is waited for: the agent may ask whether it may sign
/// (`ssh-add -c`), or a key may have to be touched.
const UNASKED: Duration = Duration::from_secs(2);
/// How long the agent may take to sign, with what it asks. It is less than the time for the server's answer, so that the
/// agent is named as what does not answer.
const SIGNING: Duration = ANSWER.saturating_sub(Duration::from_secs(5));

/// Signs with one key of the agent, also where a certificate is shown for which the agent has the plain key.
pub(super) struct AgentSigner<'a> {
    pub(super) agent: &'a mut Agent,
    pub(super) listed: &'a AgentIdentity,
    /// The name of the key, for messages.
    pub(super) name: &'a str,
    pub(super) prompts: &'a AsyncPrompts,
    /// Whether the agent has not signed in time. It may still do so, and then its answer is in the way of others.
    pub(super) was_silent: bool,
}

impl Signer for AgentSigner<'_> {
    type Error = AgentAuthError;

    async fn auth_sign(
        &mut self,
        _shown: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, AgentAuthError> {
        let begin = Instant::now();
        let signing = self.agent.auth_sign(self.listed, hash, to_sign);
        tokio::pin!(signing);
        tokio::select! {
            biased;
            signed = &mut signing => return signed,
            () = sleep_until(begin + UNASKED) => {}
        }
        self.prompts.show(&format!(
            "waiting for the agent to sign with {}: it may ask for a confirmation, or the key for a touch",
            self.name
        ));
        match timeout_at(begin + SIGNING, signing).await {
            Ok(signed) => signed,
            Err(_) => {
                self.was_silent = true;
                let why = format!("nobody has confirmed it within {} s", SIGNING.as_secs());
                let error = std::io::Error::new(std::io::ErrorKind::TimedOut, why);
                Err(AgentAuthError::Key(error.into()))
            }
        }
    }
}

/// What holds the private key, and signs with it.
pub(super) enum Holder {
    Agent(Box<AgentKey>),
    File(KeyFile),
}

/// A key to try, with the place of its private part.
pub(super) struct Identity {
    pub(super) holder: Holder,
    /// The certificate that is shown instead of the key.
    pub(super) certificate: Option<Box<Certificate>>,
}

/// The keys in the order in which they are tried: named files first (by the agent where it has the key), then other keys
/// of the agent, then the usual files. Before each key stand its certificates.
pub(super) fn order(
    files: Vec<KeyFile>,
    agent: Vec<AgentKey>,
    certificates: &[Certificate],
    only_files: bool,
) -> VecDeque<Identity> {
    let (of_agent, mut agent): (Vec<AgentKey>, Vec<AgentKey>) =
        agent.into_iter().partition(|key| key.certificate().is_some());
    let mut first = VecDeque::new();
    let mut last = VecDeque::new();
    for file in files {
        let same = |key: &AgentKey| {
            let public = file.public.as_ref();
            public.is_some_and(|public| public.key_data() == key.key().key_data())
        };
        let in_agent = agent.iter().position(same).map(|at| agent.remove(at));
        let list = match file.named || in_agent.is_some() {
            true => &mut first,
            false => &mut last,
        };
        match in_agent {
            Some(key) => add(list, Holder::Agent(Box::new(key)), certificates),
            None if !file.private => {}
            None => add(list, Holder::File(file), certificates),
        }
    }
    if !only_files {
        for key in of_agent {
            let certificate = key.certificate().cloned().map(Box::new);
            let holder = Holder::Agent(Box::new(key));
            first.push_back(Identity { holder, certificate });
        }
        for key in agent {
            add(&mut first, Holder::Agent(Box::new(key)), certificates);
        }
    }
    first.append(&mut last);
    first
}

/// Adds a key, and before it each of the certificates that are for it.
fn add(list: &mut VecDeque<Identity>, holder: Holder, certificates: &[Certificate]) {
    let public = match &holder {
        Holder::Agent(key) => Some(key.key()),
        Holder::File(file) => file.public.clone(),
    };
    for certificate in certificates {
        let is_for = |public: &PublicKey| public.key_data() == certificate.public_key();
        if !public.as_ref().is_some_and(is_for) {
            continue;
        }
        let holder = match &holder {
            Holder::Agent(key) => Holder::Agent(key.clone()),
            Holder::File(file) => Holder::File(file.clone()),
        };
        let certificate = Some(Box::new(certificate.clone()));
        list.push_back(Identity { holder, certificate });
    }
    let certificate = None;
    list.push_back(Identity { holder, certificate });
}
