"""A private S3 server for the tests: moto's, from its wheel, which checks signatures once it knows a user."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import select
import signal
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

START_SECS = 60
BUCKET = "actorium-tests"
ACTIONS_BEFORE_SIGNATURES = 4  # what _prepare does
MISSING = "The S3 server of the tests is not installed: uv pip install --group s3-server"
_UNSIGNED = "AWS4-HMAC-SHA256 Credential=nobody/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=none"
_ANY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
_numbers = itertools.count()


@dataclass(frozen=True)
class Server:
    """A running server, and a folder in its bucket."""

    endpoint: str
    key: str
    secret: str
    pid: int
    folder: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that let a client in."""
        return {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret}

    @property
    def url(self) -> str:
        """As ACTORIUM_BLOBS takes it."""
        return f"s3://{BUCKET}/{self.folder}?endpoint={self.endpoint}&region=us-east-1"

    def unfinished(self) -> list[str]:
        """Keys of uploads in parts below the folder that were neither completed nor aborted."""
        text = self._get(f"/{BUCKET}?uploads=")
        return [key for key in re.findall("<Key>(.*?)</Key>", text) if key.startswith(f"{self.folder}/")]

    def listing(self) -> str:
        """What S3 says is below the folder."""
        return self._get(f"/{BUCKET}?list-type=2&prefix={urllib.parse.quote(self.folder, safe='')}%2F")

    def _get(self, target: str) -> str:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        request = AWSRequest(method="GET", url=self.endpoint + target)
        S3SigV4Auth(Credentials(self.key, self.secret), "s3", "us-east-1").add_auth(request)
        signed = urllib.request.Request(self.endpoint + target, headers=dict(request.headers))
        with urllib.request.urlopen(signed, timeout=START_SECS) as reply:
            return str(reply.read().decode())

    def stop(self) -> None:
        """End it; what it holds is in its memory."""
        with contextlib.suppress(ProcessLookupError):
            process = os.pidfd_open(self.pid)
            try:
                signal.pidfd_send_signal(process, signal.SIGKILL)
                select.select([process], [], [], START_SECS)
            finally:
                os.close(process)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def start(folder: Path) -> Server:
    """Start one on a free port of loopback. Raises RuntimeError with what it printed."""
    log = folder / f"s3-{next(_numbers)}-{os.getpid()}.log"
    log.touch()
    words = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    output = [(os.POSIX_SPAWN_OPEN, number, str(log), os.O_WRONLY | os.O_APPEND, 0) for number in (1, 2)]
    environment = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(ACTIONS_BEFORE_SIGNATURES)}
    pid = os.posix_spawn(words[0], words, environment, file_actions=output)  # another worker may be the one to end it
    deadline = time.monotonic() + START_SECS
    while (found := re.search(r"Running on (http://[0-9.:]+)", log.read_text())) is None:
        has_ended = os.waitpid(pid, os.WNOHANG) != (0, 0)
        if has_ended or time.monotonic() > deadline:
            if not has_ended:
                os.kill(pid, signal.SIGKILL)
            raise RuntimeError(f"{MISSING}\n{log.read_text()}")
        time.sleep(0.02)
    return _prepare(found[1], pid)


def _prepare(endpoint: str, pid: int) -> Server:
    """The bucket, and a user that may do everything with it. From then on signatures are checked."""
    user = {"UserName": "actorium"}
    _iam(endpoint, Action="CreateUser", **user)
    made = _iam(endpoint, Action="CreateAccessKey", **user)
    _iam(endpoint, Action="PutUserPolicy", PolicyName="all", PolicyDocument=_ANY, **user)
    _send(urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT"), "s3")
    key, secret = (
        re.findall(f"<{name}>(.*?)</{name}>", made)[0].replace("&amp;", "&")
        for name in ("AccessKeyId", "SecretAccessKey")
    )
    return Server(endpoint, key, secret, pid)


def _iam(endpoint: str, **fields: str) -> str:
    body = urllib.parse.urlencode({**fields, "Version": "2010-05-08"}).encode()
    return _send(urllib.request.Request(f"{endpoint}/", data=body, method="POST"), "iam")


def _send(request: urllib.request.Request, service: str) -> str:
    request.add_header("Authorization", _UNSIGNED.format(service))
    with urllib.request.urlopen(request, timeout=START_SECS) as reply:
        return str(reply.read().decode())
