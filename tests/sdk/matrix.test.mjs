// Every SDK through Loom to every family of providers: the same scenarios, whatever the client speaks and whatever the
// provider does. The mocks refuse what the real ones refuse.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { clients } from './clients.mjs';
import { startLoom } from './loom.mjs';
import { callsOf, cited, hello, told, tokens } from './mind.mjs';
import { families, startProviders } from './providers.mjs';

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

const usage = { input: tokens.uncached + tokens.cached, cached: tokens.cached, output: tokens.output };
const plain = (calls) => calls.map(({ name, arguments: given }) => ({ name, arguments: given }));

/** Which families a client meets: Responses' own mock is for those that speak Responses. */
const targetsOf = (client) => Object.keys(families).filter((family) => client.includes('responses')
    ? family !== 'openai'
    : family !== 'responses');

for (const [name, Client] of Object.entries(clients)) {
    for (const family of targetsOf(name)) {
        const open = (terms = {}) => new Client({ origin: loom.origin, model: families[family].model, ...terms });
        const cell = (scenario, body) => test(`${name} → ${family}: ${scenario}`, { timeout: 20_000 }, async () => {
            const { refusals } = providers.mocks[family];
            const before = refusals.length;
            try {
                await body();
            } finally {
                assert.deepEqual(refusals.slice(before), [], 'what the provider refused');
            }
        });

        for (const stream of [false, true]) {
            const how = stream ? 'streamed' : 'whole';
            cell(`a plain answer, ${how}`, async () => {
                assert.deepEqual(await open().user('hi', { stream }), { text: hello, calls: [], finish: 'stop', usage });
            });

            cell(`a call, its result, the final answer, ${how}`, async () => {
                const chat = open({ tools: true, system: 'Be brief.' });
                const asked = await chat.user('weather', { stream });
                assert.deepEqual(plain(asked.calls), callsOf.weather);
                assert.equal(asked.finish, 'calls');
                const final = await chat.results(['21 °C'], { stream });
                assert.equal(final.text, told(callsOf.weather, ['21 °C']));
            });

            for (const which of ['both', 'twice']) {
                cell(`two calls at once (${which}), ${how}`, async () => {
                    const chat = open({ tools: true });
                    const asked = await chat.user(which, { stream });
                    assert.deepEqual(plain(asked.calls), callsOf[which]);
                    const final = await chat.results(['one "1"', 'two'], { stream });
                    assert.equal(final.text, told(callsOf[which], ['one "1"', 'two']));
                    // The conversation goes on: all of it goes there again.
                    assert.equal((await chat.user('hi', { stream })).text, hello);
                });
            }

            cell(`an image, ${how}`, async () => {
                assert.equal((await open().user('look', { image: true, stream })).text, 'image/png:intact');
            });

            cell(`the error's status and type, ${how}`, async () => {
                for (const status of [400, 403, 429, 500]) {
                    await assert.rejects(open().user(`error ${status}`, { stream }), (error) => {
                        assert.equal(Client.statusOf(error), status, error);
                        assert.ok(error.message.includes(`scripted ${status}`), error.message);
                        assert.equal(Client.limited(error), status === 429);
                        return true;
                    });
                }
            });
        }

        if (Client.tellsCitations && family !== 'bedrock') cell('what is cited, and for which words', async () => {
            for (const stream of [false, true]) {
                const chat = open();
                const answer = await chat.user('cite', { stream });
                assert.equal(answer.text, cited.text.join(''));
                // At Anthropic's clients a stream's text has left before another provider tells its places.
                const isLate = stream && name.includes('anthropic') && family !== 'anthropic';
                const text = isLate ? cited.text.join('') : cited.text[cited.at];
                assert.deepEqual(answer.cited, [{ url: cited.url, title: cited.title, text }]);
                assert.equal((await chat.user('hi', { stream })).text, hello, 'and what was cited goes back');
            }
        });

        cell('instructions', async () => {
            assert.equal((await open({ system: 'a tester' }).user('who')).text, 'I am a tester');
        });

        cell('an answer that was cut by its bound', async () => {
            assert.equal((await open().user('long')).finish, 'length');
            assert.equal((await open().user('long', { stream: true })).finish, 'length');
        });

        cell('thinking beside the answer', async () => {
            for (const stream of [false, true]) {
                const chat = open();
                assert.equal((await chat.user('think', { stream })).text, hello);
                assert.equal((await chat.user('hi', { stream })).text, hello, 'and what was thought goes back');
            }
        });

        cell('a stream that breaks throws, and is never a short answer', async () => {
            await assert.rejects(open().user('break', { stream: true }));
        });
    }

    test(`${name}: a model that nobody has`, { timeout: 20_000 }, async () => {
        const chat = new Client({ origin: loom.origin, model: 'gpt-4oo' });
        await assert.rejects(chat.user('hi'), (error) => Client.statusOf(error) === 404 && error.message.includes('gpt-4o'));
    });

    test(`${name}: a key that nobody has`, { timeout: 20_000 }, async () => {
        const chat = new Client({ origin: loom.origin, model: families.gemini.model, key: 'sk-of-nobody' });
        await assert.rejects(chat.user('hi'), (error) => Client.statusOf(error) === 401 && error.message.includes('key'));
    });
}
