"""Containers as local processes: namespaces, cgroups and a shim per run, without a container engine."""
