"""Everything that an Actor must not be able to do, tried from inside: in a run, ahead of a run, in a build step.

Standard library only, and it knows no executor. Facts about the machine around it come as JSON (``FACTS``, or the file
beside it). Each attempt is a function that yields tries; a try fails by an OSError, or by finding nothing. What was
done is printed as one line of JSON. Only what the test itself planted is looked for; nothing is harmed by success.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import pathlib
import platform
import resource
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

Try = tuple[str, Callable[[], Any]]
FACTS = pathlib.Path(__file__).with_name("facts.json")
MARK = "HOSTILE "
REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EAFNOSUPPORT, errno.ESRCH}
CONNECT_SECS = 0.7
FILE_BYTES_MAX = 1 << 20
X86_64 = platform.machine() == "x86_64"
libc = ctypes.CDLL(None, use_errno=True)
DEVICES = ("mem", "kmsg", "port", "kvm", "fuse", "loop-control", "loop0", "sda", "vda", "nvme0n1", "net/tun", "vsock")
WRITES = (
    "/usr/bin/env", "/usr/bin/python3", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/disable_ipv6",
    "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger", "/proc/1/mem", "/proc/1/oom_score_adj",
    "/proc/1/uid_map", "/sys/kernel/uevent_helper", "/sys/fs/cgroup/cgroup.procs",
)  # fmt: skip
NAMESPACES = {"mount": 0x20000, "cgroup": 1 << 25, "uts": 1 << 26, "ipc": 1 << 27, "user": 1 << 28, "net": 1 << 30}
SOCKET, SETRLIMIT = (41, 160) if X86_64 else (198, 164)
UPPER = 1 << 32  # the kernel does not look at this half of an int
RAW = (("packet", 17, 3, 0), ("raw ip", 2, 3, 1), ("vsock", 40, 1, 0), ("vsock, upper bits", UPPER | 40, 1, 0),
       ("kernel crypto", 38, 5, 0), ("tipc", 30, 1, 0), ("can", 29, 3, 1))  # fmt: skip


def raw(number: int, *arguments: Any) -> bool:
    """A system call by its number: whether the kernel let it be tried, an error about its arguments included."""
    whole = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    if libc.syscall(ctypes.c_long(number), *whole) < 0 and ctypes.get_errno() in REFUSED:
        raise OSError(ctypes.get_errno(), "refused")
    return True


def called(name: str, *arguments: Any) -> bool:
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
    return True


def apart(work: Callable[[], Any]) -> bool:
    """In a process of its own, so that what it becomes is not what tries the rest."""
    if (child := os.fork()) == 0:
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def read(path: str) -> bytes:
    """The beginning of a file; nothing when it is masked."""
    with open(path, "rb") as file:
        return file.read(64)


def opened(path: str, flags: int) -> bool:
    fd = os.open(path, flags)
    found = os.fstat(fd)
    os.close(fd)
    return not (stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(1, 3))  # a masked one is /dev/null


def searched(mark: bytes, places: Iterable[str]) -> str:
    """The first file that holds the mark."""
    skipped = ("/proc", "/sys", "/dev/pts", "/usr/bin", "/usr/lib", "/usr/share", "/usr/sbin", "/lib", sys.base_prefix)
    for place, folders, names in (found for top in places for found in os.walk(top)):
        folders[:] = [name for name in folders if not os.path.join(place, name).startswith(skipped)]
        for name in names:
            path = os.path.join(place, name)
            try:
                if os.path.isfile(path) and os.path.getsize(path) <= FILE_BYTES_MAX:
                    with open(path, "rb") as file:
                        if mark in file.read():
                            return path
            except OSError:
                continue
    return ""


def reached(targets: Iterable[Any]) -> list[str]:
    """Those (host, port) that take a connection; all are tried at once."""
    waiting: dict[int, tuple[socket.socket, str]] = {}
    done = []
    for host, port in targets:
        one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        one.setblocking(False)
        try:
            code = one.connect_ex((host, port))
        except OSError as error:
            code = error.errno or errno.EIO
        if code == 0:
            done.append(f"{host}:{port}")
        if code == errno.EINPROGRESS:
            waiting[one.fileno()] = one, f"{host}:{port}"
        else:
            one.close()
    until = time.monotonic() + CONNECT_SECS
    while waiting and (left := until - time.monotonic()) > 0:
        for fd in select.select([], list(waiting), [], left)[1]:
            one, name = waiting.pop(fd)
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                done.append(name)
            one.close()
    for one, _ in waiting.values():
        one.close()
    return done


def gateway() -> str:
    """The machine's own address on this container's network."""
    with open("/proc/net/route") as file:
        for line in file.read().splitlines()[1:]:
            words = line.split()
            if words[1] == "00000000":
                return socket.inet_ntoa(struct.pack("=L", int(words[2], 16)))
    return "127.0.0.1"


def read_data_folder(facts: Any) -> Iterator[Try]:
    for path in facts["secret_files"]:
        for above in ("", "/proc/1/root", "/proc/1/cwd/../../../../../../..", "/proc/self/root/../.."):
            yield f"{above}{path}", partial(read, above + path)
    yield "list", lambda: os.listdir(facts["data"])
    yield "search", lambda: searched("".join(facts["mark"]).encode(), facts["search"])


def read_other_runs(facts: Any) -> Iterator[Try]:
    mark = "".join(facts["run_mark"]).encode()
    yield "search", lambda: searched(mark, ("/tmp", "/var/tmp", "/dev/shm", "/usr/src", "/home", "/run"))
    for path in facts["run_files"]:
        yield path, partial(read, path)


def read_other_processes(facts: Any) -> Iterator[Try]:
    own = {os.getpid(), os.getppid()} - {1}
    seen = () if facts["outside"] else {int(name) for name in os.listdir("/proc") if name.isdigit()} - own
    pids, data = {*seen, *facts["pids"]}, facts["data"].encode()
    for pid in pids:
        for name in ("environ", "mem", "maps", "auxv"):
            yield f"{pid}/{name}", partial(read, f"/proc/{pid}/{name}")
        for name in ("root", "cwd", "exe"):
            yield f"{pid}/{name}", partial(os.readlink, f"/proc/{pid}/{name}")
        yield f"{pid}/fd", partial(os.listdir, f"/proc/{pid}/fd")
        yield f"{pid}/cmdline", lambda pid=pid: data in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()  # type: ignore[misc]


def signal_the_server(facts: Any) -> Iterator[Try]:
    for pid in facts["pids"]:
        yield f"kill {pid}", lambda pid=pid: os.kill(pid, 0) is None  # type: ignore[misc]
        yield f"pidfd {pid}", lambda pid=pid: opened(f"/proc/self/fd/{os.pidfd_open(pid)}", os.O_PATH)  # type: ignore[misc]


def signal_init(_: Any) -> Iterator[Try]:
    for number in (0, signal.SIGTERM, signal.SIGKILL):
        yield f"signal {int(number)}", lambda number=number: os.kill(1, number) is None  # type: ignore[misc]


def reach_database_sockets(facts: Any) -> Iterator[Try]:
    for address in facts["sockets"]:
        yield address, partial(_knock, address)


def _knock(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(CONNECT_SECS)
        one.connect("\0" + address[1:] if address.startswith("@") else address)
    return True


def reach_loopback(facts: Any) -> Iterator[Try]:
    targets = [*facts["loopback"], *([gateway(), port] for _, port in facts["loopback"])]
    yield f"{len(targets)} addresses", lambda: reached(targets)


def reach_neighbours(facts: Any) -> Iterator[Try]:
    yield "other runs", lambda: reached(facts["neighbours"])


def reach_metadata(facts: Any) -> Iterator[Try]:
    for host in facts["metadata"]:
        yield host, partial(reached, [[host, 80]])


def change_the_network(_: Any) -> Iterator[Try]:
    for name, family, kind, protocol in RAW:
        yield name, partial(raw, SOCKET, family, kind, protocol)
    yield "address", lambda: _interface(0x8916, socket.inet_aton("169.254.1.1"))  # SIOCSIFADDR
    yield "down", lambda: _interface(0x8914, b"")  # SIOCSIFFLAGS


def _interface(request: int, address: bytes) -> bool:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        told = struct.pack("=16sHH4s8x", b"eth0", socket.AF_INET if address else 0, 0, address)
        fcntl.ioctl(one, request, told)
    return True


def become_root(_: Any) -> Iterator[Try]:
    yield "setuid", lambda: apart(lambda: os.setresuid(0, 0, 0) is None)
    yield "setgid", lambda: apart(lambda: os.setresgid(0, 0, 0) is None)
    yield "groups", lambda: apart(lambda: os.setgroups([0]) is None)
    for program in (("su", "-c", "id -u"), ("sudo", "-n", "id", "-u"), ("unshare", "-r", "id", "-u")):
        yield program[0], partial(_root_by, program)
    yield "capset", lambda: apart(_all_capabilities)
    held = dict(line.split(":\t") for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        yield name, partial(int, held[name], 16)
    yield "new privileges", lambda: held["NoNewPrivs"] != "1"
    yield "user", lambda: os.getuid() == 0


def _root_by(program: tuple[str, ...]) -> bool:
    if shutil.which(program[0]) is None:
        return False
    done = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    return done.stdout.strip() == b"0"


def _all_capabilities() -> bool:
    return called("capset", struct.pack("=Ii", 0x2008_0522, 0), struct.pack("=6I", *([0xFFFF_FFFF] * 6)))


def make_namespaces(_: Any) -> Iterator[Try]:
    for name, flag in NAMESPACES.items():
        yield f"unshare {name}", lambda flag=flag: apart(partial(called, "unshare", flag))  # type: ignore[misc]
        yield f"join {name}", lambda name=name: apart(lambda: _join(name))  # type: ignore[misc]
    if X86_64:
        yield "clone", lambda: _cloned(56)
        yield "clone3", lambda: raw(435, struct.pack("=11Q", 1 << 28, *([0] * 10)), 88)


def _cloned(number: int) -> bool:
    if (child := libc.syscall(ctypes.c_long(number), ctypes.c_ulong(1 << 28 | signal.SIGCHLD), 0, 0, 0, 0)) == 0:
        os._exit(0)
    if child > 0:
        os.waitpid(child, 0)
    return int(child) > 0


def _join(name: str) -> bool:
    fd = os.open(f"/proc/1/ns/{'mnt' if name == 'mount' else name}", os.O_RDONLY)
    return called("setns", fd, 0)


def mount_things(_: Any) -> Iterator[Try]:
    for kind, source, target, flags in (
        ("tmpfs", b"x", b"/mnt", 0), ("proc", b"x", b"/mnt", 0), ("sysfs", b"x", b"/mnt", 0),
        ("cgroup2", b"x", b"/mnt", 0), ("overlay", b"x", b"/mnt", 0), ("", b"/", b"/mnt", 4096),
        ("", b"none", b"/", 4096 | 32),
    ):  # fmt: skip
        arguments = (source, target, kind.encode() or None, ctypes.c_ulong(flags), None)
        yield f"mount {kind} {flags}", lambda arguments=arguments: apart(partial(called, "mount", *arguments))  # type: ignore[misc]
    yield "uncover", lambda: apart(partial(called, "umount2", b"/proc/kcore", 2))
    yield "chroot", lambda: apart(lambda: os.chroot("/tmp") is None)
    if X86_64:
        yield "open_tree", lambda: raw(428, -100, b"/", 1)
        yield "fsopen", lambda: raw(430, b"tmpfs", 0)


def reach_into_the_kernel(_: Any) -> Iterator[Try]:
    for path in ("/proc/kcore", "/proc/keys", "/proc/kmsg"):
        yield path, partial(read, path)
    yield "ptrace init", lambda: libc.ptrace(0x4206, 1, None, None) == 0
    if not X86_64:
        return
    yield "kernel log", lambda: libc.syscall(ctypes.c_long(103), 3, ctypes.create_string_buffer(4096), 4096) > 0
    memory = struct.pack("=QQ", 4096, 1)
    for name, number, arguments in (
        ("memory of init", 310, (1, memory, 1, memory, 1, 0)), ("bpf", 321, (0, None, 0)),
        ("perf events", 298, (None, 0, -1, -1, 0)), ("userfaultfd", 323, (0,)), ("io_uring", 425, (1, None)),
        ("session key", 250, (0, -3, 0)), ("add a key", 248, (b"user", b"a", b"b", 1, -4)),
        ("module", 175, (None, 0, b"")), ("file by handle", 304, (-100, None, 0)), ("swap", 167, (b"/none", 0)),
        ("reboot", 169, (0, 0, 0, None)), ("ports", 172, (3,)), ("other kernel", 246, (0, 0, None, -1)),
        ("32 bit numbers", 0x4000_0027, ()),
    ):  # fmt: skip
        yield name, partial(raw, number, *arguments)


def make_devices(_: Any) -> Iterator[Try]:
    for name, kind, major, minor in (("disk", stat.S_IFBLK, 7, 0), ("memory", stat.S_IFCHR, 1, 1)):
        device = os.makedev(major, minor)
        yield name, lambda name=name, kind=kind, device=device: os.mknod(f"/tmp/{name}", kind | 0o600, device) is None  # type: ignore[misc]
        yield f"opened {name}", partial(_driven, f"/tmp/{name}")
    for name in DEVICES:
        yield name, partial(opened, f"/dev/{name}", os.O_RDONLY)


def _driven(path: str) -> bool:
    """Whether an opened device gets as far as its driver, be there one or not."""
    try:
        return opened(path, os.O_RDONLY)
    except OSError as error:
        return error.errno in (errno.ENXIO, errno.ENODEV)


def write_what_is_the_machines(facts: Any) -> Iterator[Try]:
    for path in (*WRITES, *facts["shown"]):
        yield path, partial(opened, path, os.O_WRONLY)


def limited(kind: int, soft: int, hard: int) -> tuple[int, int]:
    return resource.setrlimit(kind, (soft, hard)) or resource.getrlimit(kind)  # type: ignore[func-returns-value]


def raise_own_limits(_: Any) -> Iterator[Try]:
    for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE):
        hard = resource.getrlimit(kind)[1]
        yield f"limit {kind}", lambda kind=kind, hard=hard: limited(kind, hard, hard + 1)[1] > hard  # type: ignore[misc]
    yield "core dumps", lambda: apart(lambda: limited(resource.RLIMIT_CORE, 0, 0)[0] != 1)  # 1: to no program either
    yield (
        "core dumps, upper bits",
        lambda: apart(lambda: raw(SETRLIMIT, UPPER | 4, bytes(16)) and resource.getrlimit(4)[0] != 1),
    )
    yield "nice", lambda: apart(lambda: [os.nice(-1)])
    yield "real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) is None  # type: ignore[func-returns-value]
    yield "killed last", lambda: pathlib.Path("/proc/self/oom_score_adj").write_text("-1") > 0
    yield "clock", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()) is None  # type: ignore[func-returns-value]
    yield "host name", lambda: socket.sethostname("other") is None  # type: ignore[func-returns-value]


INSIDE: dict[str, Callable[[Any], Iterator[Try]]] = {
    one.__name__: one
    for one in (
        read_data_folder, read_other_runs, read_other_processes, signal_the_server, signal_init, reach_database_sockets,
        reach_loopback, reach_neighbours, reach_metadata, change_the_network, become_root, make_namespaces,
        mount_things, reach_into_the_kernel, make_devices, write_what_is_the_machines, raise_own_limits,
    )
}  # fmt: skip


def everything(facts: Any, names: Iterable[str] = INSIDE) -> dict[str, Any]:
    """Attempt → how many tries there were, and those that succeeded."""
    found = {}
    for name in names:
        done, count = [], 0
        for label, work in INSIDE[name](facts):
            if [name, label] in facts.get("skipped", ()):
                continue
            count += 1
            try:
                result = work()
            except (OSError, ValueError):  # ValueError: limits and names that Python itself passes on as such
                continue
            if result:
                done.append(label)
        found[name] = {"tries": count, "done": done}
    return found


def known() -> Any:
    return json.loads(os.environ.get("FACTS") or FACTS.read_text())


def say(phase: str, found: Any) -> None:
    os.write(1, f"{MARK}{json.dumps({phase: found})}\n".encode())


def ahead() -> Any:
    """In a sandbox made ahead of its run, silence who watches the imports, so that nothing makes the run start cold."""
    watches = [one for one in gc.get_objects() if type(one).__name__ == "Watch" and hasattr(one, "seen")]
    for one in watches:
        one._on = False
    found = everything(known()) if watches else None
    for one in watches:
        one.seen.clear()
    return found


AHEAD = ahead()
if __name__ == "__main__":
    say(sys.argv[1], everything(known(), sys.argv[2:] or INSIDE))
