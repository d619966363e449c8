//! A load generator for SFTP servers: many connections and channels, so that the stock client is not the limit.
//!
//! ```sh
//! cargo run --release -p homeport-tools --bin load -- --port 2222 --user bench --key KEY --work read --file big --connections 16
//! load … --work write,stat --depth 64,1            # who writes at full speed beside who looks
//! load … --work signin --rate 200 --secs 60        # sign-ins by key, at this rate whatever the answers take
//! LOAD_PASSWORD=… load … --work signin --connections 64      # without --key: by password
//! load … --work idle --connections 2000 --secs 30
//! ```
//!
//! Each kind of work runs on connections of its own. Latencies are of whole operations: one request (read, write,
//! stat), one file (small: OPEN, WRITE, CLOSE), one directory (list), one connection with its sign-in (signin). With
//! `--rate` operations begin on time even if earlier ones are late, so that a server that stalls cannot hide it.

mod connection;
mod report;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use russh::keys::load_secret_key;

use connection::{Proof, Target, connect, sign_in_repeatedly};
use report::{Report, Totals};
use worker::{Kind, Plan};

/// What is to be done to the server.
#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    user: String,
    /// A private key file; without one, the password in $LOAD_PASSWORD.
    #[arg(long)]
    key: Option<PathBuf>,
    /// read, write, small, stat, list, signin or idle; several of them run beside each other.
    #[arg(long, value_delimiter = ',', required = true)]
    work: Vec<Kind>,
    /// Connections for each work: one number, or one for each.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    connections: Vec<usize>,
    /// Channels of each connection.
    #[arg(long, default_value_t = 1)]
    channels: usize,
    /// Operations under way at once in each channel: one number, or one for each work.
    #[arg(long, value_delimiter = ',', default_value = "64")]
    depth: Vec<usize>,
    /// Bytes of each READ and WRITE, and of small files.
    #[arg(long, default_value_t = 32_768)]
    size: u32,
    /// Operations a second in all, begun on time; 0: each as soon as one before it is done.
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// How long.
    #[arg(long, default_value_t = 10)]
    secs: u64,
    /// The file that is read, and looked at by stat.
    #[arg(long, default_value = "file")]
    file: String,
    /// Where files are written, with a slash at the end, or nothing for the home; what list lists.
    #[arg(long, default_value = "")]
    dir: String,
    /// Ask for this cipher.
    #[arg(long, default_value = "aes256-gcm@openssh.com")]
    cipher: String,
    /// One JSON object instead of the table.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// The nth of a list that has one value for all, or one for each.
    fn nth(list: &[usize], n: usize) -> usize {
        list.get(n).or(list.last()).copied().unwrap_or(1)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let target = Arc::new(Target {
        port: arguments.port,
        user: arguments.user.clone(),
        proof: match &arguments.key {
            Some(file) => Proof::Key(Arc::new(load_secret_key(file, None)?)),
            None => Proof::Password(
                std::env::var("LOAD_PASSWORD").map_err(|_| "neither --key nor $LOAD_PASSWORD")?,
            ),
        },
        cipher: arguments.cipher.clone(),
    });
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

    // All of them are signed in before the first of them works.
    let mut links = Vec::new();
    for (plan, connections, totals) in &runs {
        if plan.kind == Kind::Signin {
            continue;
        }
        for number in 0..*connections {
            links.push(connect(&target, plan, (number, arguments.channels), totals).await?);
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

/// The time between two operations of one of so many.
fn pace(rate: u32, of: usize) -> Option<Duration> {
    (rate > 0).then(|| Duration::from_secs_f64(of as f64 / f64::from(rate)))
}
