// OpenAI's chat completions, from platform.openai.com/docs/api-reference/chat.
import { citedPlace, decide, pieces, tokens } from './mind.mjs';
import { checkKey, Events, providerKey, sendJson, startMock } from './mock_http.mjs';
import { answerCount } from './mock_responses.mjs';
import {
    anything, demand, either, flag, integer, json, list,
    nonEmpty, nullable, number, Refusal, shape, tagged, text, word,
} from './strict.mjs';

const textPart = shape({ type: word('text'), text });
const parts = list(tagged('type', {
    text: textPart,
    image_url: shape({ type: text, image_url: shape({ url: nonEmpty, 'detail?': word('auto', 'low', 'high') }) }),
}), 1);
const call = shape({ id: nonEmpty, type: word('function'), function: shape({ name: nonEmpty, arguments: text }) });
const instructions = shape({ role: text, content: either(text, list(textPart, 1)), 'name?': nonEmpty });
const message = tagged('role', {
    system: instructions,
    developer: instructions,
    user: shape({ role: text, content: either(text, parts), 'name?': nonEmpty }),
    assistant: shape({
        role: text, 'content?': nullable(either(text, list(textPart, 1))), 'name?': nonEmpty, 'refusal?': nullable(text),
        'tool_calls?': list(call, 1), 'annotations?': anything,  // its own message as it was, as the guides push it back
    }),
    tool: shape({ role: text, tool_call_id: nonEmpty, content: either(text, list(textPart, 1)) }),
});
const request = shape({
    model: nonEmpty, messages: list(message, 1), 'stream?': nullable(flag), 'stream_options?': nullable(shape({ 'include_usage?': flag })),
    'tools?': list(shape({
        type: word('function'),
        function: shape({ name: nonEmpty, 'description?': text, 'parameters?': json, 'strict?': nullable(flag) }),
    }), 1),
    'tool_choice?': either(word('none', 'auto', 'required'), shape({ type: word('function'), function: shape({ name: nonEmpty }) })),
    'parallel_tool_calls?': flag, 'max_tokens?': integer(1), 'max_completion_tokens?': integer(1),
    'temperature?': number(0, 2), 'top_p?': number(0, 1), 'n?': integer(1), 'stop?': nullable(either(text, list(text, 1))),
    'seed?': integer(0), 'user?': text, 'response_format?': anything, 'reasoning_effort?': text, 'logprobs?': flag,
    'top_logprobs?': integer(0, 20), 'presence_penalty?': number(-2, 2), 'frequency_penalty?': number(-2, 2),
    'metadata?': json, 'store?': nullable(flag), 'service_tier?': text, 'verbosity?': text, 'safety_identifier?': text, 'prompt_cache_key?': text,
});

const joined = (content) => (Array.isArray(content) ? content.map((one) => one.text ?? '').join('') : content ?? '');

function imagesOf(content) {
    if (!Array.isArray(content)) return [];
    return content.filter((one) => one.type === 'image_url').map((one) => {
        const data = /^data:([^;]+);base64,(.*)$/.exec(one.image_url.url);
        return data ? { type: data[1], data: data[2] } : { type: 'url', data: one.image_url.url };
    });
}

