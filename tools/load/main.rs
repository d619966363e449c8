//! A load generator for SFTP servers: many connections and channels, so that the stock client is not the limit.
//!
//! ```sh
//! cargo run --release -p homeport-tools --bin load -- --port 2222 --user bench --key KEY --work read --file big --connections 16
//! load … --work write,stat --depth 64,1 --rate 0,200      # STATs at a set rate beside a writer at full speed
//! load … --work read,stat --connections 8,1 --secs 600 --every 10     # percentiles over time
//! load … --work signin --rate 200 --secs 60        # sign-ins by key, at this rate whatever the answers take
//! LOAD_PASSWORD=… load … --work signin --connections 64      # without --key: by password
//! load … --work idle --connections 2000 --secs 30
//! ```
//!
//! Each kind of work runs on connections and threads of its own. Latencies are of whole operations: one request (read, write,
//! stat), one file (small: OPEN, WRITE, CLOSE), one directory (list), one connection with its sign-in (signin). With
//! `--rate` operations begin on time even if earlier ones are late, so that a server that stalls cannot hide it.

mod connection;
mod plan;
mod report;
mod run;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use russh::keys::load_secret_key;
use tokio::runtime::Runtime;

use connection::{Proof, Target};
use plan::{Kind, Plan};
use report::{Report, Totals};
use run::{Error, Run};

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
    /// The size at which a writer starts again at offset 0, so that its file does not grow further, in MiB.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    file_mib: u64,
    /// The number of operations that begin each second, on all connections of a kind of work: one number for all kinds
    /// of work, or one for each; with 0, each begins when an earlier one has ended.
    #[arg(long, value_delimiter = ',', default_value = "0")]
    rate: Vec<u32>,
    /// The duration of the load, in seconds.
    #[arg(long, default_value_t = 10)]
    secs: u64,
    /// The length of the periods, in seconds, whose results are also printed; with 0, only those of the whole load are.
    #[arg(long, default_value_t = 0)]
    every: u64,
    /// Print "ready" to stderr once all connections are signed in, and start when stdin has a line or ends, so that
    /// several load generators start together.
    #[arg(long)]
    wait: bool,
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
    fn nth<T: Copy>(list: &[T], n: usize, default: T) -> T {
        list.get(n).or(list.last()).copied().unwrap_or(default)
    }

    fn target(&self) -> Result<Target, Error> {
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

    /// Returns the nth kind of work.
    fn run(&self, n: usize, kind: Kind) -> std::io::Result<Run> {
        let connections = Self::nth(&self.connections, n, 1);
        let plan = Plan {
            kind,
            depth: Self::nth(&self.depth, n, 1),
            size: self.size,
            largest: self.file_mib << 20,
            file: self.file.clone().into_bytes(),
            dir: self.dir.clone().into_bytes(),
            pace: pace(Self::nth(&self.rate, n, 0), connections * self.channels),
        };
        Ok(Run {
            plan,
            connections,
            channels: self.channels,
            totals: Totals::new(kind, self.every > 0),
            runtime: Runtime::new()?,
        })
    }
}

fn main() -> Result<(), Error> {
    let arguments = Arguments::parse();
    let target = Arc::new(arguments.target()?);
    let kinds = arguments.work.iter().enumerate();
    let runs: Vec<Run> = kinds
        .map(|(n, &kind)| arguments.run(n, kind))
        .collect::<Result<_, _>>()?;
    Runtime::new()?.block_on(work(&arguments, &target, &runs))
}

async fn work(arguments: &Arguments, target: &Arc<Target>, runs: &[Run]) -> Result<(), Error> {
    // All connections are signed in before the first of them starts to work.
    let mut links = Vec::new();
    for run in runs {
        links.push(run.connect(target).await?);
    }
    if arguments.wait {
        wait_for_line().await?;
    }
    let begun = Instant::now();
    let until = begun + Duration::from_secs(arguments.secs);
    let tasks: Vec<_> = runs
        .iter()
        .zip(links)
        .map(|(run, links)| run.work(target, links, until))
        .collect();
    if arguments.every > 0 {
        report_periods(arguments, runs, begun).await;
    }
    tokio::time::sleep_until(until.into()).await;
    let took = begun.elapsed();
    for task in tasks {
        task.await??;
    }
    let reports: Vec<Report> = runs.iter().map(|run| run.totals.report(took)).collect();
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

/// Says that all connections are ready, and waits for the order to start.
async fn wait_for_line() -> Result<(), Error> {
    eprintln!("ready");
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    Ok(())
}

/// Ends each whole period of all kinds of work, and prints its percentiles unless JSON is asked for.
async fn report_periods(arguments: &Arguments, runs: &[Run], begun: Instant) {
    let every = Duration::from_secs(arguments.every);
    for number in 1..=arguments.secs / arguments.every {
        let end = begun + Duration::from_secs(number * arguments.every);
        tokio::time::sleep_until(end.into()).await;
        for run in runs {
            let period = run.totals.end_period(every);
            if !arguments.json {
                period.print();
            }
        }
    }
}
