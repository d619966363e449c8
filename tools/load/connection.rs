//! Connections to the server: signing in, opening channels, and passing received data to the channels' workers.

use parking_lot::Mutex;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::client::{self, Config, Handle, Session};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelId, ChannelWriteHalf, Preferred, cipher};

use crate::plan::Plan;
use crate::report::Totals;
use crate::worker::Worker;

/// The time that operations under way may still take at the end.
const FINISH_TIMEOUT: Duration = Duration::from_secs(60);
/// The time in which a connection must accept the order to disconnect.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The server's address, and how to sign in.
pub struct Target {
    pub port: u16,
    pub user: String,
    pub proof: Proof,
    pub cipher: String,
}

/// The credential for signing in.
pub enum Proof {
    Key(Arc<PrivateKey>),
    Password(String),
}

/// What distinguishes one connection from the others of the same work.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionPlan {
    /// The number of the connection among those of the same work, counted from 0. It makes the names of files unique.
    pub number: usize,
    /// The number of channels that the connection opens.
    pub channels: usize,
}

/// The workers of one connection by the channels on which they work.
type Workers = Arc<Mutex<HashMap<ChannelId, Worker>>>;

struct Events(Workers);

impl client::Handler for Events {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        // The tool generates load on the operator's own server, so any host key is accepted.
        Ok(true)
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        let deaf = {
            let mut workers = self.0.lock();
            let Some(worker) = workers.get_mut(&id) else {
                return Ok(());
            };
            let deaf = worker.is_deaf();
            if deaf.is_none() {
                let out = worker.take(data);
                if !out.is_empty() {
                    session.data(id, out)?;
                }
            }
            deaf
        };
        // While this waits, nothing is read from the socket.
        if let Some(until) = deaf {
            tokio::time::sleep_until(until.into()).await;
        }
        Ok(())
    }
}

/// A connection with its channels.
pub struct Link {
    connection: Handle<Events>,
    workers: Workers,
    channels: Vec<Arc<ChannelWriteHalf<client::Msg>>>,
    pace: Option<Duration>,
}

async fn sign_in(
    target: &Target,
) -> Result<(Handle<Events>, Workers), Box<dyn std::error::Error + Send + Sync>> {
    let wanted = cipher::Name::try_from(target.cipher.as_str()).map_err(|()| "no such cipher")?;
    let config = Config {
        window_size: 16 << 20,
        maximum_packet_size: 65_535,
        nodelay: true,
        preferred: Preferred {
            cipher: Cow::Owned(vec![wanted]),
            ..Preferred::default()
        },
        ..Config::default()
    };
    let workers = Workers::default();
    let events = Events(Arc::clone(&workers));
    let mut connection = client::connect(Arc::new(config), ("127.0.0.1", target.port), events).await?;
    let answer = match &target.proof {
        Proof::Key(key) => {
            let key = PrivateKeyWithHashAlg::new(Arc::clone(key), None);
            connection.authenticate_publickey(&target.user, key).await?
        }
        Proof::Password(password) => connection.authenticate_password(&target.user, password).await?,
    };
    match answer.success() {
        true => Ok((connection, workers)),
        false => Err("the server refuses the credentials".into()),
    }
}

/// Connects and opens channels that are ready to work.
pub async fn connect(
    target: &Target,
    plan: &Plan,
    connection_plan: ConnectionPlan,
    totals: &Arc<Totals>,
) -> Result<Link, Box<dyn std::error::Error>> {
    let (connection, workers) = sign_in(target).await.map_err(|error| error.to_string())?;
    let mut link = Link {
        connection,
        workers,
        channels: Vec::new(),
        pace: plan.pace,
    };
    for channel in 0..connection_plan.channels {
        let name = format!(
            "load-{}-{}-{channel}",
            base::temporary::random_digits(),
            connection_plan.number
        );
        let mut worker = Worker::new(plan, name, totals);
        let hello = worker.hello();
        // The reading half is dropped, because all data goes to the callback.
        let (_, writer) = link.connection.channel_open_session().await?.split();
        link.workers.lock().insert(writer.id(), worker);
        writer.request_subsystem(true, "sftp").await?;
        writer.data_bytes(hello).await?;
        link.channels.push(Arc::new(writer));
    }
    link.wait("the server to be ready", Worker::is_ready).await?;
    Ok(link)
}

