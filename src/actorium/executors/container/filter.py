"""The system-call filter of a sandbox, written as container engines take one.

Engines have filters of their own, which differ by their age: with the same one, what an Actor can't do as a process it
can't do in a container either. It replaces the engine's, so what engines refuse beyond it is refused here, too.
"""

from __future__ import annotations

import errno
import json
from typing import Any

from actorium.executors.process.keeper import linux, seccomp

_PROCESSORS = {"x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X32"), "aarch64": ("SCMP_ARCH_AARCH64",)}
_LOWER_HALF = 0xFFFF_FFFF
_BEYOND = (
    "clock_adjtime", "clock_settime", "create_module", "fanotify_init", "get_kernel_syms", "kcmp", "migrate_pages",
    "move_pages", "name_to_handle_at", "nfsservctl", "query_module", "quotactl_fd", "settimeofday", "stime", "sysfs",
    "_sysctl", "umount", "uselib", "ustat", "vm86", "vm86old",
)  # fmt: skip


def profile(machine: str = linux.MACHINE) -> str | None:
    """The filter as JSON; None where a sandbox has none either."""
    if machine not in _PROCESSORS:
        return None
    refused: list[dict[str, Any]] = [
        {"names": sorted([*seccomp.DENIED, *_BEYOND]), "errnoRet": errno.EPERM},
        {"names": sorted(seccomp.UNKNOWN), "errnoRet": errno.ENOSYS},
    ]
    for bit in range(32):
        flag = seccomp.NEW_NAMESPACES & 1 << bit
        if flag:  # a rule for each: what compares with a mask can only ask for equality
            compared = {"index": 0, "value": flag, "valueTwo": flag, "op": "SCMP_CMP_MASKED_EQ"}
            refused.append({"names": ["clone"], "errnoRet": errno.EPERM, "args": [compared]})
    last = max(seccomp.FAMILIES)
    beyond = [{"index": 0, "value": last, "op": "SCMP_CMP_GT"}]
    others = [{"index": 0, "value": one, "op": "SCMP_CMP_EQ"} for one in range(last) if one not in seccomp.FAMILIES]
    unusual = {"names": ["socket", "socketpair"], "errnoRet": errno.EAFNOSUPPORT}
    refused += [{**unusual, "args": [compared]} for compared in (*beyond, *others)]
    refused.append({"names": ["setrlimit"], "errnoRet": 0, "args": [_is_core(0)]})
    new = {"index": 2, "value": 0, "op": "SCMP_CMP_NE"}
    refused.append({"names": ["prlimit64"], "errnoRet": 0, "args": [_is_core(1), new]})
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": _PROCESSORS[machine],
            "syscalls": [{"action": "SCMP_ACT_ERRNO", **one} for one in refused],
        }
    )


def _is_core(index: int) -> dict[str, Any]:
    """The kernel looks at the lower half of this argument; what is compared without a mask is all of it."""
    return {"index": index, "value": _LOWER_HALF, "valueTwo": seccomp.RLIMIT_CORE, "op": "SCMP_CMP_MASKED_EQ"}
