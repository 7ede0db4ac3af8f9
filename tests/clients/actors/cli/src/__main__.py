"""What the command line pushes, calls and runs locally. Without packages; keeps what it makes in its run's storages."""

import json
import os
import pathlib
import sys
import time
import urllib.request

HOME = "APIFY_IS_AT_HOME" in os.environ


def call(method: str, path: str, body: object = None) -> bytes:
    request = urllib.request.Request(
        f"{os.environ['APIFY_API_BASE_URL']}/v2/{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"Authorization": f"Bearer {os.environ['APIFY_TOKEN']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        content: bytes = reply.read()
        return content


def given() -> dict[str, object]:
    """The input: of the run, or of the folder that ``apify run`` keeps beside the Actor."""
    key = os.environ["ACTOR_INPUT_KEY"]
    if HOME:
        store = os.environ["ACTOR_DEFAULT_KEY_VALUE_STORE_ID"]
        found: dict[str, object] = json.loads(call("GET", f"key-value-stores/{store}/records/{key}"))
        return found
    stores = pathlib.Path(os.environ["APIFY_LOCAL_STORAGE_DIR"]) / "key_value_stores"
    return dict(json.loads((stores / "default" / f"{key}.json").read_text()))


def main() -> None:
    wanted = {"times": 2, "code": 0, "wait": False} | given()
    greeting = os.environ.get("GREETING", "no greeting")
    items = [{"n": n, "greeting": greeting} for n in range(int(str(wanted["times"])))]
    for item in items:
        print(f"{item['greeting']} {item['n']}", flush=True)
    if HOME:
        if items:
            call("POST", f"datasets/{os.environ['ACTOR_DEFAULT_DATASET_ID']}/items", items)
        told = {name: value for name, value in os.environ.items() if name.startswith(("ACTOR_", "APIFY_", "PASSWORD"))}
        call("PUT", f"key-value-stores/{os.environ['ACTOR_DEFAULT_KEY_VALUE_STORE_ID']}/records/ENVIRONMENT", told)
    while wanted["wait"]:
        time.sleep(0.1)
    sys.exit(int(str(wanted["code"])))


main()
