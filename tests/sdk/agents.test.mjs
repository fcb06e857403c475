// What coding agents send, in their shapes: Claude Code speaks Messages with betas, cache marks and counts, Codex
// speaks Responses with reasoning items and keeps nothing at the provider. Long loops of tools, on every family.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai-7';

import { schemas } from './clients.mjs';
import { startLoom } from './loom.mjs';
import { hello } from './mind.mjs';
import { clientKey } from './mock_http.mjs';
import { families, startProviders } from './providers.mjs';

const loopTurns = 12;

let providers;
let loom;

before(async () => {
    providers = await startProviders();
    loom = await startLoom(providers.conf);
});

after(async () => {
    await loom?.stop();
    await providers?.stop();
});

const cached = { cache_control: { type: 'ephemeral' } };
const agentTest = (name, body) => test(name, { timeout: 30_000 }, body);
const claude = (headers = {}) =>
    new Anthropic({
        baseURL: loom.origin, authToken: clientKey, apiKey: null, maxRetries: 0, timeout: 10_000, defaultHeaders: headers,
    });
const betas = 'claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14';
const dialect = { $schema: 'http://json-schema.org/draft-07/schema#', additionalProperties: false };
const claudeTools = Object.entries(schemas).map(([name, schema], index) => ({
    name, description: `Tells ${name}`, input_schema: { ...schema, ...dialect }, ...(index === 1 ? cached : {}),
}));

for (const family of ['anthropic', 'openai', 'chat', 'gemini', 'bedrock']) {
    const { model } = families[family];

    agentTest(`Claude Code → ${family}: a long loop of tools`, async () => {
        const client = claude({ 'anthropic-beta': betas, 'x-app': 'cli' });
        const messages = [{ role: 'user', content: [{ type: 'text', text: 'weather', ...cached }] }];
        const system = [{ type: 'text', text: 'You are an agent.' }, { type: 'text', text: 'cwd: /tmp', ...cached }];
        let answer;
        for (let left = loopTurns; left >= 0; --left) {
            answer = await client.messages.stream({
                model, max_tokens: 32000, system, tools: claudeTools, messages, metadata: { user_id: 'user_1_session_2' },
                thinking: { type: 'enabled', budget_tokens: 4096 },
            }).finalMessage();
            assert.equal(answer.stop_reason, 'tool_use', `${left} turns before the end`);
            assert.equal(answer.usage.output_tokens, 12);
            const [use] = answer.content.filter((one) => one.type === 'tool_use');
            assert.deepEqual(use.input, { city: 'Zürich' });
            messages.push({ role: 'assistant', content: answer.content });
            const told = [{ type: 'text', text: `step ${left}` }];
            messages.push({ role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: told, ...cached }] });
        }
        const final = await client.messages.create({ model, max_tokens: 32000, system, tools: claudeTools, messages });
        assert.match(final.content.at(-1).text, /=step 0$/);
        assert.deepEqual(providers.mocks[family].refusals, []);
    });

    agentTest(`Claude Code → ${family}: counts tokens`, async () => {
        const messages = [{ role: 'user', content: 'hi there' }];
        const count = await claude().messages.countTokens({ model, messages, tools: claudeTools });
        if (family === 'anthropic') assert.equal(count.input_tokens, 2095);
        assert.ok(count.input_tokens > 0);
        assert.deepEqual(providers.mocks[family].refusals, []);
    });
}

agentTest('Claude Code: versions, betas and cache marks reach Anthropic as they came, and no other provider', async () => {
    const body = { max_tokens: 64, messages: [{ role: 'user', content: [{ type: 'text', text: 'hi', ...cached }] }] };
    const client = claude({ 'anthropic-beta': betas });
    await client.messages.create({ model: families.anthropic.model, ...body });
    const seen = providers.mocks.anthropic.requests.at(-1);
    assert.equal(seen.headers['anthropic-beta'], betas);
    assert.match(seen.headers['anthropic-version'], /^20\d\d-\d\d-\d\d$/);
    assert.deepEqual(seen.body, { ...body, model: families.anthropic.model });
    for (const family of ['openai', 'gemini', 'bedrock']) {
        await client.messages.create({ model: families[family].model, ...body });
        const { headers } = providers.mocks[family].requests.at(-1);
        assert.equal(headers['anthropic-beta'], undefined, family);
        assert.equal(headers['anthropic-version'], undefined, family);
    }
});

agentTest('Claude Code: an overloaded provider is 529, and the type of its error', async () => {
    const messages = [{ role: 'user', content: 'error 529' }];
    const ask = claude().messages.create({ model: families.anthropic.model, max_tokens: 9, messages });
    await assert.rejects(ask, (error) => error.status === 529 && error.error.error.type === 'overloaded_error');
});

const codexTools = Object.entries(schemas).map(([name, parameters]) => (
    { type: 'function', name, description: `Tells ${name}`, strict: false, parameters: { ...parameters, additionalProperties: false } }));

for (const family of ['responses', 'chat', 'anthropic', 'gemini', 'bedrock']) {
    const { model } = families[family];

    agentTest(`Codex → ${family}: a long loop of tools, reasoning carried by the client`, async () => {
        const client = new OpenAI({ baseURL: loom.baseURL, apiKey: clientKey, maxRetries: 0, timeout: 10_000 });
        const terms = {
            model, instructions: 'You are Codex.', tools: codexTools, tool_choice: 'auto', parallel_tool_calls: false, store: false,
            include: ['reasoning.encrypted_content'], prompt_cache_key: 'session-1', stream: true,
            reasoning: { effort: 'medium', summary: 'auto' }, text: { verbosity: 'medium' },
        };
        const input = [
            { type: 'message', role: 'developer', content: [{ type: 'input_text', text: '<permissions>ask</permissions>' }] },
            { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'weather' }] },
        ];
        for (let left = loopTurns; left >= -1; --left) {
            const items = [];
            let completed;
            let number = -1;
            for await (const event of await client.responses.create({ ...terms, input })) {
                assert.equal(event.sequence_number, ++number, 'events are numbered without a gap');
                if (event.type === 'response.output_item.done') items.push(event.item);
                if (event.type === 'response.completed') completed = event.response;
            }
            assert.ok(completed, 'a stream ends with its response');
            assert.deepEqual(completed.output, items, 'what was streamed is what the response holds');
            assert.equal(completed.usage.output_tokens, 12);
            input.push(...items);
            const call = items.find((one) => one.type === 'function_call');
            if (left === -1) {
                assert.equal(call, undefined);
                assert.match(items.find((one) => one.type === 'message').content[0].text, /=step 0$/);
                break;
            }
            assert.deepEqual(JSON.parse(call.arguments), { city: 'Zürich' });
            input.push({ type: 'function_call_output', call_id: call.call_id, output: `step ${left}` });
        }
        assert.deepEqual(providers.mocks[family].refusals, []);
    });
}

agentTest('Codex: an answer kept elsewhere cannot be gone on with at a provider that keeps none', async () => {
    const client = new OpenAI({ baseURL: loom.baseURL, apiKey: clientKey, maxRetries: 0 });
    const ask = client.responses.create({ model: families.anthropic.model, input: 'hi', previous_response_id: 'resp_1' });
    await assert.rejects(ask, (error) => error.status === 501 && error.message.includes('previous_response_id'));
    assert.equal((await client.responses.create({ model: families.anthropic.model, input: 'hi' })).output_text, hello);
});
