//! The callbacks of the SSH library on the client's side. They decide nothing, and pass everything on to the inbox.

use std::io;
use std::sync::{Arc, OnceLock};

use russh::ChannelId;
use russh::client::{DisconnectReason, Handler, Session};
use russh::keys::PublicKeyOrCertificate;

use crate::connect::Callbacks;
use crate::link::inbox::Inbox;
use crate::verbose;
use base::visible::printable;

/// The state that the callbacks and the link share.
#[derive(Clone, Default)]
pub struct SharedChannel {
    pub(super) inbox: Arc<Inbox>,
    /// The channel that speaks SFTP. Other channels are for commands, and are read elsewhere.
    pub(super) channel: Arc<OnceLock<ChannelId>>,
    /// The identification string of the server, once keys are agreed on.
    pub(super) server_id: Arc<OnceLock<Vec<u8>>>,
}

/// The callbacks of one connection.
pub struct SshHandler {
    callbacks: Callbacks,
    wiring: SharedChannel,
}

impl SshHandler {
    /// Makes the handler for [`connect`](crate::connect::connect). `wiring` then goes to
    /// [`SshTransport::new`](super::SshTransport::new).
    pub fn new(callbacks: Callbacks, wiring: SharedChannel) -> Self {
        Self { callbacks, wiring }
    }

    fn is_sftp(&self, channel: ChannelId) -> bool {
        self.wiring.channel.get() == Some(&channel)
    }

    fn ended(&self, channel: ChannelId) {
        if self.is_sftp(channel) {
            self.wiring.inbox.lose("the server ended the SFTP session");
        }
    }
}

impl Drop for SshHandler {
    fn drop(&mut self) {
        self.wiring.inbox.lose("it was closed");
    }
}

impl Handler for SshHandler {
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
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.wiring
            .server_id
            .get_or_init(|| session.remote_sshid().to_vec());
        verbose::say(verbose::STEPS, || {
            format!(
                "agreed on keys: {}, {}, {}, host key {}",
                names.kex.as_ref(),
                names.cipher.as_ref(),
                names.client_mac.as_ref(),
                names.key
            )
        });
        Ok(())
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.is_sftp(channel)
            && let Err(error) = self.wiring.inbox.data(data)
        {
            self.wiring.inbox.lose(&error.to_string());
            session.disconnect(russh::Disconnect::ProtocolError, "malformed SFTP packet", "en")?;
        }
        Ok(())
    }

    async fn extended_data(
        &mut self,
        channel: ChannelId,
        _kind: u32,
        data: &[u8],
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.is_sftp(channel) {
            self.wiring.inbox.notice(data);
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.ended(channel);
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.ended(channel);
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        match reason {
            DisconnectReason::ReceivedDisconnect(message) => {
                let why = format!("the server said: {}", printable(message.message.as_bytes()));
                self.wiring.inbox.lose(&why);
                Ok(())
            }
            DisconnectReason::Error(error) => {
                let why = match &error {
                    russh::Error::IO(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        "the server closed it".to_owned()
                    }
                    error => error.to_string(),
                };
                self.wiring.inbox.lose(&why);
                Err(error)
            }
        }
    }
}
