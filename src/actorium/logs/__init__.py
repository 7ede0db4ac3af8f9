"""Logs of runs and builds: appended as they arrive, read whole or followed live."""
