// Python's official SDKs: the same providers and the same Loom, driven by sdk_test.py in the virtual environment that
// `run` has made.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';

import { startLoom } from './loom.mjs';
import { clientKey } from './mock_http.mjs';
import { families, startProviders } from './providers.mjs';

test('openai, anthropic and google-genai of Python', { timeout: 120_000 }, async () => {
    const providers = await startProviders();
    try {
        const loom = await startLoom(providers.conf);
        const models = Object.fromEntries(Object.entries(families).map(([name, { model }]) => [name, model]));
        const env = { ...process.env, LOOM_ORIGIN: loom.origin, LOOM_KEY: clientKey, LOOM_MODELS: JSON.stringify(models) };
        const child = spawn('venv/bin/python', ['-m', 'unittest', '-q', 'sdk_test'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
        let report = '';
        for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => { report += bytes; });
        const code = await new Promise((done) => child.on('close', done));
        await loom.stop();
        assert.equal(code, 0, report);
        for (const [family, mock] of Object.entries(providers.mocks)) assert.deepEqual(mock.refusals, [], family);
    } finally {
        await providers.stop();
    }
});
