// Amazon Bedrock's Converse and ConverseStream, from docs.aws.amazon.com/bedrock/latest/APIReference, with the frames of
// smithy.io/2.0/aws/amazon-eventstream.html.
import { decide, pieces, tokens } from './mind.mjs';
import { checkKey, providerKey, sendJson, startMock } from './mock_http.mjs';
import { base64, demand, flag, integer, json, list, nonEmpty, number, Refusal, shape, text, union, word } from './strict.mjs';

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; ++bit) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value >>> 0;
});

function crc32(bytes) {
    let value = 0xffffffff;
    for (const byte of bytes) value = table[(value ^ byte) & 0xff] ^ (value >>> 8);
    return (value ^ 0xffffffff) >>> 0;
}

/** Prelude (two lengths and their CRC), headers (each a name, the type 7, a string), the payload, the CRC of it all. */
export function frame(headers, payload) {
    const lines = Buffer.concat(Object.entries(headers).flatMap(([name, value]) => {
        const size = Buffer.alloc(2);
        size.writeUInt16BE(Buffer.byteLength(value));
        return [Buffer.from([Buffer.byteLength(name)]), Buffer.from(name), Buffer.from([7]), size, Buffer.from(value)];
    }));
    const body = Buffer.from(JSON.stringify(payload));
    const bytes = Buffer.alloc(12 + lines.length + body.length + 4);
    bytes.writeUInt32BE(bytes.length, 0);
    bytes.writeUInt32BE(lines.length, 4);
    bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8);
    lines.copy(bytes, 12);
    body.copy(bytes, 12 + lines.length);
    bytes.writeUInt32BE(crc32(bytes.subarray(0, bytes.length - 4)), bytes.length - 4);
    return bytes;
}

const cachePoint = shape({ type: word('default'), 'ttl?': text });
const image = shape({ format: word('png', 'jpeg', 'gif', 'webp'), source: union({ bytes: base64, s3Location: json }) });
const toolId = (value, at) => demand(/^[a-zA-Z0-9_-]{1,64}$/.test(value), `${at}: fails the pattern [a-zA-Z0-9_-]{1,64}`);
const block = union({
    text: nonEmpty, image, cachePoint, document: json,
    toolUse: shape({ toolUseId: toolId, name: nonEmpty, input: json }),
    toolResult: shape({
        toolUseId: toolId, 'status?': word('success', 'error'), content: list(union({ text: nonEmpty, json, image, document: json })),
    }),
    reasoningContent: union({ reasoningText: shape({ text, 'signature?': text }), redactedContent: base64 }),
});
const request = shape({
    messages: list(shape({ role: word('user', 'assistant'), content: list(block, 1) }), 1),
    'system?': list(union({ text: nonEmpty, cachePoint })),
    'inferenceConfig?': shape({
        'maxTokens?': integer(1), 'temperature?': number(0, 1), 'topP?': number(0, 1), 'stopSequences?': list(nonEmpty),
    }),
    'toolConfig?': shape({
        tools: list(union({
            cachePoint,
            toolSpec: shape({ name: nonEmpty, 'description?': nonEmpty, inputSchema: shape({ json }), 'strict?': flag }),
        }), 1),
        'toolChoice?': union({ auto: shape({}), any: shape({}), tool: shape({ name: nonEmpty }) }),
    }),
    'additionalModelRequestFields?': json, 'additionalModelResponseFieldPaths?': list(text), 'requestMetadata?': json,
    'performanceConfig?': json, 'serviceTier?': json, 'outputConfig?': json,
});