function read(body) {
    const turns = [];
    let system = '';
    for (const one of body.messages) {
        if (one.role === 'system' || one.role === 'developer') {
            system += joined(one.content);
        } else if (one.role === 'tool') {
            if (!turns.at(-1)?.results) turns.push({ role: 'tool', text: '', results: [] });
            turns.at(-1).results.push({ id: one.tool_call_id, text: joined(one.content) });
        } else {
            const calls = (one.tool_calls ?? []).map((each) => (
                { id: each.id, name: each.function.name, arguments: JSON.parse(each.function.arguments) }));
            demand(one.role === 'user' || calls.length > 0 || one.content, 'an assistant message needs content or tool_calls');
            turns.push({ role: one.role, text: joined(one.content), images: imagesOf(one.content), calls });
        }
    }
    demand(!body.stream_options || body.stream, "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
    demand(!body.tool_choice || body.tools, "'tool_choice' is only allowed when 'tools' are specified.");
    demand(body.parallel_tool_calls === undefined || body.tools, "'parallel_tool_calls' is only allowed when 'tools' are specified.");
    return { system, tools: (body.tools ?? []).map((one) => one.function.name), turns };
}

const usage = {
    prompt_tokens: tokens.uncached + tokens.cached, completion_tokens: tokens.output,
    total_tokens: tokens.uncached + tokens.cached + tokens.output,
    prompt_tokens_details: { cached_tokens: tokens.cached, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
};

function annotationsOf({ cites }) {
    const { start, end } = citedPlace('characters');
    return [{ type: 'url_citation', url_citation: { start_index: start, end_index: end, url: cites.url, title: cites.title } }];
}

let callCount = 0;
const withId = (one) => ({ id: `call_${callCount++}x`, ...one });

/** Arguments of parallel calls come interleaved: a reader that goes by place and not by index mixes them up. */
function streamCalls(chunk, calls) {
    const open = calls.map(withId);
    open.forEach((one, index) => chunk({
        tool_calls: [{ index, id: one.id, type: 'function', function: { name: one.name, arguments: '' } }],
    }));
    const cut = open.map((one) => pieces(JSON.stringify(one.arguments)));
    for (let at = 0; at < 4; ++at) {
        cut.forEach((each, index) => {
            if (each[at] !== undefined) chunk({ tool_calls: [{ index, function: { arguments: each[at] } }] });
        });
    }
}

function stream(response, body, decision) {
    const events = new Events(response, decision.breaks);
    const wanted = body.stream_options?.include_usage;
    const put = (fields) => events.data({
        id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1700000000, model: body.model, system_fingerprint: 'fp_1',
        ...(wanted ? { usage: null } : {}), ...fields,
    });
    const chunk = (delta, finish_reason = null) => put({ choices: [{ index: 0, delta, logprobs: null, finish_reason }] });
    chunk({ role: 'assistant', content: decision.calls ? null : '', refusal: null });
    for (const piece of decision.text ?? []) chunk({ content: piece });
    if (decision.cites) chunk({ annotations: annotationsOf(decision) });
    if (decision.calls) streamCalls(chunk, decision.calls);
    chunk({}, decision.finish ?? (decision.calls ? 'tool_calls' : 'stop'));
    if (wanted) put({ choices: [], usage });
    events.write('data: [DONE]\n\n');
    events.end();
}

function answer(http, body, response) {
    checkKey(http, 'authorization', `Bearer ${providerKey}`);
    if (http.url === '/v1/responses/input_tokens') return answerCount(body, response);
    if (http.url !== '/v1/chat/completions') throw new Refusal(404, `Invalid URL (POST ${http.url})`);
    request(body, 'body');
    const decision = decide(read(body));
    if (body.stream) return stream(response, body, decision);
    const tool_calls = decision.calls?.map(withId).map((one) => (
        { id: one.id, type: 'function', function: { name: one.name, arguments: JSON.stringify(one.arguments) } }));
    return sendJson(response, {
        id: 'chatcmpl-1', object: 'chat.completion', created: 1700000000, model: body.model, system_fingerprint: 'fp_1', usage,
        choices: [{
            index: 0, logprobs: null, finish_reason: decision.finish ?? (tool_calls ? 'tool_calls' : 'stop'),
            message: {
                role: 'assistant', content: decision.text?.join('') ?? null, refusal: null, ...(tool_calls ? { tool_calls } : {}),
                ...(decision.cites ? { annotations: annotationsOf(decision) } : {}),
            },
        }],
    });
}

const types = { 401: 'authentication_error', 403: 'permission_error', 429: 'requests', 500: 'server_error' };

export const startChat = () => startMock({
    answer,
    error: (status, message) => ({
        document: { error: { message, type: types[status] ?? 'invalid_request_error', param: null, code: status === 429 ? 'rate_limit_exceeded' : null } },
        headers: status === 429 ? { 'retry-after': '7' } : {},
    }),
});
