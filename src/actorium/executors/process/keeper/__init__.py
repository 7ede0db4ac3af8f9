"""The processes that outlive the server: one spawner, and a shim for each container. Standard library only.

    server ── unix socket ──> spawner ── fork ──> shim ── fork ──> init (pid 1 inside) ── fork ──> the Actor's program

The shim stays outside: it reads the program's output, keeps its deadline, measures it, forwards its connections and
writes down how it ended. Nothing here may import what is not in the standard library or in this package, except the
constants of ``kernel/limits.py`` and ``kernel/lines.py``: every module is a cost of every container.
"""
