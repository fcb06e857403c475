// The HTTP side that the mock providers share: node's server, the requests kept, refusals in the protocol's shape.
import http from 'node:http';

import { demand, Refusal } from './strict.mjs';

export const providerKey = 'sk-provider-of-the-sdk';
export const clientKey = 'sk-client-of-the-sdk';

const credentials = ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key'];

/** The provider's own header holds its key; no other header holds any, and nothing anywhere holds the client's. */
export function checkKey(request, header, value) {
    for (const name of credentials) {
        const got = request.headers[name];
        if (name === header ? got !== value : got !== undefined) throw new Refusal(401, `${name} is ${got}`);
    }
    const everything = JSON.stringify([request.rawHeaders, request.url]);
    if (everything.includes(clientKey)) throw new Refusal(401, 'the credential of a client of Loom came here');
}

export class Events {
    constructor(response, breaks) {
        this.response = response;
        this.breaks = breaks;
        this.count = 0;
        response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
    }

    /** False once the script has broken the stream. */
    write(bytes) {
        if (this.broken) return;
        this.count += 1;
        this.response.write(bytes);
        if (!this.breaks || this.count < 4) return;
        this.broken = true;
        this.response.write('', () => setImmediate(() => this.response.socket?.destroy()));
    }

    data(value) { this.write(`data: ${JSON.stringify(value)}\n\n`); }
    named(value) { this.write(`event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`); }
    end(bytes) {
        if (!this.broken) this.response.end(bytes);
    }
}

export function sendJson(response, value, status = 200, headers = {}) {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(value));
}

/** answer(request, body, response) writes one; error(status, message) makes the protocol's document and headers. */
export async function startMock({ answer, error }) {
    const mock = { requests: [], refusals: [], port: 0 };
    const server = http.createServer(async (request, response) => {
        const parts = [];
        for await (const part of request) parts.push(part);
        const raw = Buffer.concat(parts).toString('utf8');
        try {
            demand(request.method === 'GET' || request.headers['content-type']?.startsWith('application/json'),
                `content-type is ${request.headers['content-type']}`);
            const body = raw ? JSON.parse(raw) : {};
            mock.requests.push({ url: request.url, headers: request.headers, body });
            await answer(request, body, response);
        } catch (thrown) {
            if (!thrown.message.startsWith('scripted')) mock.refusals.push(thrown.stack);
            const { document, headers } = error(thrown.status ?? 500, thrown.message);
            sendJson(response, document, thrown.status ?? 500, headers);
        }
    });
    return serve(server, mock);
}

// Lets the server listen on a port of its own: `mock` gets `port`, and `stop()`, which waits for nobody.
export async function serve(server, mock) {
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    mock.port = server.address().port;
    mock.stop = () => {
        server.closeAllConnections();
        return new Promise((done) => server.close(done));
    };
    return mock;
}
