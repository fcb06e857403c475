// Starts the real loom (LOOM_BIN) on free ports with a conf of its own, and stops it.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { clientKey, providerKey } from './mock_http.mjs';

async function freePort() {
    const server = net.createServer();
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address();
    await new Promise((done) => server.close(done));
    return port;
}

function status(port, target) {
    return new Promise((done) => {
        const request = http.get({ host: '127.0.0.1', port, path: target, agent: false }, (response) => {
            response.resume();
            done(response.statusCode);
        });
        request.on('error', () => done(0));
    });
}

/** The providers of the suite that speaks OpenAI's protocol alone. */
export const openaiConf = (upstreamPort) => [
    'provider.mock.type = openai',
    `provider.mock.base_url = http://127.0.0.1:${upstreamPort}/v1`,
    `provider.mock.api_key = ${providerKey}`,
    'provider.mock.models = gpt-4o, text-embedding-3-small',
    'provider.demo.type = echo',
    'provider.demo.models = echo',
];

/** `tls`: files of a certificate and its key, for a second listener at `secureURL`. */
export async function startLoom(providerLines, tls) {
    const binary = process.env.LOOM_BIN;
    if (!binary || !fs.existsSync(binary)) throw new Error('LOOM_BIN does not name the loom binary (run by meson test)');
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loom-sdk-'));
    const [port, adminPort] = [await freePort(), await freePort()];
    const securePort = tls ? await freePort() : 0;
    const tlsLines = tls ? [
        `listener.https.address = 127.0.0.1:${securePort}`,
        'listener.https.protocol = https',
        `listener.https.tls.certificate = ${tls.certificate}`,
        `listener.https.tls.key = ${tls.key}`,
    ] : [];
    const file = path.join(directory, 'loom.conf');
    fs.writeFileSync(file, [
        `listener.http.address = 127.0.0.1:${port}`,
        `admin.listen = 127.0.0.1:${adminPort}`,
        'loop.shards = 1',
        'loop.pin = off',
        'route.ai.path = /v1/*',
        'route.ai.ai_gateway = on',
        'route.ai.auth.type = api_key',
        'route.gemini.path = /v1beta/*',
        'route.gemini.ai_gateway = on',
        'route.gemini.auth.type = api_key',
        `consumer.sdk.api_key = ${clientKey}`,
        ...providerLines,
        ...tlsLines,
        `log.access.path = ${directory}/access.log`,
        '',
    ].join('\n'));
    const log = fs.openSync(path.join(directory, 'loom.log'), 'a');
    const child = spawn(binary, ['-config', file], { stdio: ['ignore', log, log] });
    const ended = new Promise((done) => child.on('exit', (code, signal) => done({ code, signal })));
    const readLog = () => fs.readFileSync(path.join(directory, 'loom.log'), 'utf8');
    const deadline = Date.now() + 10_000;
    while ((await status(adminPort, '/readyz')) !== 200) {
        if (child.exitCode !== null || Date.now() > deadline) {
            child.kill('SIGKILL');
            throw new Error(`Loom did not start:\n${readLog()}`);
        }
        await sleep(10);
    }
    return {
        origin: `http://127.0.0.1:${port}`,
        baseURL: `http://127.0.0.1:${port}/v1`,
        secureURL: `https://127.0.0.1:${securePort}/v1`,
        async stop() {
            child.kill('SIGTERM');
            const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
            const { code, signal } = await ended;
            clearTimeout(timer);
            const text = readLog();
            fs.rmSync(directory, { recursive: true });
            if (code !== 0 || /broken promise:|Sanitizer|runtime error:/.test(text)) {
                throw new Error(`Loom ended with code ${code}, signal ${signal}:\n${text}`);
            }
        },
    };
}
