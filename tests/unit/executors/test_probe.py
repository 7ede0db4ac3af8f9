"""What a machine gives sandboxes."""

from __future__ import annotations

import os
from ipaddress import IPv4Network

import pytest

from actorium.executors.process import probe
from actorium.executors.process.executor import ProcessOptions
from actorium.executors.process.keeper import network


@pytest.mark.parametrize(
    ("root", "slirp", "rules", "host", "leads"),
    [
        (False, None, True, False, False),
        (False, "/usr/bin/slirp4netns", True, False, True),
        (False, None, True, True, True),
        (True, None, True, False, True),
        (True, "/usr/bin/slirp4netns", False, False, False),
        (True, None, False, True, True),
    ],
)
def test_whether_sandboxes_have_a_way_out(
    monkeypatch: pytest.MonkeyPatch, root: bool, slirp: str | None, rules: bool, host: bool, leads: bool
) -> None:
    def ensure_rules(_: IPv4Network) -> None:
        if not rules:
            raise OSError("no nf_tables")

    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(network, "slirp", lambda: slirp)
    monkeypatch.setattr(network, "ensure_rules", ensure_rules)
    assert probe.leads_out(ProcessOptions(allow_host_network=host)) is leads
