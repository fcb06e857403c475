// Realtime sessions: the clients of `openai` on the `ws` package and as a browser has them, and Python's, unmodified,
// through Loom to a mock that is written on `ws` too. The JavaScript ones insist on wss, so Loom listens with TLS.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { OpenAI } from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { OpenAI as OpenAI7 } from 'openai-7';
import { OpenAIRealtimeWS as OpenAIRealtimeWS7 } from 'openai-7/realtime/ws';
import WebSocket from 'ws';

import { startLoom } from './loom.mjs';
import { clientKey, providerKey } from './mock_http.mjs';
import { startRealtime, usage, words } from './mock_realtime.mjs';

let mock, loom, ca, directory;

/** A certificate for 127.0.0.1 that lasts for this run. */
function makeCertificate() {
    const [certificate, key] = [path.join(directory, 'loom.crt'), path.join(directory, 'loom.key')];
    execFileSync('venv/bin/python', ['make_certificate.py', certificate, key]);
    return { certificate, key };
}

before(async () => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loom-sdk-tls-'));
    mock = await startRealtime();
    const tls = makeCertificate();
    ca = fs.readFileSync(tls.certificate);
    loom = await startLoom([
        'provider.mock.type = openai',
        `provider.mock.base_url = http://127.0.0.1:${mock.port}/v1`,
        `provider.mock.api_key = ${providerKey}`,
        'provider.mock.models = gpt-realtime, gpt-busy',
        'model_mapping.voice.mock = gpt-realtime',
        'provider.demo.type = echo',
        'provider.demo.models = echo',
    ], tls);
});

after(async () => {
    await loom.stop();
    await mock.stop();
    fs.rmSync(directory, { recursive: true });
    assert.deepEqual(mock.refusals, []);
});

beforeEach(() => {
    mock.requests.length = mock.events.length = 0;
});

const until = (emitter, name) => new Promise((done, failed) => {
    emitter.once(name, done);
    emitter.once('error', failed);
});
const closed = (socket) => new Promise((done) => socket.addEventListener('close', (event) => done(event.code)));

async function talk(rt) {
    const deltas = [];
    rt.on('response.output_text.delta', (event) => deltas.push(event.delta));
    const created = await until(rt, 'session.created');
    assert.equal(created.session.model, 'gpt-realtime');
    rt.send({ type: 'session.update', session: { type: 'realtime', instructions: 'Grüße 世界' } });
    const updated = await until(rt, 'session.updated');
    assert.equal(updated.session.instructions, 'Grüße 世界');
    rt.send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] } });
    rt.send({ type: 'response.create' });
    const done = await until(rt, 'response.done');
    assert.deepEqual(done.response.usage, usage);
    assert.deepEqual(deltas, words);
    const code = closed(rt.socket);
    const seen = mock.nextClose();
    rt.close({ code: 4001, reason: 'enough' });
    assert.equal(await code, 4001);
    assert.deepEqual(await seen, { code: 4001, reason: 'enough' });
}

for (const [version, Client, Realtime] of [[5, OpenAI, OpenAIRealtimeWS], [7, OpenAI7, OpenAIRealtimeWS7]]) {
    const client = () => new Client({ apiKey: clientKey, baseURL: loom.secureURL });

    test(`openai ${version}: a session in words, and its model by another name`, { timeout: 20_000 }, async () => {
        for (const model of ['gpt-realtime', 'voice']) {
            await talk(new Realtime({ model, options: { ca } }, client()));
            assert.equal(mock.requests.at(-1).url, '/v1/realtime?model=gpt-realtime');
        }
    });

    test(`openai ${version}: megabytes of audio go both ways`, { timeout: 20_000 }, async () => {
        const rt = new Realtime({ model: 'gpt-realtime', options: { ca } }, client());
        await until(rt, 'session.created');
        const piece = Buffer.alloc(200_000, 'pcm16');
        for (let i = 0; i < 10; ++i) rt.send({ type: 'input_audio_buffer.append', audio: piece.toString('base64') });
        rt.send({ type: 'response.create' });
        const { delta } = await until(rt, 'response.output_audio.delta');
        assert.equal(Buffer.compare(Buffer.from(delta, 'base64'), Buffer.concat(Array(10).fill(piece))), 0);
        const code = closed(rt.socket);
        const seen = mock.nextClose();
        rt.close();
        assert.equal(await code, 1000);
        await seen;
    });

    test(`openai ${version}: refusals arrive as what they are`, { timeout: 20_000 }, async () => {
        for (const [model, status] of [['gpt-busy', 429], ['gpt-nobody', 404]]) {
            const rt = new Realtime({ model, options: { ca } }, client());
            const error = await new Promise((done) => rt.on('error', done));
            assert.match(error.message, new RegExp(String(status)));
        }
    });
}

test('the embedded model talks to the SDK', { timeout: 20_000 }, async () => {
    const rt = new OpenAIRealtimeWS7({ model: 'echo', options: { ca } }, new OpenAI7({ apiKey: clientKey, baseURL: loom.secureURL }));
    const deltas = [];
    rt.on('response.output_text.delta', (event) => deltas.push(event.delta));
    await until(rt, 'session.created');
    rt.send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Grüße 👋' }] } });
    rt.send({ type: 'response.create' });
    const { response } = await until(rt, 'response.done');
    assert.match(deltas.join(''), /Grüße 👋$/);
    assert.equal(response.output[0].content[0].text, deltas.join(''));
    assert.equal(response.usage.input_tokens, 2);
    const code = closed(rt.socket);
    rt.close();
    assert.equal(await code, 1000);
});

test('as a browser: the key among the subprotocols', { timeout: 20_000 }, async () => {
    const native = globalThis.WebSocket;
    globalThis.WebSocket = class extends WebSocket {
        constructor(url, protocols) {
            super(url, protocols, { ca });
        }
    };
    try {
        const { OpenAIRealtimeWebSocket } = await import('openai/realtime/websocket');
        const client = new OpenAI({ apiKey: clientKey, baseURL: loom.secureURL, dangerouslyAllowBrowser: true });
        const rt = new OpenAIRealtimeWebSocket({ model: 'gpt-realtime', dangerouslyAllowBrowser: true }, client);
        await talk(rt);
        assert.equal(rt.socket.protocol, 'realtime');
        assert.equal(mock.requests.at(-1).headers['sec-websocket-protocol'], 'realtime');
    } finally {
        globalThis.WebSocket = native;
    }
});

test('a server that dies is told apart from one that says goodbye', { timeout: 20_000 }, async () => {
    const socket = new WebSocket(`${loom.secureURL.replace('https', 'wss')}/realtime?model=gpt-realtime`, {
        ca, headers: { authorization: `Bearer ${clientKey}` },
    });
    await new Promise((done) => socket.once('message', done));
    const code = closed(socket);
    for (const one of mock.sockets) one.terminate();
    assert.equal(await code, 1014);
});

test('openai of Python', { timeout: 60_000 }, async () => {
    const env = { ...process.env, LOOM_ORIGIN: loom.origin, LOOM_KEY: clientKey };
    const child = spawn('venv/bin/python', ['-m', 'unittest', '-q', 'realtime_test'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let report = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => { report += bytes; });
    const code = await new Promise((done) => child.on('close', done));
    assert.equal(code, 0, report);
});
