// Anthropic's Messages API, from docs.claude.com/en/api: messages, streaming, count_tokens, errors.
import { decide, pieces, tokens } from './mind.mjs';
import { checkKey, Events, providerKey, sendJson, startMock } from './mock_http.mjs';
import {
    anything, base64, demand, either, flag, integer, json, list,
    nonEmpty, nullable, number, Refusal, shape, tagged, text, word,
} from './strict.mjs';

const cache = { 'cache_control?': nullable(shape({ type: word('ephemeral'), 'ttl?': word('5m', '1h') })) };
const textBlock = shape({ type: word('text'), text: nonEmpty, ...cache, 'citations?': anything });
const image = shape({
    type: word('image'), ...cache,
    source: tagged('type', {
        base64: shape({ type: text, media_type: word('image/png', 'image/jpeg', 'image/gif', 'image/webp'), data: base64 }),
        url: shape({ type: text, url: nonEmpty }),
    }),
});
const toolId = (value, at) => demand(/^[a-zA-Z0-9_-]+$/.test(value), `${at}: String should match pattern '^[a-zA-Z0-9_-]+$'`);
const block = tagged('type', {
    text: textBlock,
    image,
    tool_use: shape({ type: text, id: toolId, name: nonEmpty, input: json, ...cache, 'caller?': anything }),
    tool_result: shape({
        type: text, tool_use_id: toolId, 'is_error?': flag, ...cache,
        'content?': either(text, list(tagged('type', { text: textBlock, image }))),
    }),
    thinking: shape({ type: text, thinking: text, signature: nonEmpty }),
    redacted_thinking: shape({ type: text, data: nonEmpty }),
});
const message = shape({ role: word('user', 'assistant'), content: either(nonEmpty, list(block, 1)) });
const tool = shape({
    name: (value, at) => demand(/^[a-zA-Z0-9_-]{1,128}$/.test(value), `${at}: bad name`),
    'description?': text, 'strict?': flag, 'type?': word('custom'), 'eager_input_streaming?': flag, ...cache,
    input_schema: (value, at) => { json(value, at); demand(value.type === 'object', `${at}.type: Field required`); },
});
const counted = {
    model: nonEmpty, messages: list(message, 1), 'system?': either(text, list(textBlock)), 'tools?': list(tool),
    'tool_choice?': tagged('type', {
        auto: shape({ type: text, 'disable_parallel_tool_use?': flag }),
        any: shape({ type: text, 'disable_parallel_tool_use?': flag }),
        tool: shape({ type: text, name: nonEmpty, 'disable_parallel_tool_use?': flag }),
        none: shape({ type: text }),
    }),
    'thinking?': tagged('type', {
        enabled: shape({ type: text, budget_tokens: integer(1024), 'display?': text }),
        adaptive: shape({ type: text, 'display?': text }),
        disabled: shape({ type: text }),
    }),
    'output_config?': shape({ 'effort?': text, 'format?': anything }),
};
const request = shape({
    ...counted, max_tokens: integer(1), 'stream?': flag, 'temperature?': number(0, 1), 'top_p?': number(0, 1),
    'top_k?': integer(0), 'stop_sequences?': list(nonEmpty), 'metadata?': shape({ 'user_id?': nullable(text) }),
    'service_tier?': word('auto', 'standard_only'), 'inference_geo?': text,
});

export const signature = '+/++7yBzaWduYXR1cmUgb2YgYW50aHJvcGlj';

const blocks = (content) => (typeof content === 'string' ? [{ type: 'text', text: content }] : content);
const joined = (content) => blocks(content).filter((one) => one.type === 'text').map((one) => one.text).join('');

/** Neighbours of one role are one turn, as the API merges them. */
function read(body) {
    const turns = [];
    let role;
    for (const one of body.messages) {
        if (one.role !== role) turns.push({ role: one.role, text: '', images: [], calls: [], results: [] });
        role = one.role;
        const turn = turns.at(-1);
        for (const part of blocks(one.content)) {
            if (part.type === 'text') turn.text += part.text;
            if (part.type === 'image') turn.images.push({ type: part.source.media_type, data: part.source.data });
            if (part.type === 'tool_use') turn.calls.push({ id: part.id, name: part.name, arguments: part.input });
            if (part.type === 'tool_result') {
                demand(turn.text === '', 'messages: tool_result blocks must come first');
                turn.results.push({ id: part.tool_use_id, text: joined(part.content ?? []) });
            }
            if (part.type === 'thinking') demand(part.signature === signature, 'Invalid `signature` in `thinking` block');
            if (part.type.endsWith('_use') || part.type === 'thinking') demand(one.role === 'assistant', `${part.type} of a user`);
        }
    }
    demand(turns[0].role === 'user', 'messages: first message must use the "user" role');
    if (body.thinking?.type === 'enabled') {
        demand(body.thinking.budget_tokens < body.max_tokens, '`max_tokens` must be greater than `thinking.budget_tokens`');
        demand(body.temperature === undefined || body.temperature === 1, '`temperature` may only be set to 1 with thinking');
    }
    return { system: joined(body.system ?? ''), tools: (body.tools ?? []).map((one) => one.name), turns };
}

