// OpenAI's Responses API, from platform.openai.com/docs/api-reference/responses: create and its stream.
import { citedPlace, decide, pieces, tokens } from './mind.mjs';
import { checkKey, Events, providerKey, sendJson, startMock } from './mock_http.mjs';
import {
    anything, demand, either, flag, integer, json, list,
    nonEmpty, nullable, number, Refusal, shape, tagged, text, word,
} from './strict.mjs';

const part = tagged('type', {
    input_text: shape({ type: text, text }),
    output_text: shape({ type: text, text, 'annotations?': list(anything), 'logprobs?': list(anything) }),
    input_image: shape({ type: text, 'detail?': word('auto', 'low', 'high'), 'image_url?': nullable(nonEmpty), 'file_id?': nullable(text) }),
});
const message = shape({
    'type?': word('message'), role: word('user', 'assistant', 'system', 'developer'), content: either(text, list(part)),
    'id?': nonEmpty, 'status?': text, 'phase?': anything,
});
const item = (value, at) => {
    if (value.type === undefined) return message(value, at);
    return tagged('type', {
        message,
        function_call: shape({ type: text, call_id: nonEmpty, name: nonEmpty, arguments: text, 'id?': nonEmpty, 'status?': text }),
        function_call_output: shape({ type: text, call_id: nonEmpty, output: either(text, list(part)), 'id?': nonEmpty, 'status?': text }),
        reasoning: shape({
            type: text, 'id?': nonEmpty, summary: list(anything), 'content?': anything, 'status?': text,
            'encrypted_content?': nullable((value, at) => demand(value === encrypted, `${at}: could not be verified`)),
        }),
    })(value, at);
};
const request = shape({
    model: nonEmpty, input: either(text, list(item, 1)), 'instructions?': nullable(text), 'stream?': nullable(flag), 'store?': nullable(flag),
    'tools?': list(shape({
        type: word('function'), name: nonEmpty, 'description?': nullable(text), parameters: nullable(json), 'strict?': nullable(flag),
    })),
    'tool_choice?': either(word('none', 'auto', 'required'), shape({ type: word('function'), name: nonEmpty })),
    'parallel_tool_calls?': nullable(flag), 'max_output_tokens?': nullable(integer(16)), 'temperature?': nullable(number(0, 2)),
    'top_p?': nullable(number(0, 1)), 'reasoning?': nullable(json), 'include?': nullable(list(text)), 'text?': json, 'user?': text,
    'metadata?': nullable(json), 'prompt_cache_key?': text, 'truncation?': nullable(text), 'service_tier?': nullable(text),
});

const countRequest = shape({
    model: nonEmpty, input: either(text, list(item, 1)), 'instructions?': nullable(text), 'tools?': list(json),
    'tool_choice?': either(text, json), 'parallel_tool_calls?': flag, 'text?': json, 'reasoning?': nullable(json), 'truncation?': text,
});

/** POST /v1/responses/input_tokens, which every server of OpenAI's has. */
export function answerCount(body, response) {
    countRequest(body, 'body');
    return sendJson(response, { object: 'response.input_tokens', input_tokens: 31 });
}

export const encrypted = 'gAAAAABo-encrypted_reasoning==';

function read(body) {
    if (typeof body.input === 'string') return { system: body.instructions ?? '', tools: toolNames(body), turns: [{ text: body.input, images: [] }] };
    const turns = [];
    let system = body.instructions ?? '';
    const turn = (role) => {
        if (turns.at(-1)?.role !== role) turns.push({ role, text: '', images: [], calls: [], results: [] });
        return turns.at(-1);
    };
    for (const one of body.input) {
        if (one.type === 'function_call') {
            turn('assistant').calls.push({ id: one.call_id, name: one.name, arguments: JSON.parse(one.arguments) });
        } else if (one.type === 'function_call_output') {
            turn('user').results.push({ id: one.call_id, text: typeof one.output === 'string' ? one.output : one.output.map((each) => each.text).join('') });
        } else if (one.type !== 'reasoning') {
            const parts = typeof one.content === 'string' ? [{ text: one.content }] : one.content;
            const words = parts.map((each) => each.text ?? '').join('');
            if (one.role === 'system' || one.role === 'developer') { system += words; continue; }
            turn(one.role).text += words;
            for (const each of parts.filter((each) => each.type === 'input_image')) {
                const data = /^data:([^;]+);base64,(.*)$/.exec(each.image_url);
                turn(one.role).images.push({ type: data?.[1], data: data?.[2] });
            }
        }
    }
    return { system, tools: toolNames(body), turns };
}

const toolNames = (body) => (body.tools ?? []).map((one) => one.name);

const usage = {
    input_tokens: tokens.uncached + tokens.cached, input_tokens_details: { cached_tokens: tokens.cached },
    output_tokens: tokens.output, output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: tokens.uncached + tokens.cached + tokens.output,
};

