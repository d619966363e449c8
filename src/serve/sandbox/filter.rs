//! The seccomp filter, as a program of classic BPF. The kernel runs it for every system call of the process.
//!
//! It lists what is denied and allows everything else, so that a newer C library or kernel breaks nothing. The numbers
//! are those of the architecture that the server is compiled for: calls of another one (32-bit, or x32) get ENOSYS, as
//! from a kernel that does not have them. The calls of transfers come first and are allowed immediately; since Linux
//! 5.11 the kernel remembers that and does not run the program for them.

use linux_raw_sys::general as nr;
use rustix::io::Errno;
use seccompiler::{BpfProgram, sock_filter};

use base::error::{Error, Result};

/// Offsets in `struct seccomp_data`: the call's number, the architecture, and the low halves of its first two
/// arguments. The kernel itself reads only those halves of the arguments that are checked here.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
const SECOND_ARGUMENT: u32 = 24;

/// The `AUDIT_ARCH_*` of linux/audit.h for this architecture; `None` if there is no filter for it.
const AUDIT_ARCH: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xC000_003E)
} else if cfg!(target_arch = "aarch64") {
    Some(0xC000_00B7)
} else if cfg!(target_arch = "riscv64") {
    Some(0xC000_00F3)
} else {
    None
};

/// The bit in the call numbers of x32, the second table of calls on x86-64.
const X32: u32 = 0x4000_0000;

/// The calls that transfers consist of, which are allowed without further checks.
const ALLOWED_AT_ONCE: [u32; 10] = [
    nr::__NR_read,
    nr::__NR_write,
    nr::__NR_pread64,
    nr::__NR_pwrite64,
    nr::__NR_recvfrom,
    nr::__NR_sendto,
    nr::__NR_writev,
    nr::__NR_epoll_pwait,
    nr::__NR_futex,
    nr::__NR_preadv2,
];

/// The families of the sockets that the server uses: for clients, for its control socket and for the system's log.
const SOCKET_FAMILIES: [u32; 3] = [1, 2, 10]; // AF_UNIX, AF_INET, AF_INET6

/// The ioctl commands that put input into a terminal, or read from it, as if a person used it.
const TERMINAL_COMMANDS: [u32; 2] = [0x5412, 0x541C]; // TIOCSTI, TIOCLINUX

/// The calls that are answered with EPERM, whatever their arguments are.
const NOT_PERMITTED: &[u32] = &[
    // Run programs.
    nr::__NR_execve,
    nr::__NR_execveat,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_fork,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_vfork,
    // Access other processes.
    nr::__NR_ptrace,
    nr::__NR_process_vm_readv,
    nr::__NR_process_vm_writev,
    nr::__NR_process_madvise,
    nr::__NR_pidfd_getfd,
    nr::__NR_kcmp,
    // Change mounts and roots.
    nr::__NR_mount,
    nr::__NR_umount2,
    nr::__NR_pivot_root,
    nr::__NR_chroot,
    nr::__NR_open_tree,
    nr::__NR_open_tree_attr,
    nr::__NR_move_mount,
    nr::__NR_fsopen,
    nr::__NR_fsconfig,
    nr::__NR_fsmount,
    nr::__NR_fspick,
    nr::__NR_mount_setattr,
    nr::__NR_quotactl,
    nr::__NR_quotactl_fd,
    nr::__NR_swapon,
    nr::__NR_swapoff,
    nr::__NR_open_by_handle_at,
    nr::__NR_fanotify_init,
    // Create or join name spaces.
    nr::__NR_unshare,
    nr::__NR_setns,
    // Change the kernel or the machine.
    nr::__NR_kexec_load,
    nr::__NR_kexec_file_load,
    nr::__NR_init_module,
    nr::__NR_finit_module,
    nr::__NR_delete_module,
    nr::__NR_reboot,
    nr::__NR_bpf,
    nr::__NR_perf_event_open,
    nr::__NR_userfaultfd,
    nr::__NR_acct,
    nr::__NR_syslog,
    nr::__NR_personality,
    nr::__NR_settimeofday,
    nr::__NR_clock_settime,
    nr::__NR_clock_adjtime,
    nr::__NR_adjtimex,
    nr::__NR_sethostname,
    nr::__NR_setdomainname,
    nr::__NR_vhangup,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_iopl,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_ioperm,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_modify_ldt,
    // Use the kernel's key rings.
    nr::__NR_keyctl,
    nr::__NR_add_key,
    nr::__NR_request_key,
];

