"""An Actor that does what its input asks for, mostly badly. Standard library only: it is built in a second."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import struct
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

API = os.environ["APIFY_API_BASE_URL"]
RUN = os.environ["ACTOR_RUN_ID"]
STORE = os.environ["ACTOR_DEFAULT_KEY_VALUE_STORE_ID"]
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def call(method: str, path: str, content: bytes | None = None) -> bytes:
    request = urllib.request.Request(f"{API}/v2{path}", data=content, method=method)
    request.add_header("Authorization", f"Bearer {os.environ['APIFY_TOKEN']}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=300) as reply:
        return reply.read()


def say(text: str) -> None:
    """One line at once: several processes write."""
    os.write(1, f"{text}\n".encode())


def rest() -> None:
    while True:
        time.sleep(3600)


# What it may be asked for: each a function of the input.


def sleeps(_: Any) -> None:
    say("ready")
    rest()


def leaves(wanted: Any) -> None:
    say("ready")
    time.sleep(wanted.get("secs", 0))
    sys.exit(wanted.get("code", 0))


def answers(wanted: Any) -> None:
    """Leaves an output and an item, and is done after a while."""
    call("PUT", f"/key-value-stores/{STORE}/records/OUTPUT", json.dumps(wanted["output"]).encode())
    call("POST", f"/datasets/{os.environ['ACTOR_DEFAULT_DATASET_ID']}/items", json.dumps(wanted["output"]).encode())
    time.sleep(wanted.get("secs", 0))


def is_deaf(_: Any) -> None:
    """Ignores every signal that can be ignored, in children, grandchildren and sessions of their own."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setpgid(0, 0)
            os.close(1)
            os.close(2)
        rest()
    say("ready")
    rest()


