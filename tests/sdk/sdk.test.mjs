// The official openai package, unmodified: a base URL is all that changes. Each test runs with 5.x (undici) and 4.x
// (node-fetch over node's agent), two HTTP clients that pool and cancel in different ways.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import * as openai5 from 'openai';
import * as openai4 from 'openai-4';

import { openaiConf, startLoom } from './loom.mjs';
import { clientKey, providerKey } from './mock_http.mjs';
import { startUpstream, usage, words } from './upstream.mjs';

let upstream;
let loom;

before(async () => {
    upstream = await startUpstream();
    loom = await startLoom(openaiConf(upstream.port));
});

after(async () => {
    await loom?.stop();
    await upstream?.stop();
});

const messages = [{ role: 'user', content: 'Say hello' }];
const text = words.join('');

for (const [version, sdk] of [['5', openai5], ['4', openai4]]) {
    const client = (options = {}) =>
        new sdk.OpenAI({ baseURL: loom.baseURL, apiKey: clientKey, maxRetries: 0, timeout: 10_000, ...options });
    const openaiTest = (name, body) => test(`openai ${version}: ${name}`, { timeout: 30_000 }, body);

    openaiTest('a whole answer', async () => {
        const answer = await client().chat.completions.create({ model: 'gpt-4o', messages });
        assert.equal(answer.choices[0].message.content, text);
        assert.deepEqual(answer.usage, usage);
        const seen = upstream.requests.at(-1);
        assert.equal(seen.headers.authorization, `Bearer ${providerKey}`);
        assert.ok(!JSON.stringify(seen).includes(clientKey));
        assert.deepEqual(seen.body, { model: 'gpt-4o', messages });
    });

    openaiTest('a streamed answer, without the usage chunk that Loom asked for', async () => {
        const stream = await client().chat.completions.create({ model: 'gpt-4o', messages, stream: true });
        let content = '';
        for await (const part of stream) {
            assert.equal(part.choices.length, 1);
            content += part.choices[0].delta.content ?? '';
        }
        assert.equal(content, text);
        assert.equal(upstream.requests.at(-1).body.stream_options.include_usage, true);
    });

    openaiTest('a streamed answer with the usage that the client asked for', async () => {
        const stream = await client().chat.completions.create(
            { model: 'gpt-4o', messages, stream: true, stream_options: { include_usage: true } });
        let last;
        for await (const part of stream) last = part;
        assert.deepEqual(last.usage, usage);
    });

    openaiTest('tools with streamed arguments, two calls at once', async () => {
        const tools = ['get_weather', 'get_time'].map((name) => (
            { type: 'function', function: { name, parameters: { type: 'object', properties: {} } } }));
        const stream = await client().chat.completions.create({ model: 'gpt-4o', messages, tools, stream: true });
        const calls = [];
        let finish;
        for await (const part of stream) {
            finish = part.choices[0]?.finish_reason ?? finish;
            for (const call of part.choices[0]?.delta.tool_calls ?? []) {
                calls[call.index] ??= { id: call.id, name: call.function.name, arguments: '' };
                calls[call.index].arguments += call.function.arguments ?? '';
            }
        }
        assert.equal(finish, 'tool_calls');
        assert.deepEqual(calls, [
            { id: 'call_a', name: 'get_weather', arguments: '{"city":"Zürich"}' },
            { id: 'call_b', name: 'get_time', arguments: '{"zone":"CET"}' },
        ]);
    });

    openaiTest('an abort in the middle is seen by the upstream at once', async () => {
        const closed = new Promise((done) => { upstream.closed = done; });
        const stream = await client().chat.completions.create({ model: 'gpt-4o', messages, stream: true, user: 'forever' });
        let parts = 0;
        for await (const _ of stream) {
            if (++parts === 3) stream.controller.abort();
        }
        assert.ok(parts >= 3);
        await closed;
    });

    openaiTest('errors of the provider are the typed errors of the SDK', async () => {
        const ask = (user) => client().chat.completions.create({ model: 'gpt-4o', messages, user });
        await assert.rejects(ask('error401'), (error) => error instanceof sdk.AuthenticationError && error.status === 401);
        await assert.rejects(ask('error429'), (error) => {
            assert.ok(error instanceof sdk.RateLimitError);
            assert.equal(error.code, 'rate_limit_exceeded');
            const headers = error.headers;
            assert.equal(typeof headers.get === 'function' ? headers.get('retry-after') : headers['retry-after'], '7');
            return true;
        });
        await assert.rejects(ask('error500'), (error) => error instanceof sdk.InternalServerError);
    });

    openaiTest('errors of Loom are the typed errors of the SDK', async () => {
        const ask = (options, model) => client(options).chat.completions.create({ model, messages });
        await assert.rejects(ask({ apiKey: 'sk-wrong' }, 'gpt-4o'), (error) =>
            error instanceof sdk.AuthenticationError && error.code === 'invalid_api_key');
        await assert.rejects(ask({}, 'gpt-4oo'), (error) =>
            error instanceof sdk.NotFoundError && error.code === 'model_not_found' && error.message.includes('gpt-4o'));
        await assert.rejects(client().models.retrieve('none'), (error) => error instanceof sdk.NotFoundError);
    });

    openaiTest('a stream that breaks throws, and is never a short answer', async () => {
        const stream = await client().chat.completions.create({ model: 'gpt-4o', messages, stream: true, user: 'broken' });
        await assert.rejects(async () => {
            for await (const _ of stream) { /* reads on */ }
        });
    });

    openaiTest('embeddings and models', async () => {
        const answer = await client().embeddings.create({ model: 'text-embedding-3-small', input: 'x' });
        assert.deepEqual([...answer.data[0].embedding], [0.5, -0.25, 1]);
        const ids = [];
        for await (const model of client().models.list()) ids.push(model.id);
        for (const id of ['gpt-4o', 'text-embedding-3-small', 'echo']) assert.ok(ids.includes(id), `${id} in ${ids}`);
        assert.equal((await client().models.retrieve('gpt-4o')).id, 'gpt-4o');
    });

    openaiTest('twenty streams at once over one client', async () => {
        const one = client();
        const contents = await Promise.all(Array.from({ length: 20 }, async () => {
            let content = '';
            for await (const part of await one.chat.completions.create({ model: 'gpt-4o', messages, stream: true })) {
                content += part.choices[0]?.delta.content ?? '';
            }
            return content;
        }));
        assert.deepEqual(contents, Array(20).fill(text));
    });

    openaiTest('the embedded provider: whole, streamed, embedded', async () => {
        const whole = await client().chat.completions.create({ model: 'echo', messages });
        assert.ok(whole.choices[0].message.content.includes('Say hello'));
        let content = '';
        let parts = 0;
        const stream = await client().chat.completions.create({ model: 'echo', messages, stream: true });
        for await (const part of stream) {
            content += part.choices[0]?.delta.content ?? '';
            parts += 1;
        }
        assert.equal(content, whole.choices[0].message.content);
        assert.ok(parts > 2);
        const vectors = await client().embeddings.create({ model: 'echo', input: ['a', 'b'] });
        assert.equal(vectors.data.length, 2);
        assert.ok(vectors.data[0].embedding.length > 0);
    });

    openaiTest('the stream helper assembles the whole', async () => {
        const chat = version === '5' ? client().chat.completions : client().beta.chat.completions;
        const final = await chat.stream({ model: 'gpt-4o', messages }).finalChatCompletion();
        assert.equal(final.choices[0].message.content, text);
    });
}
