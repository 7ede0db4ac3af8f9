"""What Actors try that they must not: one table, for ``tests/process/test_hostile.py`` and SECURITY.md."""

from __future__ import annotations

from dataclasses import dataclass

INSIDE = "tests/process/test_hostile.py::test_an_attempt_from_inside"
PHASES = ("step", "cold", "ahead", "warm")
"""In a build step, a run, ahead of a run in a sandbox that is kept ready, and a run that took one over."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row."""

    name: str
    """Of those that are tried from inside: the function in ``hostile_actor/hostile.py``."""
    tries: str
    stopped_by: str
    proof: str = INSIDE
    """A test, as pytest names it."""


_HERE = "tests/process/test_hostile.py::test_"
_BAD = "tests/process/test_bad_actors.py::test_one_that_"
_STEP, _BUILD = "tests/process/test_executor_step.py::test_", "tests/process/test_builder.py::test_"
_NETWORK = "tests/process/test_executor_network.py::test_"
TABLE = (
    Attempt("read_data_folder", "the token, the database, keys and plans in the data folder, also past the root",
            "a root of its own, entered by pivot_root; nothing of the folder is mounted in it"),
    Attempt("read_other_runs", "files of another run of the same owner", "each run has a disk of its own"),
    Attempt("read_other_processes", "environment, memory, files and folders of the server, its helpers and other runs",
            "a process namespace of its own; the one process of ours in it is not dumpable and shows no command line"),
    Attempt("signal_the_server", "signals to the server, its helpers and other runs", "a process namespace of its own"),
    Attempt("signal_init", "ending the process that watches over it", "it is root's and the first of its namespace"),
    Attempt("reach_database_sockets", "Unix sockets such as databases have, by path and abstract ones",
            "the root and the network namespace"),
    Attempt("reach_loopback", "services on the machine's loopback and other addresses, another run's web port",
            "a network namespace with a loopback of its own; the input rule drops what comes from runs"),
    Attempt("reach_neighbours", "another run's own address", "the forward rule between runs"),
    Attempt("reach_metadata", "metadata services: 169.254.0.0/16, 100.100.100.200, 192.0.0.192", "the forward rules"),
    Attempt("change_the_network", "raw, packet, vsock, crypto and rare sockets, other addresses, interfaces down",
            "no capabilities; the system-call filter"),
    Attempt("become_root", "setuid, setgid, groups, su, sudo, capabilities",
            "no capabilities, none to be had, no new privileges, nosuid mounts"),
    Attempt("make_namespaces", "unshare, clone, clone3, setns", "the system-call filter"),
    Attempt("mount_things", "mounts, bind mounts, a writable root, uncovering what is masked, chroot",
            "no capabilities; the system-call filter"),
    Attempt("reach_into_the_kernel", "ptrace, memory of init, bpf, io_uring, keys, modules, kexec, the kernel's log",
            "the system-call filter; masked files of /proc"),
    Attempt("make_devices", "device nodes, opening the machine's devices",
            "no capabilities, nodev mounts, a /dev of its own"),
    Attempt("write_what_is_the_machines", "programs in /usr, the interpreter, kernel settings, control groups",
            "read-only lower layers and binds, files of root"),
    Attempt("raise_own_limits", "rlimits, priority, real time, being killed after the server, clock, host name, "
            "crashing into the machine's own program for core dumps",
            "no capabilities; a limit of core files that starts none and that the system-call filter keeps"),
    Attempt("write into the shared build", "overwriting the Actor's code and packages for other runs",
            "writes go to the run's own disk above read-only layers", f"{_HERE}what_runs_share_stays_as_it_was_built"),
    Attempt("leave processes behind", "processes in sessions of their own, deaf to signals",
            "they end with their process namespace", f"{_HERE}nothing_is_left_behind"),
    Attempt("poison another Actor's packages", "writing into the package cache of builds",
            "a package cache for each Actor", f"{_HERE}packages_fetched_for_one_actor_are_not_used_for_another"),
    Attempt("poison another Actor's layers", "altered packages in the own cache, then building with another's commands",
            "layers made with what other commands may have left are the Actor's own",
            f"{_BUILD}layers_made_with_what_another_actors_steps_left_are_not_shared"),
    Attempt("poison another owner's packages", "the same, and layers", "caches and layers for each owner",
            f"{_BUILD}nothing_is_shared_across_owners"),
    Attempt("find a build's secret", "a secret build argument or the index's password in log, layer or index of layers",
            "logs are masked; arguments and logins are no part of images",
            f"{_HERE}a_builds_secret_is_in_no_log_and_on_no_disk"),
    Attempt("lead the builder outside by links", "links in place of /proc, /usr and folders that are mounted on",
            "links in layers are refused there", f"{_STEP}a_link_in_a_layer_leads_no_mount_outside"),
    Attempt("lead a copy outside by links", "links as source or target of COPY", "paths are walked inside the layers",
            f"{_BUILD}links_made_by_a_step_do_not_lead_a_copy_outside"),
    Attempt("fill the disk", "writing without end", "a file system of limited size, else a sampled total",
            f"{_BAD}fills_its_disk"),
    Attempt("fill the disk in a build", "the same",
            "a sampled total; builds that write end before the machine's disk is full", f"{_BUILD}disk_is_limited"),
    Attempt("fill the disk in a build, unseen", "files without a name: open, mapped or on their way through a socket",
            "the build's processes are looked through as well", f"{_BUILD}disk_without_a_name_is_limited"),
    Attempt("fill the memory", "taking without end", "the control group", f"{_BAD}takes_too_much_memory"),
    Attempt("fill the log", "printing 100 MB", "the log's limit", f"{_BAD}prints_100_mb"),
    Attempt("fork bomb", "forking without end", "the control group", f"{_BAD}forks_without_end"),
    Attempt("take all connections", "connecting to the API without end",
            "a share for each run of what the server may have open", f"{_NETWORK}connections_to_the_api_are_limited"),
    Attempt("use the token for more", "what the run's owner has besides", "the run's permission level",
            "tests/api/test_permission_levels.py"),
)  # fmt: skip


