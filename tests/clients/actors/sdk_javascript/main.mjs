// An Actor on the official JavaScript SDK, unchanged: its input names one of the things that Actors do.
import { existsSync, writeFileSync } from "node:fs";
import { Actor } from "apify";

const MARK = "mark.txt"; // outside of any storage
const forever = () => new Promise((resolve) => setTimeout(resolve, 600_000));

/** Starts of this run, over reboots, migrations and resurrections; saved at once. */
async function counted() {
  const starts = ((await Actor.getValue("STARTS")) ?? 0) + 1;
  await Actor.setValue("STARTS", starts);
  console.log(`start ${starts}`);
  return starts;
}

const modes = {
  async results(input) {
    await Actor.setStatusMessage("Working");
    await Actor.pushData([{ n: 1 }, { n: 2, text: "é" }]);
    await Actor.setValue("OUTPUT", { greeting: input.greeting, home: Actor.isAtHome() });
    const queue = await Actor.openRequestQueue();
    await queue.addRequest({ url: "https://example.com/0" });
    const request = await queue.fetchNextRequest();
    await queue.markRequestHandled(request);
    await Actor.exit("All done");
  },

  async fails() {
    await Actor.fail("It was too much", { exitCode: 10 });
  },

  async events() {
    const names = new Set();
    for (const name of ["systemInfo", "aborting", "persistState"]) {
      Actor.on(name, async () => {
        const isNew = !names.has(name);
        names.add(name);
        if (isNew && name === "systemInfo") console.log("measured");
        await Actor.setValue("NAMES", [...names].sort());
      });
    }
    await forever();
  },

  async reboots() {
    const starts = await counted();
    await Actor.pushData({ starts, mark: existsSync(MARK) });
    writeFileSync(MARK, "a file outside of any storage");
    if (starts === 1) await Actor.reboot();
  },

  async migrates() {
    const starts = await counted();
    Actor.on("migrating", () => console.log("told to migrate"));
    if (starts === 1) await forever();
    await Actor.setValue("OUTPUT", { starts });
  },

  async metamorphs(input) {
    await Actor.metamorph(input.target, { mode: "arrives", from: Actor.getEnv().actorId });
  },

  async arrives(input) {
    await Actor.setValue("OUTPUT", { from: input.from, greeting: input.greeting, key: process.env.ACTOR_INPUT_KEY });
  },

  async resurrects() {
    await Actor.pushData({ starts: await counted() });
    await Actor.fail("Not yet");
  },

  async secrets(input) {
    console.log(`the password is ${input.password} and the key ${input.key.a}`);
    await Actor.setValue("OUTPUT", { password: [...input.password].reverse().join(""), key: input.key });
  },

  async charges() {
    let calls = 0;
    for (; calls < 10; calls += 1) {
      const { eventChargeLimitReached } = await Actor.charge({ eventName: "thing" });
      if (eventChargeLimitReached) break;
    }
    await Actor.setValue("OUTPUT", { calls });
    if (input.stays) await new Promise((resolve) => setTimeout(resolve, 600_000));
  },
};

await Actor.init();
const input = (await Actor.getInput()) ?? {};
await modes[input.mode](input);
await Actor.exit();
