"""The shim of a container that an engine keeps: the process executor's, with another thing to keep.

Standard library only, and no import of the engine's async client: every run has one of these processes.
"""