const usage = {
    input_tokens: tokens.uncached, cache_creation_input_tokens: 0, cache_read_input_tokens: tokens.cached,
    output_tokens: tokens.output, service_tier: 'standard',
};

/** The versions of the API that there are; the second has no sampling parameters any more. */
function checkVersion(version, body) {
    demand(['2023-06-01', '2026-10-21'].includes(version), `anthropic-version: "${version}" is not a valid version`);
    for (const name of ['temperature', 'top_p', 'top_k']) {
        demand(version === '2023-06-01' || body[name] === undefined, `${name}: not supported in ${version}`);
    }
}

let callCount = 0;

function contentOf(decision) {
    const content = [];
    if (decision.thought) content.push({ type: 'thinking', thinking: decision.thought.join(''), signature });
    const { cites } = decision;
    const citation = cites && { type: 'web_search_result_location', url: cites.url, title: cites.title, encrypted_index: 'Eo8BCioIAhgBIiQ', cited_text: 'rain' };
    if (cites) decision.text.forEach((text, at) => content.push({ type: 'text', text, ...(at === cites.at ? { citations: [citation] } : {}) }));
    else if (decision.text) content.push({ type: 'text', text: decision.text.join('') });
    for (const call of decision.calls ?? [])
        content.push({ type: 'tool_use', id: `toolu_01A${callCount++}`, name: call.name, input: call.arguments });
    return content;
}

function stream(response, document, decision) {
    const events = new Events(response, decision.breaks);
    events.named({
        type: 'message_start',
        message: { ...document, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } },
    });
    events.named({ type: 'ping' });
    document.content.forEach((one, index) => {
        const delta = (value) => events.named({ type: 'content_block_delta', index, delta: value });
        const start = { thinking: { ...one, thinking: '', signature: '' }, text: { type: 'text', text: '' }, tool_use: { ...one, input: {} } };
        events.named({ type: 'content_block_start', index, content_block: start[one.type] });
        for (const citation of one.citations ?? []) delta({ type: 'citations_delta', citation });
        if (one.type === 'text') for (const piece of decision.cites ? [one.text] : decision.text) delta({ type: 'text_delta', text: piece });
        if (one.type === 'thinking') {
            for (const piece of decision.thought) delta({ type: 'thinking_delta', thinking: piece });
            delta({ type: 'signature_delta', signature });
        }
        if (one.type === 'tool_use') {
            for (const piece of ['', ...pieces(JSON.stringify(one.input))]) delta({ type: 'input_json_delta', partial_json: piece });
        }
        events.named({ type: 'content_block_stop', index });
    });
    events.named({
        type: 'message_delta', delta: { stop_reason: document.stop_reason, stop_sequence: null },
        usage: { output_tokens: tokens.output },
    });
    events.named({ type: 'message_stop' });
    events.end();
}

const types = {
    400: 'invalid_request_error', 401: 'authentication_error', 403: 'permission_error', 404: 'not_found_error',
    413: 'request_too_large', 429: 'rate_limit_error', 500: 'api_error', 529: 'overloaded_error',
};

export const startAnthropic = () => startMock({
    error: (status, words) => ({
        document: { type: 'error', error: { type: types[status] ?? 'api_error', message: words }, request_id: 'req_011C' },
        headers: { 'request-id': 'req_011C', ...(status === 429 ? { 'retry-after': '7' } : {}) },
    }),
    answer(http, body, response) {
        checkKey(http, 'x-api-key', providerKey);
        checkVersion(http.headers['anthropic-version'], {});
        const { pathname } = new URL(http.url, 'http://mock');
        if (pathname === '/v1/messages/count_tokens') {
            shape(counted)(body, 'body');
            read(body);
            return sendJson(response, { input_tokens: 2095 });
        }
        if (pathname !== '/v1/messages') throw new Refusal(404, `Not found: ${pathname}`);
        request(body, 'body');
        checkVersion(http.headers['anthropic-version'], body);
        const decision = decide(read(body));
        const content = contentOf(decision);
        const calls = decision.calls ? 'tool_use' : 'end_turn';
        const document = {
            id: 'msg_01X', type: 'message', role: 'assistant', model: body.model, content,
            stop_reason: decision.finish === 'length' ? 'max_tokens' : calls, stop_sequence: null, usage,
        };
        if (body.stream) return stream(response, document, decision);
        return sendJson(response, document, 200, { 'request-id': 'req_011C', 'anthropic-ratelimit-requests-remaining': '99' });
    },
});
