"""The inside of the box: what the child process runs. Imports the standard library, msgspec, duckdb and limits only.

Order of a life: walls up, DuckDB loaded, files and network gone, configuration locked, system calls filtered - and
only then the first byte of anybody's items or SQL is read.
"""