ENGINE = "tests/process/test_hostile_containers.py::test_an_attempt_from_inside"
ENGINE_PHASES = ("step", "root", "user")
"""In a build step, in a run of an image that names no user, and in one of an image that does."""
_HERE = "tests/process/test_hostile_containers.py::test_"
_ENGINE = "tests/process/test_container_engine.py::test_"
_SUITE = "src/actorium/testing/conformance/executor.py::test_"
_BUILD, _REFUSED = (
    "tests/process/test_container_builder.py::test_",
    "tests/unit/builders/test_container_refusals.py::test_",
)
_WRITTEN = "tests/unit/builders/test_container_context.py::test_"
ENGINE_TABLE = (
    Attempt("read_data_folder", "", "a root of its own; nothing of the folder is mounted in it", ENGINE),
    Attempt("read_other_runs", "", "each container has a layer of its own", ENGINE),
    Attempt("read_other_processes", "", "a process namespace of its own, and all of it the run's", ENGINE),
    Attempt("signal_the_server", "", "a process namespace of its own", ENGINE),
    Attempt("reach_database_sockets", "the engine's own socket, too", "the root and the network namespace", ENGINE),
    Attempt("reach_loopback", "", "the network of a sandbox instead of the engine's, for build steps, too", ENGINE),
    Attempt("reach_neighbours", "", "the forward rule between runs", ENGINE),
    Attempt("reach_metadata", "", "the forward rules", ENGINE),
    Attempt("change_the_network", "", "no capabilities; the system-call filter of sandboxes", ENGINE),
    Attempt("become_root", "", "no capabilities, none to be had, no new privileges", ENGINE),
    Attempt("make_namespaces", "", "the system-call filter", ENGINE),
    Attempt("mount_things", "", "no capabilities; the system-call filter", ENGINE),
    Attempt("reach_into_the_kernel", "", "the system-call filter; the engine's masked files of /proc", ENGINE),
    Attempt("make_devices", "", "no capabilities; the engine's list of devices", ENGINE),
    Attempt("write_what_is_the_machines", "", "read-only binds; the engine's read-only files of /proc", ENGINE),
    Attempt("raise_own_limits", "", "no capabilities; hard limits; the system-call filter", ENGINE),
    Attempt("write into the shared build", "", "writes go to the container's own layer",
            f"{_HERE}what_runs_share_stays_as_it_was_built"),
    Attempt("leave processes behind", "", "they end with their process namespace or the build's group",
            f"{_HERE}nothing_is_left_behind"),
    Attempt("poison another's packages", "caches that RUN mounts",
            "a cache for each Actor of each owner, whatever name or path it asks for",
            f"{_BUILD}a_mounted_cache_is_its_actors_own"),
    Attempt("build on another owner's image", "FROM and COPY --from with the id or name of one",
            "each base is looked at, and the engine is told its id", f"{_BUILD}another_owners_image_is_no_base"),
    Attempt("hide from who looks", "lines that an engine reads otherwise",
            "the engine is sent what was read here, written anew", f"{_WRITTEN}engines_get_what_was_read"),
    Attempt("have the engine do it", "ADD of an address, RUN --network=host, mounted files, triggers of a base image",
            "refused before the engine reads them", f"{_REFUSED}what_leads_out_of_a_build_is_refused"),
    Attempt("find a build's secret", "in the log", "logs are masked; the engine keeps it in the image's history",
            f"{_HERE}a_builds_secret_is_in_no_log"),
    Attempt("fill the disk", "", "a limit of each file, and a total that is measured",
            f"{_SUITE}a_full_disk_hurts_only_itself"),
    Attempt("fill the disk in a build", "", "a total for each step that is measured; builds that write end before the "
            "engine's disk is full", f"{_BUILD}disk_is_limited"),
    Attempt("fill the disk with an archive", "one that ADD would have the engine unpack",
            "it is measured before the engine gets it",
            "tests/unit/builders/test_container_context.py::test_an_engine_unpacks_no_bomb"),
    Attempt("fill the disk, unseen", "volumes of the image, the engine's own files in the container, files without a "
            "name, and deep folders", "all are counted as well",
            f"{_ENGINE}its_disk_is_limited_in_volumes_and_without_names"),
    Attempt("fill the disk, on the way", "files without a name that are sent through a socket and not taken out",
            "who does so again and again while the disk is getting full is ended",
            f"{_ENGINE}its_disk_is_limited_in_files_on_their_way"),
    Attempt("fill the memory", "", "the engine's limit", f"{_SUITE}too_much_memory_ends_it"),
    Attempt("fill the log", "", "the log's limit", f"{_SUITE}the_log_has_an_end"),
    Attempt("fork bomb", "", "the engine's limit", f"{_SUITE}a_fork_bomb_is_contained"),
)  # fmt: skip
_OF_STEPS = {"become_root": {"setuid", "setgid", "groups", "CapPrm", "CapEff", "CapBnd", "new privileges", "user"},
             "write_what_is_the_machines": {"/etc/resolv.conf"},
             "raise_own_limits": {"core dumps", "core dumps, upper bits"}}  # fmt: skip
