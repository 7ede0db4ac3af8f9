// The whole way with the official JavaScript client. Prints one JSON object a step; the test reads them.
// node story.mjs URL TOKEN SOURCE_FILES_AS_JSON
import { readFileSync } from 'node:fs';
import { ApifyClient } from 'apify-client';

const [url, token, sources] = process.argv.slice(2);
const client = new ApifyClient({ baseUrl: url, publicBaseUrl: url, token, maxRetries: 0 });
const tell = (step, facts) => process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`);
const summary = (run) => ({
    status: run.status,
    exitCode: run.exitCode,
    statusMessage: run.statusMessage,
    isStatusMessageTerminal: run.isStatusMessageTerminal,
    rebootCount: run.stats.rebootCount,
});

async function waitForLine(runId, wanted) {
    const seen = [];
    let rest = '';
    const stream = await client.run(runId).log().stream({ raw: true });
    for await (const piece of stream) {
        const lines = (rest + piece.toString()).split('\n');
        rest = lines.pop();
        seen.push(...lines.map((line) => line.slice(25)));
        if (seen.includes(wanted)) {
            stream.destroy();
            return seen;
        }
    }
    throw new Error(`the log ended without "${wanted}": ${seen}`);
}

async function refusal(call) {
    try {
        await call();
    } catch (error) {
        return { statusCode: error.statusCode, type: error.type, message: error.message };
    }
    throw new Error('this was not refused');
}

const made = await client.actors().create({
    name: 'plain-javascript',
    versions: [
        {
            versionNumber: '0.3',
            sourceType: 'SOURCE_FILES',
            buildTag: 'latest',
            sourceFiles: JSON.parse(readFileSync(sources, 'utf8')),
        },
    ],
});
const actor = client.actor(made.id);
const build = await client.build((await actor.build('0.3')).id).waitForFinish({ waitSecs: 120 });
tell('build', {
    status: build.status,
    number: build.buildNumber,
    log: await client.build(build.id).log().get(),
    createdAtIsADate: made.createdAt instanceof Date,
    tagged: (await client.actor('local/plain-javascript').get()).taggedBuilds.latest.buildId === build.id,
});
tell('me', { username: (await client.user().get()).username });

let run = await actor.start({ items: 3 }, { memory: 256, maxItems: 50, timeout: 120 });
const ready = run.status;
const done = await client.run(run.id).waitForFinish();
const listed = await client.run(run.id).dataset().listItems({ desc: true, limit: 2 });
const csv = await client.dataset(done.defaultDatasetId).downloadItems('csv', { fields: ['index'], bom: false });
const keys = await client.run(run.id).keyValueStore().listKeys();
const queue = client.requestQueue(done.defaultRequestQueueId, { clientKey: 'javascript' });
const locked = await queue.listAndLockHead({ lockSecs: 60, limit: 2 });
await queue.prolongRequestLock(locked.items[0].id, { lockSecs: 90 });
const left = (await queue.listHead()).items.map((item) => item.uniqueKey);
await queue.deleteRequestLock(locked.items[0].id);
tell('run', {
    ready,
    ...summary(done),
    options: done.options,
    startedAtIsADate: done.startedAt instanceof Date && done.finishedAt instanceof Date,
    absent: [done.pricingInfo === undefined, done.chargedEventCounts === undefined],
    items: listed.items,
    total: listed.total,
    csv: csv.toString(),
    output: (await client.run(run.id).keyValueStore().getRecord('OUTPUT')).value,
    missing: (await client.run(run.id).keyValueStore().getRecord('MISSING')) === undefined,
    keys: keys.items.map((item) => item.key),
    nextKeyIsNull: keys.nextExclusiveStartKey === null,
    locked: locked.items.map((item) => item.uniqueKey),
    left,
    log: (await client.run(run.id).log().get()).split('\n').map((line) => line.slice(25)),
    last: (await actor.lastRun({ status: 'SUCCEEDED' }).get()).id === run.id,
});

const large = { text: 'é'.repeat(50_000) };
await client.keyValueStore(done.defaultKeyValueStoreId).setRecord({ key: 'LARGE', value: large });
const back = await client.keyValueStore(done.defaultKeyValueStoreId).getRecord('LARGE');
tell('compressed', { same: back.value.text === large.text });

run = await actor.call({ code: 91 }, { log: null });
tell('exit code', summary(run));

run = await actor.start({ wait: true });
await waitForLine(run.id, 'waiting');
tell('reboot', {
    ...summary(await client.run(run.id).reboot()),
    lines: await waitForLine(run.id, 'start 2, the mark is not there'),
});
await waitForLine(run.id, 'waiting');
const gracefully = summary(await client.run(run.id).abort({ gracefully: true }));
const refused = await refusal(() => client.run(run.id).reboot());
await client.run(run.id).keyValueStore().setRecord({ key: 'LEAVE', value: true });
tell('graceful abort', { first: gracefully, refused, ...summary(await client.run(run.id).waitForFinish()) });

run = await actor.start({ wait: true });
await waitForLine(run.id, 'waiting');
const first = summary(await client.run(run.id).abort());
const aborted = await client.run(run.id).waitForFinish();
const again = await client.run(run.id).abort();
tell('abort', { first, ...summary(aborted), again: again.finishedAt.getTime() === aborted.finishedAt.getTime() });

const updated = await client.run(run.id).update({ statusMessage: 'Goodbye', isStatusMessageTerminal: true });
await client.run(run.id).delete();
tell('gone', {
    updated: updated.statusMessage,
    run: (await client.run(run.id).get()) === undefined,
    actor: (await client.actor('local/unknown').get()) === undefined,
    log: (await client.log('unknownunknownabc').get()) === undefined,
    build: (await client.build('unknownunknownabc').get()) === undefined,
    runs: (await actor.runs().list({ desc: true })).items.map((item) => item.status),
    unknown: await refusal(() => client.actor('local/unknown').start()),
    wrong: await refusal(() => actor.start({}, { memory: 1000 })),
});
