// A peer: @crawlee/memory-storage on Node.js, with or without files.
//
//     node memory_peer.mjs persisted|unpersisted VALUES
//
// Takes jobs as lines of JSON and answers each with `done` and `secs`. Its files are below the working folder.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { MemoryStorage } from '@crawlee/memory-storage';

const BATCH = 25;
const values = JSON.parse(readFileSync(process.argv[3], 'utf8'));
const storage = new MemoryStorage({
    localDataDirectory: `${process.cwd()}/storage`,
    persistStorage: process.argv[2] === 'persisted',
});
let opened = 0;

const requests = (prefix) =>
    Array.from({ length: BATCH }, (_, number) => {
        const url = `https://shop.example.com/catalogue/${prefix}/${String(number).padStart(8, '0')}`;
        return { url, uniqueKey: url, method: 'GET', userData: { label: 'DETAIL' } };
    });

async function open(collection, client) {
    const { id } = await storage[collection]().getOrCreate(`bench-${opened++}`);
    return storage[client](id, { clientKey: 'bench' });
}

// Callers that do one operation after the other until the time is over, or there is nothing left (-1).
async function measured(one, { secs, concurrency }) {
    let done = 0;
    let turns = 0;
    const begun = performance.now();
    const elapsed = () => (performance.now() - begun) / 1000;
    const caller = async () => {
        while (elapsed() < secs) {
            const number = await one(turns++);
            if (number < 0) return;
            done += number;
        }
    };
    await Promise.all(Array.from({ length: concurrency }, caller));
    return { done, secs: elapsed() };
}

const works = {
    async push({ batch, ...rest }) {
        const dataset = await open('datasets', 'dataset');
        const many = values.items.slice(0, batch);
        return measured(async (turn) => {
            await dataset.pushItems(batch === 1 ? values.items[turn % values.items.length] : many);
            return batch;
        }, rest);
    },
    async read({ count }) {
        const dataset = await open('datasets', 'dataset');
        await dataset.pushItems(values.items.slice(0, count));
        const begun = performance.now();
        const page = await dataset.listItems();
        return { done: page.items.length, secs: (performance.now() - begun) / 1000 };
    },
    async add(rest) {
        const queue = await open('requestQueues', 'requestQueue');
        return measured(async (turn) => {
            await queue.batchAddRequests(requests(`${turn}`));
            return BATCH;
        }, rest);
    },
    async handle({ size, ...rest }) {
        const queue = await open('requestQueues', 'requestQueue');
        for (let number = 0; number < size; number += BATCH) await queue.batchAddRequests(requests(`${number}`));
        const waiting = [];
        let fetching = null; // one look at the head for all callers: each reads every file of the queue
        const fetch = async () => {
            const { items } = await queue.listAndLockHead({ limit: BATCH, lockSecs: 180 });
            waiting.push(...items);
            fetching = null;
        };
        return measured(async () => {
            if (waiting.length === 0) await (fetching ??= fetch());
            const request = waiting.pop();
            if (!request) return -1;
            const { id, uniqueKey, url, method } = request;
            await queue.updateRequest({ id, uniqueKey, url, method, handledAt: new Date().toISOString() });
            return 1;
        }, rest);
    },
    async records(rest) {
        const store = await open('keyValueStores', 'keyValueStore');
        return measured(async (turn) => {
            const key = `key-${turn % 1000}`;
            await store.setRecord({ key, value: values.record });
            await store.getRecord(key);
            return 1;
        }, rest);
    },
};

for await (const line of createInterface({ input: process.stdin })) {
    const { work, ...job } = JSON.parse(line);
    console.log(JSON.stringify(await works[work](job)));
}
process.exit(0);
