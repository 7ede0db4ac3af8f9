"""A peer: moto's S3 server. Tells its port once it listens, and ends when its input does."""

from __future__ import annotations

import json
import logging
import sys

from moto.server import ThreadedMotoServer


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    for _ in sys.stdin:
        print(json.dumps({"port": port}), flush=True)
    server.stop()


if __name__ == "__main__":
    main()
