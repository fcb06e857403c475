// All mock providers at once, and the lines of the conf that put Loom in front of them.
import { startAnthropic } from './mock_anthropic.mjs';
import { startBedrock } from './mock_bedrock.mjs';
import { startChat } from './mock_chat.mjs';
import { startGemini } from './mock_gemini.mjs';
import { providerKey } from './mock_http.mjs';
import { startResponses } from './mock_responses.mjs';

/** By family: the model that a client asks for, and what its provider is. */
export const families = {
    chat: { model: 'llama-3.3-70b', type: 'local', base: '/v1', start: startChat },
    openai: { model: 'gpt-4o', type: 'openai', base: '/v1', start: startChat },
    responses: { model: 'gpt-5-codex', type: 'openai', base: '/v1', start: startResponses },
    anthropic: { model: 'claude-sonnet-4-5', type: 'anthropic', base: '', start: startAnthropic },
    gemini: { model: 'gemini-3-pro-preview', type: 'gemini', base: '', start: startGemini },
    bedrock: { model: 'us.amazon.nova-pro-v1:0', type: 'bedrock', base: '', start: startBedrock },
};

export async function startProviders(names = Object.keys(families)) {
    const mocks = {};
    const conf = [];
    for (const name of names) {
        const { model, type, base, start } = families[name];
        mocks[name] = await start();
        conf.push(`provider.${name}.type = ${type}`, `provider.${name}.base_url = http://127.0.0.1:${mocks[name].port}${base}`,
            `provider.${name}.api_key = ${providerKey}`, `provider.${name}.models = ${model}`);
    }
    return { mocks, conf, stop: () => Promise.all(Object.values(mocks).map((mock) => mock.stop())) };
}
