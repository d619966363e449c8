//! A load generator for SFTP servers: many connections and channels, so that the stock client is not the limit.
//!
//! ```sh
//! cargo run --release -p homeport-tools --bin load -- --port 2222 --user bench --key KEY --work read --file big --connections 16
//! load … --work write,stat --depth 64,1            # writes at full speed, and one STAT at a time beside them
//! load … --work signin --rate 200 --secs 60        # sign-ins by key, at this rate whatever the answers take
//! LOAD_PASSWORD=… load … --work signin --connections 64      # without --key: by password
//! load … --work idle --connections 2000 --secs 30
//! ```
//!
//! Each kind of work runs on connections of its own. Latencies are of whole operations: one request (read, write,
//! stat), one file (small: OPEN, WRITE, CLOSE), one directory (list), one connection with its sign-in (signin). With
//! `--rate` operations begin on time even if earlier ones are late, so that a server that stalls cannot hide it.

mod connection;
mod plan;
mod report;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use russh::keys::load_secret_key;

use connection::{ConnectionPlan, Proof, Target, connect, sign_in_repeatedly};
use plan::{Kind, Plan};
use report::{Report, Totals};

/// Generate load on an SFTP server, and print the latency and the throughput of each kind of work.
#[derive(Debug, Parser)]
struct Arguments {
    /// The port of the server on 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// The user to sign in as.
    #[arg(long)]
    user: String,
    /// The private key file to sign in with; without it, the password in $LOAD_PASSWORD is used.
    #[arg(long)]
    key: Option<PathBuf>,
    /// The kinds of work, separated by commas; they run at the same time, each on connections of its own.
    #[arg(long, value_delimiter = ',', required = true)]
    work: Vec<Kind>,
    /// The number of connections for each kind of work: one number for all, or one for each.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    connections: Vec<usize>,
    /// The number of channels that each connection opens.
    #[arg(long, default_value_t = 1)]
    channels: usize,
    /// The number of operations under way at once in each channel: one number for all kinds of work, or one for each.
    #[arg(long, value_delimiter = ',', default_value = "64")]
    depth: Vec<usize>,
    /// The size of each READ and WRITE and of each small file, in bytes.
    #[arg(long, default_value_t = 32_768)]
    size: u32,
    /// The number of operations that begin each second, in all; with 0, each begins when an earlier one has ended.
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// The duration of the load, in seconds.
    #[arg(long, default_value_t = 10)]
    secs: u64,
    /// The file for the kinds of work read, stat and greedy.
    #[arg(long, default_value = "file")]
    file: String,
    /// The directory that is listed and in which files are written, with a slash at its end; the default is the home.
    #[arg(long, default_value = "")]
    dir: String,
    /// The only cipher that is offered to the server.
    #[arg(long, default_value = "aes256-gcm@openssh.com")]
    cipher: String,
    /// Print a JSON array instead of the table.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Returns the nth value of a list that has one value for all kinds of work, or one for each.
    fn nth(list: &[usize], n: usize) -> usize {
        list.get(n).or(list.last()).copied().unwrap_or(1)
    }

    fn target(&self) -> Result<Target, Box<dyn std::error::Error>> {
        let proof = match &self.key {
            Some(file) => Proof::Key(Arc::new(load_secret_key(file, None)?)),
            None => Proof::Password(
                std::env::var("LOAD_PASSWORD").map_err(|_| "neither --key nor $LOAD_PASSWORD")?,
            ),
        };
        Ok(Target {
            port: self.port,
            user: self.user.clone(),
            proof,
            cipher: self.cipher.clone(),
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let target = Arc::new(arguments.target()?);
    let mut runs = Vec::new();
    for (n, &kind) in arguments.work.iter().enumerate() {
        let connections = Arguments::nth(&arguments.connections, n);
        let totals = Totals::new(kind);
        let plan = Plan {
            kind,
            depth: Arguments::nth(&arguments.depth, n),
            size: arguments.size,
            file: arguments.file.clone().into_bytes(),
            dir: arguments.dir.clone().into_bytes(),
            pace: pace(arguments.rate, connections * arguments.channels),
        };
        runs.push((plan, connections, totals));
    }

    // All connections are signed in before the first of them starts to work.
    let mut links = Vec::new();
    for (plan, connections, totals) in &runs {
        if plan.kind == Kind::Signin {
            continue;
        }
        for number in 0..*connections {
            let connection = ConnectionPlan {
                number,
                channels: arguments.channels,
            };
            links.push(connect(&target, plan, connection, totals).await?);
        }
    }
    let begun = Instant::now();
    let until = begun + Duration::from_secs(arguments.secs);
    let mut tasks = Vec::new();
    for (plan, connections, totals) in &runs {
        if plan.kind == Kind::Signin {
            for _ in 0..*connections {
                let working = sign_in_repeatedly(Arc::clone(&target), plan.pace, until, Arc::clone(totals));
                tasks.push(tokio::spawn(working));
            }
        }
    }
    for link in &links {
        link.start(until).await?;
    }
    tokio::time::sleep_until(until.into()).await;
    let took = begun.elapsed();
    for link in links {
        link.finish().await;
    }
    for task in tasks {
        task.await?;
    }
    let reports: Vec<Report> = runs.iter().map(|(_, _, totals)| totals.report(took)).collect();
    report::print(&reports, arguments.json);
    let failed: u64 = reports.iter().map(|report| report.failed).sum();
    if failed > 0 {
        return Err(format!("{failed} operations failed").into());
    }
    Ok(())
}

/// Returns the time between two operations of one channel, if `channels` channels share the rate.
fn pace(rate: u32, channels: usize) -> Option<Duration> {
    (rate > 0).then(|| Duration::from_secs_f64(channels as f64 / f64::from(rate)))
}
