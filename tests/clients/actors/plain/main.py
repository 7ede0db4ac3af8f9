"""An Actor without any package: what it does is what its input says."""

import json
import os
import pathlib
import signal
import sys
import time
import urllib.error
import urllib.request

API = os.environ["APIFY_API_BASE_URL"] + "/v2"
DATASET, STORE, QUEUE = (
    f"{API}/{kind}/{os.environ[f'ACTOR_DEFAULT_{name}_ID']}"
    for kind, name in (
        ("datasets", "DATASET"),
        ("key-value-stores", "KEY_VALUE_STORE"),
        ("request-queues", "REQUEST_QUEUE"),
    )
)
MARK = pathlib.Path("mark.txt")  # outside of any storage


def call(method: str, url: str, body: object = None) -> object:
    content = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {os.environ['APIFY_TOKEN']}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=content, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            text = reply.read()
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise
    return json.loads(text) if text else None


def main() -> None:
    wanted = call("GET", f"{STORE}/records/INPUT") or {}
    state = call("GET", f"{STORE}/records/STATE") or {"starts": 0}
    state["starts"] += 1
    call("PUT", f"{STORE}/records/STATE", state)
    print(f"start {state['starts']}, the mark is {'there' if MARK.exists() else 'not there'}", flush=True)
    MARK.write_text("a file outside of any storage")
    for index in range(wanted.get("items", 0)):
        call("POST", f"{DATASET}/items", {"index": index, "text": f"item {index}"})
        call("POST", f"{QUEUE}/requests", {"url": f"https://example.com/{index}", "uniqueKey": str(index)})
        print(f"item {index}", flush=True)
    call("PUT", f"{STORE}/records/OUTPUT", {"starts": state["starts"], "input": wanted})
    if wanted.get("wait"):
        print("waiting", flush=True)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while call("GET", f"{STORE}/records/LEAVE") is None:
            time.sleep(0.2)
    sys.exit(wanted.get("code", 0))


main()
