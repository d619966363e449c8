//! The sandbox: the rights that the server gives up before it accepts connections, so that a fault in the server does
//! not endanger the machine.
//!
//! - A seccomp filter for all threads ([`filter`]): no program can be run, no process made or debugged, nothing
//!   mounted, no module loaded, and only Internet and Unix sockets opened. A call that is denied returns an errno; the
//!   process is never killed for it.
//! - `no_new_privs`: nothing that the process starts can gain rights. It is set before there are threads, so that it
//!   applies even if the kernel has no seccomp.
//! - Passwords and keys do not leave the process's memory: no core dump (the limit is 0, and the process is not
//!   dumpable, which also keeps other processes of the same user from reading its memory).
//!
//! `[server] sandbox = false` disables all of it, for debuggers. Order at the start: the helper that runs the programs of hooks
//! is started first, then [`prepare`], threads, sockets, giving up root (which may make the process dumpable again,
//! depending on the kernel's settings), and last [`enter`].
//!
//! If the kernel or the container runtime has no seccomp, there is a warning, and the server continues. Before Linux
//! 5.16 a filter disables speculative store bypass for the process, which costs some speed.

mod filter;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::set_no_new_privs;

use base::error::{Error, Result};

/// Sets what must be set before there are threads. It is called while the process has one thread; helpers that run
/// programs must have been started.
pub fn prepare(sandbox: bool) {
    if sandbox && let Err(error) = set_no_new_privs(true) {
        tracing::warn!(%error, "cannot set no_new_privs");
    }
}

/// Puts the sandbox in force for all threads, permanently, and logs whether it is.
pub fn enter(sandbox: bool) {
    if !sandbox {
        tracing::warn!("the sandbox is off: [server] sandbox is false");
        return;
    }
    if let Err(error) = keep_memory_private() {
        tracing::warn!(%error, "core dumps of the server are possible");
    }
    let entered = filter::program().and_then(|program| {
        seccompiler::apply_filter_all_threads(&program).map_err(|error| unavailable().because(error))
    });
    match entered {
        Ok(()) => tracing::info!(
            "the sandbox is in force: no programs, processes, debuggers, mounts, modules, other sockets or core dumps"
        ),
        Err(error) => tracing::warn!("the sandbox is not in force: {error}"),
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