/// The calls that are answered as by a kernel that does not have them, so that a caller falls back to another one.
/// Without clone3, the C library creates threads with clone; the flags of clone3 are in memory that a filter cannot
/// read.
const NOT_IMPLEMENTED: [u32; 4] = [
    nr::__NR_clone3,
    nr::__NR_io_uring_setup,
    nr::__NR_io_uring_enter,
    nr::__NR_io_uring_register,
];

/// The flags of clone that create name spaces.
const NEW_NAMESPACES: u32 = nr::CLONE_NEWNS
    | nr::CLONE_NEWCGROUP
    | nr::CLONE_NEWUTS
    | nr::CLONE_NEWIPC
    | nr::CLONE_NEWUSER
    | nr::CLONE_NEWPID
    | nr::CLONE_NEWNET;

// From linux/bpf_common.h: load a word, jump, and, return.
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

// From linux/seccomp.h.
const ALLOW: u32 = 0x7FFF_0000;
const ERRNO: u32 = 0x0005_0000;

fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

fn refuse(errno: Errno) -> u32 {
    ERRNO | errno.raw_os_error().unsigned_abs()
}

/// Builds the program.
///
/// # Errors
/// Returns an error on an architecture that it is not written for.
pub(super) fn program() -> Result<BpfProgram> {
    let Some(ours) = AUDIT_ARCH else {
        return Err(Error::new("there is no sandbox for this architecture").because(std::env::consts::ARCH));
    };
    let mut program = vec![
        statement(LOAD, ARCHITECTURE),
        sock_filter {
            code: JUMP_IF_EQUAL,
            jt: 1,
            jf: 0,
            k: ours,
        },
        statement(RETURN, refuse(Errno::NOSYS)),
        statement(LOAD, NUMBER),
    ];
    if cfg!(target_arch = "x86_64") {
        program.push(sock_filter {
            code: JUMP_IF_AT_LEAST,
            jt: 0,
            jf: 1,
            k: X32,
        });
        program.push(statement(RETURN, refuse(Errno::NOSYS)));
    }
    for number in ALLOWED_AT_ONCE {
        answer(&mut program, number, ALLOW);
    }
    for number in NOT_PERMITTED {
        answer(&mut program, *number, refuse(Errno::PERM));
    }
    for number in NOT_IMPLEMENTED {
        answer(&mut program, number, refuse(Errno::NOSYS));
    }
    for number in [nr::__NR_socket, nr::__NR_socketpair] {
        let mut rules = vec![statement(LOAD, FIRST_ARGUMENT)];
        for family in SOCKET_FAMILIES {
            answer(&mut rules, family, ALLOW);
        }
        rules.push(statement(RETURN, refuse(Errno::AFNOSUPPORT)));
        only_for(&mut program, number, rules);
    }
    only_for(&mut program, nr::__NR_clone, threads_only());
    let mut rules = vec![statement(LOAD, SECOND_ARGUMENT)];
    for command in TERMINAL_COMMANDS {
        answer(&mut rules, command, refuse(Errno::PERM));
    }
    rules.push(statement(RETURN, ALLOW));
    only_for(&mut program, nr::__NR_ioctl, rules);
    program.push(statement(RETURN, ALLOW));
    Ok(program)
}

/// Returns the rules for clone, which may create only a thread of this process, and in no name space of its own.
fn threads_only() -> BpfProgram {
    let mut rules = vec![
        statement(LOAD, FIRST_ARGUMENT),
        statement(AND, nr::CLONE_THREAD | NEW_NAMESPACES),
    ];
    answer(&mut rules, nr::CLONE_THREAD, ALLOW);
    rules.push(statement(RETURN, refuse(Errno::PERM)));
    rules
}

/// Adds a rule: if the loaded value is `value`, the verdict is `verdict`.
fn answer(program: &mut BpfProgram, value: u32, verdict: u32) {
    program.push(sock_filter {
        code: JUMP_IF_EQUAL,
        jt: 0,
        jf: 1,
        k: value,
    });
    program.push(statement(RETURN, verdict));
}

/// Adds rules that apply to one call only, and end with a verdict.
fn only_for(program: &mut BpfProgram, number: u32, rules: BpfProgram) {
    // No set of rules here has more than a dozen statements.
    let length = u8::try_from(rules.len()).unwrap_or(u8::MAX);
    program.push(sock_filter {
        code: JUMP_IF_EQUAL,
        jt: 0,
        jf: length,
        k: number,
    });
    program.extend(rules);
}