function annotationsOf({ cites }) {
    if (!cites) return [];
    const { start, end } = citedPlace('characters');
    return [{ type: 'url_citation', start_index: start, end_index: end, url: cites.url, title: cites.title }];
}

let callCount = 0;

function itemsOf(decision, body) {
    const items = [];
    const reasons = decision.thought || (decision.calls && body.reasoning);
    if (reasons) {
        const summary = [{ type: 'summary_text', text: (decision.thought ?? ['calling']).join('') }];
        const sealed = body.include?.includes('reasoning.encrypted_content') ? { encrypted_content: encrypted } : {};
        items.push({ id: 'rs_1', type: 'reasoning', summary, ...sealed });
    }
    if (decision.text) {
        const content = [{ type: 'output_text', text: decision.text.join(''), annotations: annotationsOf(decision), logprobs: [] }];
        items.push({ id: 'msg_1', type: 'message', status: 'completed', role: 'assistant', content });
    }
    for (const call of decision.calls ?? []) {
        const id = callCount++;
        items.push({ id: `fc_${id}`, type: 'function_call', status: 'completed', call_id: `call_r${id}`, name: call.name, arguments: JSON.stringify(call.arguments) });
    }
    return items;
}

const responseOf = (body, output, status) => ({
    id: 'resp_1', object: 'response', created_at: 1700000000, status, error: null, incomplete_details: null, model: body.model,
    instructions: body.instructions ?? null, output, parallel_tool_calls: true, temperature: 1, top_p: 1, tool_choice: 'auto',
    tools: body.tools ?? [], metadata: {}, usage: status === 'in_progress' ? null : usage,
});

function stream(response, body, decision, whole) {
    const events = new Events(response, decision.breaks);
    let sequence_number = 0;
    const put = (type, fields) => events.named({ type, sequence_number: sequence_number++, ...fields });
    const empty = { message: { content: [] }, function_call: { arguments: '' }, reasoning: { summary: [] } };
    put('response.created', { response: responseOf(body, [], 'in_progress') });
    put('response.in_progress', { response: responseOf(body, [], 'in_progress') });
    whole.output.forEach((one, output_index) => {
        const at = { item_id: one.id, output_index };
        put('response.output_item.added', { output_index, item: { ...one, ...empty[one.type], ...(one.status ? { status: 'in_progress' } : {}) } });
        if (one.type === 'message') {
            put('response.content_part.added', { ...at, content_index: 0, part: { type: 'output_text', text: '', annotations: [], logprobs: [] } });
            for (const delta of decision.text) put('response.output_text.delta', { ...at, content_index: 0, delta, logprobs: [] });
            annotationsOf(decision).forEach((annotation, annotation_index) => put(
                'response.output_text.annotation.added', { ...at, content_index: 0, annotation_index, annotation }));
            put('response.output_text.done', { ...at, content_index: 0, text: decision.text.join(''), logprobs: [] });
            put('response.content_part.done', { ...at, content_index: 0, part: one.content[0] });
        } else if (one.type === 'function_call') {
            for (const delta of pieces(one.arguments)) put('response.function_call_arguments.delta', { ...at, delta });
            put('response.function_call_arguments.done', { ...at, name: one.name, arguments: one.arguments });
        } else {
            put('response.reasoning_summary_part.added', { ...at, summary_index: 0, part: { type: 'summary_text', text: '' } });
            put('response.reasoning_summary_text.delta', { ...at, summary_index: 0, delta: one.summary[0].text });
            put('response.reasoning_summary_text.done', { ...at, summary_index: 0, text: one.summary[0].text });
            put('response.reasoning_summary_part.done', { ...at, summary_index: 0, part: one.summary[0] });
        }
        put('response.output_item.done', { output_index, item: one });
    });
    put(whole.status === 'incomplete' ? 'response.incomplete' : 'response.completed', { response: whole });
    events.end();
}

function answer(http, body, response) {
    checkKey(http, 'authorization', `Bearer ${providerKey}`);
    if (http.url === '/v1/responses/input_tokens') return answerCount(body, response);
    if (http.url !== '/v1/responses') throw new Refusal(404, `Invalid URL (POST ${http.url})`);
    request(body, 'body');
    const decision = decide(read(body));
    const whole = responseOf(body, itemsOf(decision, body), decision.finish ? 'incomplete' : 'completed');
    if (decision.finish) whole.incomplete_details = { reason: 'max_output_tokens' };
    return body.stream ? stream(response, body, decision, whole) : sendJson(response, whole);
}

export const startResponses = () => startMock({
    answer,
    error: (status, message) => ({
        document: { error: { message, type: status === 429 ? 'requests' : 'invalid_request_error', param: null, code: null } },
        headers: status === 429 ? { 'retry-after': '7' } : {},
    }),
});