_OF_DOCKERS_STEPS = {
    "change_the_network": {"packet", "raw ip", "vsock", "vsock, upper bits", "tipc", "can"},
    "mount_things": {"chroot"},
    "reach_into_the_kernel": {"io_uring"}, "make_devices": {"disk", "memory"},
}  # fmt: skip


def not_prevented(kind: str, phase: str, name: str) -> set[str]:
    """Tries that an engine lets succeed: what ``actorium doctor`` and SECURITY.md say of it."""
    if phase == "step":
        return _OF_STEPS.get(name, set()) | (_OF_DOCKERS_STEPS.get(name, set()) if kind == "docker" else set())
    return {"setuid", "setgid", "user"} if (phase, name) == ("root", "become_root") else set()


def engines_as_markdown() -> str:
    """The rows of containers as SECURITY.md has them; what is tried is told once, with the processes."""
    tried = {row.name: row.tries for row in TABLE}
    left = "left in Docker's build steps | left in Podman's | left in runs of images without a user"
    lines = [f"| attempt | what it tries | what stops it | test | {left} |", "|---|---|---|---|---|---|---|"]
    for row in ENGINE_TABLE:
        test = "above" if row.proof == ENGINE else f"`{row.proof.removeprefix('tests/')}`"
        kept = [
            ", ".join(sorted(not_prevented(kind, phase, row.name))) or "-"
            for kind, phase in (("docker", "step"), ("podman", "step"), ("docker", "root"))
        ]
        tries = ", and ".join(part for part in (tried.get(row.name, ""), row.tries) if part)
        lines.append(f"| {row.name.replace('_', ' ')} | {tries} | {row.stopped_by} | {test} | {' | '.join(kept)} |")
    return "\n".join(lines)


def as_markdown() -> str:
    """The rows as SECURITY.md has them."""
    lines = ["| attempt | what it tries | what stops it | test |", "|---|---|---|---|"]
    for row in TABLE:
        test = "above" if row.proof == INSIDE else f"`{row.proof.removeprefix('tests/')}`"
        lines.append(f"| {row.name.replace('_', ' ')} | {row.tries} | {row.stopped_by} | {test} |")
    return "\n".join(lines)
