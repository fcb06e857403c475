// A provider that stores, of OpenAI's API (files, batches, responses) and Anthropic's (message batches): it gives ids in
// one row, lists newest first by pages, and knows nobody's tenant.
import http from 'node:http';

import { sendJson, serve } from './mock_http.mjs';

const page = (all, query, [after, first, last]) => {
    const from = query.get(after) ? all.findIndex(({ id }) => id === query.get(after)) + 1 : 0;
    const limit = Number(query.get('limit') ?? 20);
    const data = all.slice(from, from + limit);
    return {
        object: 'list', data, [first]: data[0]?.id ?? null, [last]: data.at(-1)?.id ?? null, has_more: from + limit < all.length,
    };
};

export async function startStore() {
    const mock = { requests: [], made: { files: [], batches: [], responses: [], messages: [] } };
    let count = 0;
    const make = (kind, value) => {
        const one = { ...value, id: `${value.object ?? value.type}_${++count}` };
        if (kind === 'messages') one.results_url = `https://api.anthropic.com/v1/messages/batches/${one.id}/results`;
        mock.made[kind].unshift(one);
        return one;
    };
    const respond = (body, response) => {
        const made = make('responses', { object: 'response', model: body.model, status: 'completed', previous_response_id: body.previous_response_id ?? null });
        const output = [{ type: 'message', id: `msg_${made.id}`, role: 'assistant', status: 'completed',
            content: [{ type: 'output_text', text: 'stored', annotations: [] }] }];
        Object.assign(made, { output, usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 } });
        if (!body.stream) return sendJson(response, made);
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        let number = 0;
        const event = (type, value) => response.write(`event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number++, ...value })}\n\n`);
        event('response.created', { response: { ...made, status: 'in_progress', output: [] } });
        const place = { item_id: output[0].id, output_index: 0, content_index: 0 };
        event('response.output_item.added', { output_index: 0, item: { ...output[0], status: 'in_progress', content: [] } });
        event('response.content_part.added', { ...place, part: { ...output[0].content[0], text: '' } });
        event('response.output_text.delta', { ...place, delta: 'stored', logprobs: [] });
        event('response.completed', { response: made });
        return response.end();
    };
    const server = http.createServer(async (request, response) => {
        const parts = [];
        try {
            for await (const part of request) parts.push(part);
        } catch {
            return;  // given up before its end: a batch's file that names what is not its client's
        }
        const { pathname, searchParams } = new URL(request.url, 'http://mock');
        const [, , ...names] = pathname.split('/');
        mock.requests.push({ method: request.method, path: pathname });
        const body = request.headers['content-type']?.startsWith('application/json') ? JSON.parse(Buffer.concat(parts)) : {};
        const anthropic = names[0] === 'messages';
        const [kind, id, what] = anthropic ? ['messages', ...names.slice(2)] : names;
        const all = mock.made[kind];
        const edges = anthropic ? ['after_id', 'first_id', 'last_id'] : ['after', 'first_id', 'last_id'];
        if (request.method === 'GET' && !id) return sendJson(response, page(all, searchParams, edges));
        if (request.method === 'POST' && !id) {
            if (kind === 'responses') return respond(body, response);
            if (kind === 'files') return sendJson(response, make(kind, { object: 'file', purpose: 'batch', filename: 'f', bytes: 1, created_at: 1 }));
            if (anthropic) return sendJson(response, make(kind, { type: 'message_batch', processing_status: 'in_progress' }));
            return sendJson(response, make(kind, { object: 'batch', input_file_id: body.input_file_id, status: 'validating' }));
        }
        const one = all.find((each) => each.id === id);
        if (!one) return sendJson(response, { error: { message: 'none such', type: 'invalid_request_error' } }, 404);
        if (request.method === 'DELETE') {
            all.splice(all.indexOf(one), 1);
            return sendJson(response, { id, object: one.object, deleted: true });
        }
        if (what === 'results') return response.end(`${JSON.stringify({ custom_id: 'a', result: { type: 'canceled' } })}\n`);
        if (what === 'content') return response.writeHead(200, { 'content-type': 'application/octet-stream' }).end('content');
        return sendJson(response, one);
    });
    return serve(server, mock);
}
