//! The kinds of work, and the parameters with which a channel does one of them.

use std::time::Duration;

/// The work that a channel repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Read,
    Write,
    Small,
    Stat,
    List,
    Signin,
    Idle,
    /// Asks for as much as it may, reads none of it, and disconnects in the middle of it.
    Greedy,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::Small => "small",
            Kind::Stat => "stat",
            Kind::List => "list",
            Kind::Signin => "signin",
            Kind::Idle => "idle",
            Kind::Greedy => "greedy",
        }
    }
}

/// The parameters of one kind of work.
#[derive(Debug, Clone)]
pub struct Plan {
    pub kind: Kind,
    pub depth: usize,
    pub size: u32,
    /// The size at which a writer starts again at offset 0, in bytes.
    pub largest: u64,
    pub file: Vec<u8>,
    pub dir: Vec<u8>,
    /// The time between two operations of one channel.
    pub pace: Option<Duration>,
}
