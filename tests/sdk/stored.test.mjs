// Two clients with the official SDKs behind one key of the provider: what one stores is not there for the other, and
// the SDKs' own paging, streaming and errors hold.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';
import { ApiError, GoogleGenAI } from '@google/genai';
import OpenAI, { toFile } from 'openai-7';

import { startLoom } from './loom.mjs';
import { startGeminiStore } from './mock_gemini_store.mjs';
import { clientKey, providerKey } from './mock_http.mjs';
import { startStore } from './mock_store.mjs';

const otherKey = 'sk-another-client-of-the-sdk';
let store;
let google;
let loom;

before(async () => {
    [store, google] = [await startStore(), await startGeminiStore()];
    loom = await startLoom([
        'provider.mock.type = openai', `provider.mock.base_url = http://127.0.0.1:${store.port}/v1`,
        `provider.mock.api_key = ${providerKey}`, 'provider.mock.models = gpt-4o',
        'provider.claude.type = anthropic', `provider.claude.base_url = http://127.0.0.1:${store.port}`,
        `provider.claude.api_key = ${providerKey}`, 'provider.claude.models = claude-sonnet-4-5',
        'provider.gemini.type = gemini', `provider.gemini.base_url = http://127.0.0.1:${google.port}`,
        `provider.gemini.api_key = ${providerKey}`, 'provider.gemini.models = gemini-2.5-flash',
        'route.gemini.passthrough = files, cached_contents', 'route.upload.path = /upload/*',
        'route.upload.passthrough = files', 'route.ai.passthrough = files, batches, responses, cached_contents', `consumer.another.api_key = ${otherKey}`,
    ]);
});

after(async () => {
    await loom?.stop();
    await store?.stop();
    await google?.stop();
});

const openai = (apiKey) => new OpenAI({ baseURL: loom.baseURL, apiKey, maxRetries: 0, timeout: 10_000 });
const anthropic = (apiKey) => new Anthropic({ baseURL: loom.origin, apiKey, maxRetries: 0, timeout: 10_000 });
const upload = async (client) => client.files.create({ file: await toFile(Buffer.from('{}'), 'f.jsonl'), purpose: 'batch' });
const notFound = (error) => error.status === 404 && error instanceof OpenAI.NotFoundError;

test('files and batches are their makers', { timeout: 30_000 }, async () => {
    const [one, other] = [openai(clientKey), openai(otherKey)];
    const file = await upload(one);
    assert.equal((await one.files.retrieve(file.id)).id, file.id);
    assert.equal(await (await one.files.content(file.id)).text(), 'content');
    const asked = store.requests.length;
    await assert.rejects(other.files.retrieve(file.id), notFound);
    await assert.rejects(other.files.content(file.id), notFound);
    await assert.rejects(other.files.delete(file.id), notFound);
    const terms = { endpoint: '/v1/chat/completions', completion_window: '24h', input_file_id: file.id };
    await assert.rejects(other.batches.create(terms), notFound);
    assert.equal(store.requests.length, asked);
    const batch = await one.batches.create(terms);
    assert.equal(batch.input_file_id, file.id);
    await assert.rejects(other.batches.cancel(batch.id), notFound);
    assert.equal((await one.files.delete(file.id)).deleted, true);
    await assert.rejects(one.files.retrieve(file.id), notFound);
});

test('a list is read to its end, over pages that hold nothing of its reader', { timeout: 60_000 }, async () => {
    const [one, other] = [openai(clientKey), openai(otherKey)];
    const own = [];
    for (let i = 0; i < 61; ++i) {
        const file = await upload(i % 30 === 0 ? other : one);
        if (i % 30 === 0) own.unshift(file.id);
    }
    const read = [];
    for await (const file of other.files.list({ limit: 2 })) read.push(file.id);
    assert.deepEqual(read, own);
});

test('a stored response is gone on with by who made it, streamed or whole', { timeout: 30_000 }, async () => {
    const [one, other] = [openai(clientKey), openai(otherKey)];
    const stream = one.responses.stream({ model: 'gpt-4o', input: 'hi' });
    const first = await stream.finalResponse();
    const second = await one.responses.create({ model: 'gpt-4o', input: 'on', previous_response_id: first.id });
    assert.equal(second.previous_response_id, first.id);
    assert.equal((await one.responses.retrieve(first.id)).id, first.id);
    const reference = [{ type: 'item_reference', id: first.output[0].id }];
    await one.responses.create({ model: 'gpt-4o', input: reference });
    const asked = store.requests.length;
    await assert.rejects(other.responses.create({ model: 'gpt-4o', input: 'on', previous_response_id: first.id }), notFound);
    await assert.rejects(other.responses.create({ model: 'gpt-4o', input: reference }), notFound);
    await assert.rejects(other.responses.retrieve(second.id), notFound);
    await assert.rejects(other.responses.delete(second.id), notFound);
    assert.equal(store.requests.length, asked);
    await one.responses.delete(second.id);
    await assert.rejects(one.responses.retrieve(second.id), notFound);
});

