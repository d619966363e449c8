//! What the server takes away from itself before it accepts anybody: a fault in it must not become a fault in the
//! machine.
//!
//! - A seccomp filter for all threads ([`filter`]): no program can be run, no process made or debugged, nothing mounted,
//!   no module loaded, and no socket opened but of the Internet and of Unix. A call that is denied answers an errno;
//!   nothing is ever killed for it.
//! - `no_new_privs`: nothing that the process starts can gain rights. It is set before there are threads, so that it
//!   holds even where the kernel has no seccomp.
//! - Passwords and keys in memory stay there: no core dump (the limit is 0, and the process is not dumpable, which also
//!   keeps other processes of the same user from reading its memory).
//!
//! `[server] sandbox = false` leaves all of it out, for debuggers. Order at the start: helpers that must run programs
//! are started first, then [`prepare`], threads, sockets, giving up root (which makes a process dumpable again where
//! the kernel is told so), and last [`enter`].
//!
//! What may go wrong: without seccomp in the kernel or the container runtime there is a warning, and the server goes on.
//! Before Linux 5.16 a filter turns speculative store bypass off for the process, which costs it some speed.

mod filter;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::set_no_new_privs;

use base::error::{Error, Result};

/// To be called while the process has one thread; helpers that run programs must have been started.
pub fn prepare(sandbox: bool) {
    if sandbox && let Err(error) = set_no_new_privs(true) {
        tracing::warn!(%error, "cannot set no_new_privs");
    }
}

/// Puts the sandbox in force for all threads, for good, and says in the log whether it is.
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

/// Whether this machine takes the filter: it is put in force for a thread that then ends.
///
/// # Errors
/// When it does not, with the reason.
pub fn try_out() -> Result<()> {
    let program = filter::program()?;
    let tried = std::thread::spawn(move || seccompiler::apply_filter(&program)).join();
    match tried {
        Ok(applied) => applied.map_err(|error| unavailable().because(error)),
        Err(_) => Err(unavailable().because("the thread that tries it has ended")),
    }
}

fn unavailable() -> Error {
    Error::new("the kernel does not take a seccomp filter")
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
