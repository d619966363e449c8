//! The sandbox: the rights that the server gives up before it accepts connections, so that a fault in the server does
//! not endanger the machine.
//!
//! - A seccomp filter for all threads ([`filter`]): no program can be run, no process made or debugged, nothing
//!   mounted, no module loaded, and only Internet and Unix sockets opened. A call that is denied returns an errno; the
//!   process is never killed for it.
//! - Landlock ([`files`]): only the directories that the configuration names, and what the C library needs, can be
//!   reached, whatever the server's user may do.
//! - `no_new_privs`: nothing that the process starts can gain rights. It is set before there are threads, so that it
//!   applies even if the kernel has no seccomp.
//! - Passwords and keys do not leave the process's memory: no core dump (the limit is 0, and the process is not
//!   dumpable, which also keeps other processes of the same user from reading its memory).
//!
//! `[server] sandbox = false` disables all of it, for debuggers. Order at the start: the helper that runs the programs
//! of hooks is started first, then [`Sandbox::prepare`], threads, sockets, giving up root (which may make the process
//! dumpable again, depending on the kernel's settings), and last [`Sandbox::enter`].
//!
//! If the kernel or the container runtime has no seccomp or no Landlock, there is a warning, and the server continues.
//! Before Linux 5.16 a filter disables speculative store bypass for the process, which costs some speed.

mod certificates;
mod files;
mod filter;
mod grants;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::set_no_new_privs;

use crate::config::Config;
use base::error::{Error, Result};
use files::FileRules;

/// The sandbox of this process, which is entered in two steps.
pub enum Sandbox {
    /// `[server] sandbox` is false.
    Off,
    /// What must be set before there are threads is set, as far as the kernel allows.
    Prepared(PreparedSandbox),
}

/// A sandbox whose first step was done.
pub struct PreparedSandbox {
    no_new_privs: rustix::io::Result<()>,
    files: FileRules,
    files_are_restricted: Result<()>,
}

impl Sandbox {
    /// Sets what must be set before there are threads, permanently. It is called while the process has one thread;
    /// helpers that run programs, and reach other files, must have been started. There is no log yet.
    pub fn prepare(config: &Config) -> Self {
        if !config.server.sandbox {
            return Sandbox::Off;
        }
        let no_new_privs = set_no_new_privs(true);
        let files = FileRules::of(config);
        let files_are_restricted = files.restrict();
        Sandbox::Prepared(PreparedSandbox {
            no_new_privs,
            files,
            files_are_restricted,
        })
    }

    /// Puts the rest in force for all threads, permanently, and logs what is in force.
    pub fn enter(&self) {
        match self {
            Sandbox::Off => tracing::warn!("the sandbox is off: [server] sandbox is false"),
            Sandbox::Prepared(prepared) => prepared.enter(),
        }
    }
}

impl PreparedSandbox {
    fn enter(&self) {
        if let Err(error) = self.no_new_privs {
            tracing::warn!(%error, "cannot set no_new_privs");
        }
        if let Err(error) = keep_memory_private() {
            tracing::warn!(%error, "core dumps of the server are possible");
        }
        let entered = filter::program().and_then(|program| {
            seccompiler::apply_filter_all_threads(&program).map_err(|error| unavailable().because(error))
        });
        match entered {
            Ok(()) => tracing::info!(
                "the sandbox is in force: no programs, processes, debuggers, mounts, modules, other sockets or core \
                 dumps"
            ),
            Err(error) => tracing::warn!("the sandbox is not in force: {error}"),
        }
        match &self.files_are_restricted {
            Ok(()) => tracing::info!(
                "the server reaches no other files than the system's and {}",
                self.files.describe()
            ),
            Err(error) => tracing::warn!("the server reaches all files of its user: {error}"),
        }
    }
}

/// Checks whether this machine can restrict which files the server reaches, with a thread that then ends. Returns what
/// a server with this configuration would reach.
///
/// # Errors
/// Returns the reason if it cannot.
pub fn probe_files(config: &Config) -> Result<String> {
    let rules = FileRules::of(config);
    let tried = std::thread::scope(|scope| scope.spawn(|| rules.restrict()).join());
    match tried {
        Ok(restricted) => restricted.map(|()| rules.describe()),
        Err(_) => Err(Error::new(
            "the thread that tries to restrict which files it reaches has ended",
        )),
    }
}

/// Checks whether this machine accepts the filter, by putting it in force for a thread that then ends.
///
/// # Errors
/// Returns the reason if it does not.
pub fn probe() -> Result<()> {
    let program = filter::program()?;
    let tried = std::thread::spawn(move || seccompiler::apply_filter(&program)).join();
    match tried {
        Ok(applied) => applied.map_err(|error| unavailable().because(error)),
        Err(_) => Err(unavailable().because("the thread that tries it has ended")),
    }
}

fn unavailable() -> Error {
    Error::new("the kernel does not accept a seccomp filter")
        .hint("a kernel with CONFIG_SECCOMP_FILTER is needed; [server] sandbox = false silences this")
}

fn keep_memory_private() -> std::result::Result<(), Errno> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

#[cfg(test)]
mod tests;
