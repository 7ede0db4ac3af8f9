"""The commands of users and groups: everything in an image belongs to the Actor's own user, whatever it is called."""

from __future__ import annotations

from collections.abc import Mapping

_NOTHING = """\
#!/bin/sh
# Everything in an image belongs to the Actor's own user, whatever it is called.
exit 0
"""
_MADE = """\
#!/bin/sh
# Another name for the Actor's own user: what asks for it by that name finds it, and its home.
name= home= makes_home=yes
while [ $# -gt 0 ]; do
    case "$1" in
        --home=* | --home-dir=*) home=${1#*=} ;;
        -d | -h | -[a-zA-Z]*[dh] | --home | --home-dir) home=$2; shift ;;
        -H | -M | --no-create-home) makes_home= ;;
        --shell | --uid | --gid | --ingroup | --groups | --gecos | --comment | --expiredate | --skel) shift ;;
        --*) ;;
        -*[bcefgGkKpPRsuZ]) shift ;;
        -*) ;;
        *) [ -n "$name" ] || name=$1 ;;
    esac
    shift
done
[ -n "$name" ] || exit 0
grep -q "^$name:" /etc/group || echo "$name:x:$(id -g):" >> /etc/group
case "$0" in *group*) exit 0 ;; esac
home=${home:-/home/$name}
grep -q "^$name:" /etc/passwd || echo "$name:x:$(id -u):$(id -g)::$home:/bin/sh" >> /etc/passwd
[ -z "$makes_home" ] || mkdir -p "$home"
"""
_SUDO = """\
#!/bin/sh
# The Actor's own user does it: there is no other. What programs ask of a package manager this way was not looked at.
export ACTORIUM_NOT_LOOKED_AT=1
while [ $# -gt 0 ]; do
    case "$1" in
        --) shift; break ;;
        -[CDghpRrTtUu] | --group | --user) shift 2 ;;
        -*) shift ;;
        *=*) export "$1"; shift ;;
        *) break ;;
    esac
done
[ $# -eq 0 ] || exec "$@"
"""
_SU = """\
#!/bin/sh
# The Actor's own user does it: there is no other.
export ACTORIUM_NOT_LOOKED_AT=1
command= shell=/bin/sh
while [ $# -gt 0 ]; do
    case "$1" in
        -c | --command) command=$2; shift ;;
        --command=*) command=${1#*=} ;;
        -s | --shell) shell=$2; shift ;;
        --shell=*) shell=${1#*=} ;;
        -[gGw]) shift ;;
    esac
    shift
done
[ -z "$command" ] || exec "$shell" -c "$command"
"""
_CHANGING = (
    "chage", "chgrp", "chown", "chpasswd", "delgroup", "deluser", "gpasswd", "groupdel", "groupmod", "passwd",
    "userdel", "usermod",
)  # fmt: skip
_MAKING = ("addgroup", "adduser", "groupadd", "useradd")
COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(_CHANGING, _NOTHING),
    **dict.fromkeys(_MAKING, _MADE),
    "su": _SU,
    "sudo": _SUDO,
}
"""Their names and what they are: scripts of the shell."""
