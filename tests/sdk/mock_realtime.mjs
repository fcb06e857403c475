// OpenAI's realtime sessions, on the `ws` package: strict about what a client may send, and it would compress if anybody
// offered to.
import { EventEmitter } from 'node:events';
import http from 'node:http';

import { WebSocketServer } from 'ws';

import { clientKey, providerKey } from './mock_http.mjs';

export const words = ['Grüße', ' from', ' the', ' session', ' 👋', '.'];
export const usage = {
    total_tokens: 275, input_tokens: 127, output_tokens: 148,
    input_token_details: { text_tokens: 119, audio_tokens: 8, cached_tokens: 64 },
    output_token_details: { text_tokens: 36, audio_tokens: 112 },
};

class Session {
    constructor(socket, model, mock) {
        this.socket = socket;
        this.mock = mock;
        this.count = 0;
        this.audio = [];
        this.session = { type: 'realtime', object: 'realtime.session', id: 'sess_1', model, output_modalities: ['text'] };
        socket.on('message', (bytes, binary) => this.take(bytes, binary));
        socket.on('close', (code, reason) => mock.closed.emit('close', { code, reason: reason.toString() }));
        socket.on('error', (error) => mock.refusals.push(error.message));
        this.say('session.created', { session: this.session });
    }

    say(type, fields) {
        this.count += 1;
        this.socket.send(JSON.stringify({ type, event_id: `event_${this.count}`, ...fields }));
    }

    take(bytes, binary) {
        if (binary) return this.mock.refusals.push('a binary message');
        const event = JSON.parse(bytes.toString('utf8'));
        this.mock.events.push(event);
        switch (event.type) {
            case 'session.update':
                Object.assign(this.session, event.session);
                return this.say('session.updated', { session: this.session });
            case 'conversation.item.create':
                this.item = event.item;
                return this.say('conversation.item.added', { previous_item_id: null, item: { id: 'item_1', ...event.item } });
            case 'input_audio_buffer.append':
                return this.audio.push(Buffer.from(event.audio, 'base64'));
            case 'input_audio_buffer.commit':
                return this.say('input_audio_buffer.committed', { previous_item_id: null, item_id: 'item_2' });
            case 'response.create':
                return this.respond();
            default:
                return this.say('error', { error: { type: 'invalid_request_error', code: 'unknown_event', message: `no ${event.type}`, param: null, event_id: null } });
        }
    }

    /** Text words, or the audio that was heard, in one large delta. */
    respond() {
        const at = { response_id: 'resp_1', item_id: 'item_9', output_index: 0, content_index: 0 };
        const response = { object: 'realtime.response', id: 'resp_1', output: [], usage: null };
        this.say('response.created', { response: { ...response, status: 'in_progress' } });
        if (this.audio.length > 0) {
            this.say('response.output_audio.delta', { ...at, delta: Buffer.concat(this.audio).toString('base64') });
            this.say('response.output_audio.done', at);
        } else {
            for (const word of words) this.say('response.output_text.delta', { ...at, delta: word });
            this.say('response.output_text.done', { ...at, text: words.join('') });
        }
        this.say('response.done', { response: { ...response, status: 'completed', usage } });
    }
}

export async function startRealtime() {
    const mock = { port: 0, requests: [], events: [], refusals: [], sockets: new Set(), closed: new EventEmitter() };
    mock.nextClose = () => new Promise((done) => mock.closed.once('close', done));
    const server = http.createServer((request, response) => response.writeHead(404).end());
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: true, handleProtocols: () => false });
    server.on('upgrade', (request, socket, head) => {
        mock.requests.push({ url: request.url, headers: request.headers });
        const url = new URL(request.url, 'http://mock');
        const model = url.searchParams.get('model');
        const refuse = (status, message) => {
            const body = JSON.stringify({ error: { message, type: 'invalid_request_error', code: null, param: null } });
            socket.end(`HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        };
        if (JSON.stringify([request.rawHeaders, request.url]).includes(clientKey)) mock.refusals.push("a client's key");
        if (request.headers.authorization !== `Bearer ${providerKey}`) mock.refusals.push('not the key of the provider');
        if (request.headers['sec-websocket-extensions']) mock.refusals.push('an extension was offered');
        if (url.pathname !== '/v1/realtime') return refuse('404 Not Found', 'no such path');
        if (model === 'gpt-busy') return refuse('429 Too Many Requests', 'slow down');
        return sockets.handleUpgrade(request, socket, head, (accepted) => {
            mock.sockets.add(accepted);
            new Session(accepted, model, mock);
        });
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    mock.port = server.address().port;
    mock.stop = () => {
        for (const socket of mock.sockets) socket.terminate();
        return new Promise((done) => server.close(done));
    };
    return mock;
}
