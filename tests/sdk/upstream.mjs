// An upstream of its own, written with node's http alone: what it receives is kept, what it answers a test decides.
import http from 'node:http';

export const words = ['Grüße', ' from', ' the', ' upstream', ' 👋', '.'];

const chunk = (delta, finish_reason = null) => ({
    id: 'chatcmpl-up', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o',
    choices: [{ index: 0, delta, finish_reason }],
});

export const usage = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 };

function errorBody(message, type, code) {
    return JSON.stringify({ error: { message, type, param: null, code } });
}

function event(value) {
    return `data: ${JSON.stringify(value)}\n\n`;
}

function answerWhole(response, body) {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({
        id: 'chatcmpl-up', object: 'chat.completion', created: 1, model: body.model,
        choices: [{ index: 0, message: { role: 'assistant', content: words.join('') }, finish_reason: 'stop' }],
        usage,
    }));
}

function answerTools(response) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const call = (fields) => response.write(event(chunk({ tool_calls: [fields] })));
    response.write(event(chunk({ role: 'assistant', content: null })));
    call({ index: 0, id: 'call_a', type: 'function', function: { name: 'get_weather', arguments: '' } });
    for (const piece of ['{"ci', 'ty":"Zü', 'rich"', '}']) call({ index: 0, function: { arguments: piece } });
    call({ index: 1, id: 'call_b', type: 'function', function: { name: 'get_time', arguments: '' } });
    for (const piece of ['{"zone":', '"CET"}']) call({ index: 1, function: { arguments: piece } });
    response.write(event(chunk({}, 'tool_calls')));
    response.end('data: [DONE]\n\n');
}

function answerStream(response, body) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(event(chunk({ role: 'assistant', content: '' })));
    for (const word of words) response.write(event(chunk({ content: word })));
    response.write(event(chunk({}, 'stop')));
    if (body.stream_options?.include_usage) response.write(event({ ...chunk({}), choices: [], usage }));
    response.end('data: [DONE]\n\n');
}

/** Streams a word every few milliseconds until its reader goes; `closed` tells. */
function answerForever(response, upstream) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(() => response.write(event(chunk({ content: 'on ' }))), 5);
    response.on('close', () => {
        clearInterval(timer);
        upstream.closed();
    });
}

const answers = {
    error401: (response) => {
        response.writeHead(401, { 'content-type': 'application/json' });
        response.end(errorBody('Incorrect API key provided', 'invalid_request_error', 'invalid_api_key'));
    },
    error429: (response) => {
        response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '7' });
        response.end(errorBody('Rate limit reached', 'requests', 'rate_limit_exceeded'));
    },
    error500: (response) => {
        response.writeHead(500, { 'content-type': 'application/json' });
        response.end(errorBody('The server had an error', 'server_error', null));
    },
    broken: (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(event(chunk({ content: 'half' })), () => setImmediate(() => response.socket.destroy()));
    },
};

export async function startUpstream() {
    const upstream = { requests: [], closed: () => {}, port: 0 };
    const server = http.createServer(async (request, response) => {
        const pieces = [];
        for await (const piece of request) pieces.push(piece);
        const text = Buffer.concat(pieces).toString('utf8');
        const body = text ? JSON.parse(text) : {};
        upstream.requests.push({ url: request.url, headers: request.headers, body });
        if (request.url === '/v1/embeddings') {
            response.setHeader('content-type', 'application/json');
            const vector = Buffer.from(new Float32Array([0.5, -0.25, 1]).buffer).toString('base64');
            const embedding = body.encoding_format === 'base64' ? vector : [0.5, -0.25, 1];
            return response.end(JSON.stringify({
                object: 'list', model: body.model, usage: { prompt_tokens: 2, total_tokens: 2 },
                data: [{ object: 'embedding', index: 0, embedding }],
            }));
        }
        const scripted = answers[body.user];
        if (scripted) return scripted(response);
        if (body.user === 'forever') return answerForever(response, upstream);
        if (body.tools) return answerTools(response);
        return body.stream ? answerStream(response, body) : answerWhole(response, body);
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    upstream.port = server.address().port;
    upstream.stop = () => {
        server.closeAllConnections();
        return new Promise((done) => server.close(done));
    };
    return upstream;
}