impl Link {
    async fn wait(&self, what: &str, reached: impl Fn(&Worker) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + FINISH_TIMEOUT;
        loop {
            let all = {
                let workers = self.workers.lock();
                workers.values().all(&reached)
            };
            match all {
                true => return Ok(()),
                false if Instant::now() > deadline || self.connection.is_closed() => {
                    return Err(format!("waited in vain for {what}"));
                }
                false => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    fn with<T>(workers: &Workers, id: ChannelId, act: impl FnOnce(&mut Worker) -> T) -> Option<T> {
        let mut workers = workers.lock();
        workers.get_mut(&id).map(act)
    }

    /// Starts the work on all channels.
    pub async fn start(&self, until: Instant) -> Result<(), Box<dyn std::error::Error>> {
        for channel in &self.channels {
            let (out, deaf) = Self::with(&self.workers, channel.id(), |worker| {
                (worker.start(until), worker.is_deaf())
            })
            .unwrap_or_default();
            if let Some(until) = deaf {
                Self::send_until(Arc::clone(channel), out, until);
            } else if !out.is_empty() {
                channel.data_bytes(out).await?;
            }
            if let Some(pace) = self.pace {
                self.keep_pace(Arc::clone(channel), pace, until);
            }
        }
        Ok(())
    }

    /// Sends as many of these bytes as the server takes until then. A server that waits for its replies to be read may
    /// take only some of them.
    fn send_until(channel: Arc<ChannelWriteHalf<client::Msg>>, out: Vec<u8>, until: Instant) {
        tokio::spawn(async move {
            let _ = tokio::time::timeout_at(until.into(), channel.data_bytes(out)).await;
        });
    }

    fn keep_pace(&self, channel: Arc<ChannelWriteHalf<client::Msg>>, pace: Duration, until: Instant) {
        let workers = Arc::clone(&self.workers);
        tokio::spawn(async move {
            let mut clock = tokio::time::interval(pace);
            // An operation that is late does not delay the next ones.
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
            while Instant::now() < until {
                clock.tick().await;
                let out = Self::with(&workers, channel.id(), Worker::tick).unwrap_or_default();
                if channel.data_bytes(out).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Waits for the operations under way, except for those of the greedy work, and disconnects.
    pub async fn finish(self) {
        if let Err(error) = self.wait("answers", Worker::is_done).await {
            eprintln!("load: {error}");
        }
        // The server may have disconnected already. If it takes nothing, the connection ends with this process.
        let bye = self
            .connection
            .disconnect(russh::Disconnect::ByApplication, "done", "en");
        let _ = tokio::time::timeout(DISCONNECT_TIMEOUT, bye).await;
    }
}

/// Connects, signs in and disconnects repeatedly.
pub async fn sign_in_repeatedly(
    target: Arc<Target>,
    pace: Option<Duration>,
    until: Instant,
    totals: Arc<Totals>,
) {
    let once = |target: Arc<Target>, totals: Arc<Totals>| async move {
        let begun = Instant::now();
        match sign_in(&target).await {
            Ok((connection, _)) => {
                totals.done(begun.elapsed(), 0);
                let _ = connection
                    .disconnect(russh::Disconnect::ByApplication, "done", "en")
                    .await;
            }
            Err(_) => totals.failed(),
        }
    };
    let Some(pace) = pace else {
        while Instant::now() < until {
            once(Arc::clone(&target), Arc::clone(&totals)).await;
        }
        return;
    };
    let mut clock = tokio::time::interval(pace);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut under_way = tokio::task::JoinSet::new();
    while Instant::now() < until {
        clock.tick().await;
        under_way.spawn(once(Arc::clone(&target), Arc::clone(&totals)));
    }
    while under_way.join_next().await.is_some() {}
}
