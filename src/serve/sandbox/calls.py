"""Puts the seccomp filter that standard input brings in force, makes calls, and says what they answered.

Numbers are those of x86-64, and, behind the comma, of the table that arm64 and riscv64 share (None: it has no such call).
"""
import ctypes, errno, os, platform, socket, sys, threading

program = sys.stdin.buffer.read()
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == "x86_64"


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    return ctypes.get_errno() if result == -1 else 0


def expect(name, got, wanted):
    print("right" if got == wanted else f"WRONG (not {errno.errorcode.get(wanted, wanted)})", name, errno.errorcode.get(got, got))


assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
described = Program(len(program) // 8, program)
assert libc.prctl(22, 2, ctypes.byref(described)) == 0, ctypes.get_errno()  # PR_SET_SECCOMP, a filter

PERMISSION = {
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438), "kcmp": (312, 272), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "open_tree_attr": (467, 467), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "quotactl": (179, 60), "quotactl_fd": (443, 443), "swapon": (167, 224),
    "swapoff": (168, 225), "open_by_handle_at": (304, 265), "fanotify_init": (300, 262), "unshare": (272, 97),
    "setns": (308, 268), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "acct": (163, 89), "syslog": (103, 116),
    "personality": (135, 92), "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "adjtimex": (159, 171), "sethostname": (170, 161), "setdomainname": (171, 162), "vhangup": (153, 58),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218),
}
for name, (ours, others) in PERMISSION.items():
    number = ours if x86 else others
    if number is not None:
        # Arguments that would make most of them fail otherwise, or do nothing at all.
        expect(name, call(number, -1, 0, 0, 0, 0, 0), errno.EPERM)

for name, number in {"clone3": 435, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427}.items():
    expect(name, call(number, 0, 0, 0, 0), errno.ENOSYS)

clone = 56 if x86 else 220
expect("clone of a process", call(clone, 17, 0, 0, 0, 0), errno.EPERM)
for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    expect(f"clone into a name space {flag:#x}", call(clone, 0x10000 | flag, 0, 0, 0, 0), errno.EPERM)

made, family = (41 if x86 else 198), socket.SOCK_STREAM
for number in range(0, 50):
    allowed = number in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
    answer = call(made, number, family, 0)
    if allowed:
        expect(f"socket {number}", answer if answer == errno.EAFNOSUPPORT else 0, 0)
    else:
        expect(f"socket {number}", answer, errno.EAFNOSUPPORT)
expect("socket with a high half", call(made, (1 << 32) | socket.AF_PACKET, family, 0), errno.EAFNOSUPPORT)
expect("socketpair of netlink", call(53 if x86 else 199, 16, 3, 0, 0), errno.EAFNOSUPPORT)

ioctl = 16 if x86 else 29
expect("TIOCSTI", call(ioctl, 0, 0x5412, 0), errno.EPERM)
expect("TIOCLINUX", call(ioctl, 0, 0x541C, 0), errno.EPERM)
if x86:
    # getpid and execve by their x32 numbers.
    expect("x32 getpid", call(0x40000000 + 39), errno.ENOSYS)
    expect("x32 execve", call(0x40000000 + 520, 0, 0, 0), errno.ENOSYS)

# What the server needs goes on.
done = []
thread = threading.Thread(target=lambda: done.append(open("/proc/self/status").read()))
thread.start()
thread.join()
assert "Seccomp:\t2" in done[0]
a, b = socket.socketpair()
a.send(b"x")
assert b.recv(1) == b"x"
assert os.listdir("/proc/self/fd")
try:
    os.fork()
    os._exit(1)
except PermissionError:
    pass
print("still alive")