test("Anthropic's message batches, with its own provider and its own errors", { timeout: 30_000 }, async () => {
    const [one, other] = [anthropic(clientKey), anthropic(otherKey)];
    const requests = [{ custom_id: 'a', params: { model: 'claude-sonnet-4-5', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] } }];
    const batch = await one.messages.batches.create({ requests });
    const read = async (client) => {
        const ids = [];
        for await (const each of client.messages.batches.list({ limit: 1 })) ids.push(each.id);
        return ids;
    };
    await other.messages.batches.create({ requests });
    assert.deepEqual(await read(one), [batch.id]);
    await assert.rejects(other.messages.batches.retrieve(batch.id),
        (error) => error instanceof Anthropic.NotFoundError && error.error.error.type === 'not_found_error');
    const results = [];
    for await (const each of await one.messages.batches.results(batch.id)) results.push(each.custom_id);  // by its results_url
    assert.deepEqual(results, ['a']);
    await one.messages.batches.delete(batch.id);
    assert.deepEqual(await read(one), []);
});

test('a batch cannot name what another has stored, and is told the line', { timeout: 30_000 }, async () => {
    const [one, other] = [openai(clientKey), openai(otherKey)];
    const { id } = await one.responses.create({ model: 'gpt-4o', input: 'hi' });
    const body = { model: 'gpt-4o', input: 'on', previous_response_id: id };
    const lines = [{}, body].map((each, at) => JSON.stringify({ custom_id: `${at}`, method: 'POST', url: '/v1/responses', body: each }));
    const file = () => toFile(Buffer.from(`${lines.join('\n')}\n`), 'f.jsonl');
    const asked = store.requests.length;
    await assert.rejects(other.files.create({ file: await file(), purpose: 'batch' }),
        (error) => notFound(error) && error.message.includes(`${id} (line 2 of`));
    assert.equal(store.requests.length, asked);
    assert.ok((await one.files.create({ file: await file(), purpose: 'batch' })).id);
});

test("Gemini's files and cached contents", { timeout: 60_000 }, async () => {
    const gemini = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: loom.origin, timeout: 20_000 } });
    const [one, other] = [gemini(clientKey), gemini(otherKey)];
    const bytes = new Blob(['x'.repeat(9 << 20)], { type: 'text/plain' });  // two pieces
    const file = await one.files.upload({ file: bytes, config: { displayName: 'f' } });
    assert.equal(file.sizeBytes, `${9 << 20}`);
    assert.equal((await one.files.get({ name: file.name })).uri, file.uri);
    const theirs = await other.files.upload({ file: new Blob(['y'], { type: 'text/plain' }) });
    const names = async (pages) => {
        const read = [];
        for await (const each of await pages) read.push(each.name);
        return read;
    };
    assert.deepEqual(await names(one.files.list({ config: { pageSize: 1 } })), [file.name]);
    assert.deepEqual(await names(other.files.list({ config: { pageSize: 1 } })), [theirs.name]);
    const contents = [{ role: 'user', parts: [{ fileData: { fileUri: file.uri, mimeType: 'text/plain' } }] }];
    const model = 'gemini-2.5-flash';
    const cache = await one.caches.create({ model, config: { contents, ttl: '60s' } });
    assert.equal((await one.models.generateContent({ model, contents, config: { cachedContent: cache.name } })).text, 'seen');
    await one.caches.update({ name: cache.name, config: { ttl: '90s' } });
    assert.deepEqual(await names(one.caches.list()), [cache.name]);
    const asked = google.requests.length;
    const missing = (error) => error instanceof ApiError && error.status === 404;
    await assert.rejects(other.files.get({ name: file.name }), missing);
    await assert.rejects(other.files.delete({ name: file.name }), missing);
    await assert.rejects(other.caches.get({ name: cache.name }), missing);
    await assert.rejects(other.caches.create({ model, config: { contents } }), missing);
    await assert.rejects(other.models.generateContent({ model, contents }), missing);
    await assert.rejects(other.models.generateContent({ model, contents: 'hi', config: { cachedContent: cache.name } }), missing);
    assert.deepEqual(await names(other.caches.list()), []);
    assert.equal(google.requests.length, asked);
    await one.caches.delete({ name: cache.name });
    await one.files.delete({ name: file.name });
    await assert.rejects(one.files.get({ name: file.name }), missing);
});

test('openai and google-genai of Python (stored_test.py)', { timeout: 60_000 }, async () => {
    const env = { ...process.env, LOOM_ORIGIN: loom.origin, LOOM_KEY: clientKey, LOOM_OTHER_KEY: otherKey };
    const child = spawn('venv/bin/python', ['-m', 'unittest', '-q', 'stored_test'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let report = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => { report += bytes; });
    const code = await new Promise((done) => child.on('close', done));
    assert.equal(code, 0, report);
});
