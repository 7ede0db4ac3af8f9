// Runs one command of the command line after the other in this process, because loading its modules takes seconds.
// A request is a line on the first of two file descriptors, its reply a line on the second. The entry point is evaluated anew for each command,
// under an address of its own; the modules that it imports stay.
import { createReadStream, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [requests, replies] = process.argv.slice(2).map(Number);
let said;
for (const name of ['stdout', 'stderr']) {
    process[name].write = (chunk, encoding, written) => {
        said[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
        const done = typeof encoding === 'function' ? encoding : written;
        if (done) process.nextTick(done);
        return true;
    };
}

// A command that exits ends by an error that nobody catches, and not the process with it.
class Exit extends Error {}
process.exit = (code) => {
    process.exitCode = code ?? process.exitCode;
    throw new Exit();
};

let count = 0;
for await (const line of createInterface({ input: createReadStream('', { fd: requests }) })) {
    const { entry, args, folder, environment } = JSON.parse(line);
    said = { stdout: '', stderr: '' };
    process.chdir(folder);
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, environment);
    process.argv = [process.argv[0], entry, ...args];
    process.exitCode = 0;
    count += 1;
    try {
        await import(`${pathToFileURL(entry)}?command=${count}`);
    } catch (error) {
        if (!(error instanceof Exit)) {
            said.stderr += error.stack;
            process.exitCode = 70;
        }
    }
    writeSync(replies, `${JSON.stringify({ ...said, code: process.exitCode })}\n`);
    process.exitCode = 0;
}