/** Roles alternate here, and nothing merges what does not. */
function read(body) {
    const turns = body.messages.map((one, index) => {
        demand(one.role === (index % 2 === 0 ? 'user' : 'assistant'), 'roles must alternate between "user" and "assistant"');
        const turn = { role: one.role, text: '', images: [], calls: [], results: [] };
        for (const part of one.content) {
            if (part.text) turn.text += part.text;
            if (part.image) turn.images.push({ type: `image/${part.image.format}`, data: part.image.source.bytes });
            if (part.reasoningContent?.reasoningText) demand(part.reasoningContent.reasoningText.signature === signature, 'bad signature');
            if (part.toolUse) turn.calls.push({ id: part.toolUse.toolUseId, name: part.toolUse.name, arguments: part.toolUse.input });
            if (part.toolResult) {
                const told = part.toolResult.content.map((each) => each.text ?? JSON.stringify(each.json)).join('');
                turn.results.push({ id: part.toolResult.toolUseId, text: told });
            }
        }
        return turn;
    });
    const uses = turns.some((turn) => turn.calls.length > 0 || turn.results.length > 0);
    demand(!uses || body.toolConfig, 'The toolConfig field must be defined when using toolUse and toolResult content blocks.');
    return {
        system: (body.system ?? []).map((one) => one.text ?? '').join(''), turns,
        tools: (body.toolConfig?.tools ?? []).flatMap((one) => (one.toolSpec ? [one.toolSpec.name] : [])),
    };
}

const usage = {
    inputTokens: tokens.uncached, outputTokens: tokens.output, cacheReadInputTokens: tokens.cached, cacheWriteInputTokens: 0,
    totalTokens: tokens.uncached + tokens.cached + tokens.output,
};

const signature = '+/++7yBzaWduYXR1cmUgb2YgYmVkcm9jaw==';

let callCount = 0;

function contentOf(decision) {
    const content = [];
    if (decision.thought) content.push({ reasoningContent: { reasoningText: { text: decision.thought.join(''), signature } } });
    if (decision.text) content.push({ text: decision.text.join('') });
    for (const call of decision.calls ?? [])
        content.push({ toolUse: { toolUseId: `tooluse_${callCount++}-b`, name: call.name, input: call.arguments } });
    return content;
}

function stream(response, content, decision, stopReason) {
    response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
    const put = (name, payload) => response.write(frame(
        { ':event-type': name, ':content-type': 'application/json', ':message-type': 'event' }, { ...payload, p: 'abcdefghijk' }));
    put('messageStart', { role: 'assistant' });
    content.forEach((one, contentBlockIndex) => {
        const delta = (value) => put('contentBlockDelta', { contentBlockIndex, delta: value });
        if (one.text) for (const piece of decision.text) delta({ text: piece });
        if (one.reasoningContent) {
            for (const piece of decision.thought) delta({ reasoningContent: { text: piece } });
            delta({ reasoningContent: { signature } });
        }
        if (one.toolUse) {
            put('contentBlockStart', { contentBlockIndex, start: { toolUse: { toolUseId: one.toolUse.toolUseId, name: one.toolUse.name } } });
            for (const piece of pieces(JSON.stringify(one.toolUse.input))) delta({ toolUse: { input: piece } });
        }
        put('contentBlockStop', { contentBlockIndex });
    });
    if (decision.breaks) {
        response.end(frame({ ':exception-type': 'modelStreamErrorException', ':content-type': 'application/json', ':message-type': 'exception' },
            { message: 'scripted break', originalStatusCode: 424 }));
        return;
    }
    put('messageStop', { stopReason });
    put('metadata', { usage, metrics: { latencyMs: 100 } });
    response.end();
}

const errorTypes = {
    400: 'ValidationException', 403: 'AccessDeniedException', 404: 'ResourceNotFoundException', 429: 'ThrottlingException',
    500: 'InternalServerException', 503: 'ServiceUnavailableException',
};

export const startBedrock = () => startMock({
    error: (status, message) => ({ document: { message }, headers: { 'x-amzn-errortype': errorTypes[status] ?? 'UnknownException' } }),
    answer(http, body, response) {
        checkKey(http, 'authorization', `Bearer ${providerKey}`);
        const path = /^\/model\/([^/]+)\/(converse|converse-stream)$/.exec(http.url);
        if (!path) throw new Refusal(404, `UnknownOperationException ${http.url}`);
        demand(decodeURIComponent(path[1]) === 'us.amazon.nova-pro-v1:0', `The provided model identifier is invalid: ${path[1]}`);
        request(body, 'body');
        const decision = decide(read(body));
        const content = contentOf(decision);
        const stopReason = decision.finish ? 'max_tokens' : decision.calls ? 'tool_use' : 'end_turn';
        if (path[2] === 'converse-stream') return stream(response, content, decision, stopReason);
        return sendJson(response, { output: { message: { role: 'assistant', content } }, stopReason, usage, metrics: { latencyMs: 100 } });
    },
});
