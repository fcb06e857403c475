// An upstream that nobody here wrote: @copilotkit/aimock plays every provider on one port.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { LLMock } from '@copilotkit/aimock';

import { clients } from './clients.mjs';
import { startLoom } from './loom.mjs';
import { families } from './providers.mjs';

const weather = { name: 'get_weather', arguments: '{"city":"Zürich"}' };
const time = { name: 'get_time', arguments: '{"zone":"CET"}' };
const usable = Object.entries(families).filter(([name]) => name !== 'responses');

let mock;
let loom;

before(async () => {
    mock = new LLMock({ port: 0, logLevel: 'silent' });
    mock.on({ userMessage: 'both', hasToolResult: false }, { toolCalls: [weather, time] });
    mock.on({ userMessage: 'both', hasToolResult: true }, { content: 'It is 21 °C at noon.' });
    mock.onMessage('hi', { content: 'Grüße from elsewhere 👋' });
    mock.onMessage('limited', { error: { message: 'slow down', type: 'rate_limit_error' }, status: 429 });
    await mock.start();
    const lines = usable.flatMap(([name, { model, type, base }]) => [
        `provider.${name}.type = ${type}`, `provider.${name}.base_url = ${mock.url}${base}`, `provider.${name}.api_key = any`,
        `provider.${name}.models = ${model}`]);
    loom = await startLoom(lines);
});

after(async () => {
    await loom?.stop();
    await mock?.stop();
});

for (const [name, Client] of Object.entries(clients)) {
    for (const [family, { model }] of usable) {
        for (const stream of [false, true]) {
            test(`${name} → aimock's ${family}, ${stream ? 'streamed' : 'whole'}`, { timeout: 20_000 }, async () => {
                const open = (terms = {}) => new Client({ origin: loom.origin, model, ...terms });
                const answer = await open().user('hi', { stream });
                assert.equal(answer.text, 'Grüße from elsewhere 👋');
                assert.equal(answer.finish, 'stop');

                const chat = open({ tools: true });
                const { calls, finish } = await chat.user('both', { stream });
                // aimock's own word, which reaches Gemini's own client as it came.
                assert.ok(['calls', 'FUNCTION_CALL'].includes(finish), finish);
                assert.deepEqual(calls.map((one) => [one.name, one.arguments]),
                    [['get_weather', { city: 'Zürich' }], ['get_time', { zone: 'CET' }]]);
                assert.equal((await chat.results(['21 °C', '12:00'], { stream })).text, 'It is 21 °C at noon.');

                await assert.rejects(open().user('limited', { stream }), (error) => Client.statusOf(error) === 429);
            });
        }
    }
}