def forks(_: Any) -> None:
    """Without end: each child forks again; what fails is tried again."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    say("ready")
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)


def hears(wanted: Any) -> None:
    """Prints the events of its websocket; leaves after persistState with the code that was asked for, or stays."""
    if "message" in wanted:
        body = {"statusMessage": wanted["message"], "isStatusMessageTerminal": wanted.get("terminal", False)}
        call("PUT", f"/actor-runs/{RUN}", json.dumps(body).encode())
    for number, event in enumerate(events()):
        if number == 0:
            say("ready")
        if event["name"] != "systemInfo":
            say(f"event {event['name']}")
        if event["name"] == "persistState" and "code" in wanted:
            sys.exit(wanted["code"])


def events() -> Iterator[dict[str, Any]]:
    """Text messages of the events websocket, by hand."""
    address = os.environ["ACTOR_EVENTS_WEBSOCKET_URL"].removeprefix("ws://")
    host, _, path = address.partition("/")
    name, _, port = host.partition(":")
    connection = socket.create_connection((name, int(port)))
    key = base64.b64encode(os.urandom(16)).decode()
    head = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    connection.sendall(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
    stream = connection.makefile("rb")
    while stream.readline() not in (b"\r\n", b""):
        pass
    while head_bytes := stream.read(2):
        size = head_bytes[1] & 0x7F
        if size == 126:
            size = struct.unpack(">H", stream.read(2))[0]
        payload = stream.read(size)
        if head_bytes[0] & 0xF == 1:
            yield json.loads(payload)


def reboots(_: Any) -> None:
    """Tells of earlier attempts, leaves traces in and out of its storages, and prints until it is ended."""
    path = f"/key-value-stores/{STORE}/records/attempts"
    with contextlib.suppress(urllib.error.HTTPError):
        say(f"found attempts {call('GET', path).decode()}")
    found = [place for place in ("/tmp/trace", "trace", f"{os.environ['HOME']}/trace") if os.path.exists(place)]
    say(f"found files {found}")
    say(f"told {os.environ['APIFY_TOKEN'][-6:]} {os.environ['ACTOR_WEB_SERVER_URL']} {STORE}")
    for place in ("/tmp/trace", "trace", f"{os.environ['HOME']}/trace"):
        with contextlib.suppress(OSError), open(place, "w") as file:
            file.write("x")
    call("PUT", path, str(time.time_ns()).encode())
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    if os.fork():
        say("ready")
    while True:
        say(f"beat {time.time_ns() // 1_000_000}")
        time.sleep(0.02)


def fills_its_disk(wanted: Any) -> None:
    with open("/tmp/large", "wb") as file:
        try:
            while True:
                file.write(b"x" * 1_000_000)
                file.flush()
        except OSError as error:
            say(f"stopped by {error}")
            time.sleep(wanted["secs"])
            sys.exit(28)


def prints_much(wanted: Any) -> None:
    line = b"y" * 999 + b"\n"
    for _ in range(wanted["mbytes"] * 1000):
        os.write(1, line)


def prints_bytes(_: Any) -> None:
    os.write(1, b"before \xff\xfe\x80 after\n\x00nul \xc3\x28\n" + bytes(range(128, 256)) + b"\nlast, no newline")


def prints_one_line(wanted: Any) -> None:
    data = memoryview(b"z" * wanted["mbytes"] * 1_000_000 + b"\nthe end\n")
    while data:
        data = data[os.write(1, data) :]


def takes_memory(_: Any) -> None:
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1024)) * 10_000)


def dies_by_signal(wanted: Any) -> None:
    os.kill(os.getpid(), wanted["signal"])
    time.sleep(60)


def closes_its_output(wanted: Any) -> None:
    say("last words")
    os.close(1)
    os.close(2)
    time.sleep(0.5)
    os._exit(wanted["code"])


def deletes_its_folder(_: Any) -> None:
    import shutil

    place = os.getcwd()
    for name in os.listdir(place):
        with contextlib.suppress(OSError):
            shutil.rmtree(name) if os.path.isdir(name) else os.remove(name)
    with contextlib.suppress(OSError):
        os.rmdir(place)
    say("ready")
    time.sleep(0.5)


def listens_late(wanted: Any) -> None:
    """Takes connections but says nothing for a while, then answers."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", int(os.environ["ACTOR_WEB_SERVER_PORT"])))
    listener.listen(16)
    say("ready")
    until = time.monotonic() + wanted["secs"]
    held = []
    while True:
        connection, _ = listener.accept()
        if time.monotonic() < until:
            held.append(connection)
            continue
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        connection.close()


def counts(wanted: Any) -> None:
    """Lines with their own times, then a code: for what goes on while the server is away."""
    say(f"started {os.getpid()} {time.time_ns()}")
    for number in range(wanted["lines"]):
        say(f"line {number} {time.time_ns() // 1_000_000}")
        time.sleep(wanted.get("pause", 0.1))
    if wanted.get("stays"):
        rest()
    sys.exit(wanted["code"])


def calls_once(wanted: Any) -> None:
    """Waits until nobody answers at the API, then asks once more and says how long that took."""
    say("ready")
    while True:
        try:
            with socket.create_connection(("127.0.0.1", int(API.rpartition(":")[2]))) as connection:
                connection.settimeout(0.5)
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if not connection.recv(1):
                    break
        except OSError:
            break
        time.sleep(0.05)
    begun = time.monotonic()
    call("PUT", f"/key-value-stores/{STORE}/records/after", json.dumps(wanted).encode())
    say(f"answered after {time.monotonic() - begun:.1f}")


DOES: dict[str, Callable[[Any], None]] = {name: thing for name, thing in globals().items() if callable(thing)}


def asked() -> Any:
    """The input; tried again, because the server may be killed while it answers."""
    for _ in range(50):
        try:
            return json.loads(call("GET", f"/key-value-stores/{STORE}/records/{os.environ['ACTOR_INPUT_KEY']}"))
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)
    raise SystemExit("nobody told what to do")


if __name__ == "__main__":
    wanted = asked()
    DOES[wanted["does"]](wanted)
