// Loaded before the command line (NODE_OPTIONS=--require): what it would ask of hosts on the internet goes to the
// stand-in whose address is in ELSEWHERE, as /host/path. Addresses of this machine stay what they are.
'use strict';

const http = require('node:http');
const https = require('node:https');

const standIn = process.env.ELSEWHERE;

function rerouted(address) {
    const url = new URL(address);
    return url.hostname === '127.0.0.1' ? url : new URL(`/${url.host}${url.pathname}${url.search}`, standIn);
}

// Called with an address (the template manifests) or with options (axios and its redirects).
function request(target, options, callback) {
    if (typeof options === 'function') [options, callback] = [undefined, options];
    if (typeof target !== 'string' && !(target instanceof URL)) {
        options = target;
        target = `https://${options.host ?? options.hostname}${options.path}`;
    }
    const { method, headers } = options ?? {};
    const { host: _, Host: __, ...rest } = headers ?? {};
    return http.request(rerouted(target), { method, headers: rest }, callback);
}

https.request = request;
https.get = (...given) => request(...given).end();

const { fetch } = globalThis;
globalThis.fetch = (target, options) => fetch(rerouted(target instanceof Request ? target.url : target), options);
