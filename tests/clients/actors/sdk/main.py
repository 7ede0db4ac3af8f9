"""An Actor on the official SDK, unchanged: its input names one of the things that Actors do."""

import asyncio
import os
import pathlib
import sys
from datetime import timedelta

import web
from apify import Actor, Event

MARK = pathlib.Path("mark.txt")  # outside of any storage


async def results(wanted: dict) -> None:
    await Actor.set_status_message("Working")
    await Actor.push_data([{"n": 1}, {"n": 2, "text": "é"}])
    await Actor.push_data({"n": 3})
    await Actor.set_value("OUTPUT", {"input": wanted})
    await Actor.set_value("page.html", "<p>é</p>", content_type="text/html")
    await Actor.set_value("bytes", b"\xff\x00", content_type="image/png")
    named = await Actor.open_dataset(name="named-things")
    await named.push_data({"from": Actor.configuration.actor_run_id})
    queue = await Actor.open_request_queue()
    await queue.add_requests([f"https://example.com/{n}" for n in range(3)])
    await queue.add_request("https://example.com/0")
    handled = 0
    while request := await queue.fetch_next_request():
        if request.url.endswith("1") and request.retry_count == 0:
            request.retry_count = 1
            await queue.reclaim_request(request)
            continue
        await queue.mark_request_as_handled(request)
        handled += 1
    await Actor.set_value("HANDLED", {"handled": handled, "is_finished": await queue.is_finished()})
    await Actor.set_value("ENVIRONMENT", {"home": Actor.is_at_home(), "missing": await Actor.get_value("MISSING")})
    await Actor.exit(status_message="All done")


async def exits(wanted: dict) -> None:
    match wanted["how"]:
        case "exit":
            await Actor.exit(exit_code=wanted["code"])
        case "fail":
            await Actor.fail(status_message="It was too much")
        case "raise":
            raise RuntimeError("this Actor has a bug")
        case "sys":
            sys.exit(wanted["code"])


async def events(_: dict) -> None:
    told = asyncio.Event()
    names = []

    async def on_system_info(data: object) -> None:
        await Actor.set_value("SYSTEM_INFO", data.model_dump(mode="json"))
        if "systemInfo" not in names:
            names.append("systemInfo")
            print("measured", flush=True)

    async def on_aborting(_: object) -> None:
        names.append("aborting")

    async def on_persist(_: object) -> None:
        if "aborting" in names:
            names.append("persistState")
            told.set()

    Actor.on(Event.SYSTEM_INFO, on_system_info)
    Actor.on(Event.ABORTING, on_aborting)
    Actor.on(Event.PERSIST_STATE, on_persist)
    await told.wait()
    await Actor.set_value("NAMES", names)
    await Actor.exit()


async def reboots(_: dict) -> None:
    state = await Actor.use_state({"starts": 0})
    state["starts"] += 1
    print(f"start {state['starts']}", flush=True)
    await Actor.push_data({"starts": state["starts"], "mark": MARK.exists(), "token": os.environ["APIFY_TOKEN"]})
    MARK.write_text("a file outside of any storage")
    if state["starts"] == 1:
        await Actor.reboot()
        print("this line must never be reached", flush=True)


async def counted() -> int:
    """Starts of this run, over reboots, migrations and resurrections; saved at once."""
    starts = (await Actor.get_value("STARTS") or 0) + 1
    await Actor.set_value("STARTS", starts)
    print(f"start {starts}", flush=True)
    return starts


async def metamorphs(wanted: dict) -> None:
    await Actor.metamorph(wanted["target"], {"mode": "arrives", "from": Actor.configuration.actor_id})


async def arrives(wanted: dict) -> None:
    key = os.environ["ACTOR_INPUT_KEY"]
    await Actor.set_value("OUTPUT", {"from": wanted["from"], "greeting": wanted["greeting"], "key": key})


async def migrates(_: dict) -> None:
    starts = await counted()
    if starts == 1:
        told = asyncio.Event()
        Actor.on(Event.MIGRATING, lambda _: told.set())
        await told.wait()
        print("told to migrate", flush=True)
        await Actor.reboot()
    await Actor.set_value("OUTPUT", {"starts": starts})


async def resurrects(_: dict) -> None:
    await Actor.push_data({"starts": await counted()})
    await Actor.fail(status_message="Not yet")


async def secrets(wanted: dict) -> None:
    print(f"the password is {wanted['password']} and the key {wanted['key']['a']}", flush=True)
    await Actor.set_value("OUTPUT", {"password": wanted["password"][::-1], "key": wanted["key"]})


async def counts(wanted: dict) -> None:
    """Counts in memory; the SDK saves that when it is told to, or once a minute."""
    state = await Actor.use_state({"count": 0})
    await Actor.push_data({"from": state["count"]})
    while state["count"] < wanted["to"]:
        state["count"] += 1
        print(f"counted {state['count']}", flush=True)
        await asyncio.sleep(0.1)


async def charges(wanted: dict) -> None:
    calls = 0
    while calls < 10:
        result = await Actor.charge("thing")
        calls += 1
        if result.event_charge_limit_reached:
            break
    await Actor.set_value("OUTPUT", {"calls": calls})
    if wanted.get("stays"):
        told = asyncio.Event()
        Actor.on(Event.ABORTING, lambda _: told.set())
        await told.wait()


async def sleeps(_: dict) -> None:
    await Actor.set_status_message("Sleeping")
    await asyncio.sleep(600)


async def serves(_: dict) -> None:
    with web.server(int(os.environ["ACTOR_WEB_SERVER_PORT"])) as leave:
        await asyncio.to_thread(leave.wait)


async def crawls(wanted: dict) -> None:
    from crawlee.crawlers import BeautifulSoupCrawler, BeautifulSoupCrawlingContext

    with web.server(8123):
        crawler = BeautifulSoupCrawler(
            max_requests_per_crawl=wanted.get("pages", 20), request_handler_timeout=timedelta(seconds=30)
        )

        @crawler.router.default_handler
        async def handle(context: BeautifulSoupCrawlingContext) -> None:
            title = context.soup.title.string if context.soup.title else None
            await context.push_data({"url": context.request.url, "title": title})
            await context.enqueue_links()

        await crawler.run([wanted.get("url", "http://127.0.0.1:8123/")])


PLAIN = (results, exits, events, reboots, sleeps, serves, crawls)
ENGINE = (metamorphs, arrives, migrates, resurrects, secrets, counts, charges)
MODES = {one.__name__: one for one in (*PLAIN, *ENGINE)}


async def main() -> None:
    async with Actor:
        wanted = await Actor.get_input() or {}
        await MODES[wanted["mode"]](wanted)


asyncio.run(main())
