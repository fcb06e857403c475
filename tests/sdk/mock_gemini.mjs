// Google's Gemini API, from ai.google.dev/api: generateContent, streamGenerateContent, countTokens, errors.
import { citedPlace, decide, tokens } from './mind.mjs';
import { checkKey, Events, providerKey, sendJson, startMock } from './mock_http.mjs';
import {
    anything, base64, demand, flag, integer, json, list,
    nonEmpty, number, Refusal, shape, text, union, word,
} from './strict.mjs';

export const thoughtSignature = '+/++dGhvdWdodCBzaWduYXR1cmUgb2YgZ2VtaW5p';

/** protobuf's JSON takes base64url too, which is how the documented stand-in for a lost signature is spelt. */
const eitherBase64 = (value, at) => base64(standard(value), at);
const standIn = 'skip_thought_signature_validator';

const part = union({
    text,
    inlineData: shape({ mimeType: nonEmpty, data: eitherBase64 }),
    fileData: shape({ 'mimeType?': nonEmpty, fileUri: nonEmpty }),
    functionCall: shape({ name: nonEmpty, 'args?': json, 'id?': nonEmpty }),
    functionResponse: shape({ name: nonEmpty, response: json, 'id?': nonEmpty, 'parts?': anything }),
}, { 'thought?': flag, 'thoughtSignature?': eitherBase64 });
const content = shape({ 'role?': word('user', 'model'), parts: list(part, 1) });

/** The subset of OpenAPI 3.0 that `parameters` takes; JSON Schema goes into `parametersJsonSchema`. */
const schemaFields = ['type', 'format', 'title', 'description', 'nullable', 'enum', 'maxItems', 'minItems', 'properties',
    'required', 'minProperties', 'maxProperties', 'minLength', 'maxLength', 'pattern', 'example', 'anyOf',
    'propertyOrdering', 'default', 'items', 'minimum', 'maximum'];
function schema(value, at) {
    json(value, at);
    for (const name of Object.keys(value)) demand(schemaFields.includes(name), `Unknown name "${name}" at '${at}': Cannot find field.`);
    for (const [name, one] of Object.entries(value.properties ?? {})) schema(one, `${at}.properties.${name}`);
    if (value.items) schema(value.items, `${at}.items`);
    for (const one of value.anyOf ?? []) schema(one, `${at}.any_of`);
}

const config = shape({
    'stopSequences?': list(nonEmpty), 'responseMimeType?': word('text/plain', 'application/json'), 'responseSchema?': schema,
    'responseJsonSchema?': anything, 'candidateCount?': integer(1, 8), 'maxOutputTokens?': integer(1),
    'temperature?': number(0, 2), 'topP?': number(0, 1), 'topK?': integer(1), 'seed?': integer(-(2 ** 31)),
    'presencePenalty?': number(-2, 2), 'frequencyPenalty?': number(-2, 2), 'responseLogprobs?': flag,
    'logprobs?': integer(0, 20), 'responseModalities?': anything, 'mediaResolution?': text,
    'thinkingConfig?': shape({ 'includeThoughts?': flag, 'thinkingBudget?': integer(-1), 'thinkingLevel?': text }),
});
const request = shape({
    contents: list(content, 1), 'systemInstruction?': content, 'safetySettings?': anything, 'cachedContent?': nonEmpty,
    'generationConfig?': config, 'labels?': anything, 'serviceTier?': word('standard', 'flex', 'priority'),
    'tools?': list(shape({
        functionDeclarations: list(shape({
            name: nonEmpty, 'description?': text, 'parameters?': schema, 'parametersJsonSchema?': json,
            'response?': anything, 'behavior?': text,
        }), 1),
    })),
    'toolConfig?': shape({
        functionCallingConfig: shape({ 'mode?': word('AUTO', 'ANY', 'NONE', 'VALIDATED'), 'allowedFunctionNames?': list(nonEmpty) }),
    }),
});

/** protobuf's JSON names a field in either spelling; inside of args, responses and schemas the names are the user's. */
const opaque = ['args', 'response', 'parameters', 'parametersJsonSchema', 'responseSchema', 'responseJsonSchema'];
function camel(value) {
    if (Array.isArray(value)) return value.map(camel);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => {
        const spelt = name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
        return [spelt, opaque.includes(spelt) ? one : camel(one)];
    }));
}

const standard = (data) => data.replaceAll('-', '+').replaceAll('_', '/');

/** Calls have no ids here: results answer by name and place. */
function read(body, model) {
    const turns = body.contents.map((one) => {
        const turn = { role: one.role, text: '', images: [], calls: [], results: [] };
        for (const each of one.parts) {
            if (each.text !== undefined && !each.thought) turn.text += each.text;
            if (each.inlineData) turn.images.push({ type: each.inlineData.mimeType, data: standard(each.inlineData.data) });
            if (each.functionCall) {
                const { name, args } = each.functionCall;
                turn.calls.push({ id: turn.calls.length, name, arguments: args ?? {} });
            }
            if (each.functionResponse) {
                const { name, response } = each.functionResponse;
                turn.results.push({ id: turn.results.length, name, text: resultText(response) });
            }
        }
        const first = one.parts.find((each) => each.functionCall);
        if (first && model.startsWith('gemini-3')) {
            demand([thoughtSignature, standard(standIn)].includes(standard(first.thoughtSignature ?? '')),
                `Function call is missing a thought_signature in functionCall parts: ${JSON.stringify(first)}`);
        }
        return turn;
    });
    turns.forEach((turn, index) => turn.results.forEach((result, at) => demand(
        turns[index - 1]?.calls[at]?.name === result.name, `functionResponse ${at} is of ${result.name}`)));
    demand(turns[0].role !== 'model', 'Please ensure that the first turn is of the user');
    const tools = (body.tools ?? []).flatMap((tool) => tool.functionDeclarations.map((one) => one.name));
    return { system: (body.systemInstruction?.parts ?? []).map((each) => each.text).join(''), tools, turns };
}

/** The documentation names `output` and `error`; others put their own fields. */
function resultText(response) {
    const value = response.output ?? response.result ?? response;
    return typeof value === 'string' ? value : JSON.stringify(value);
}

const usageMetadata = {
    promptTokenCount: tokens.uncached + tokens.cached, cachedContentTokenCount: tokens.cached,
    candidatesTokenCount: tokens.output, totalTokenCount: tokens.uncached + tokens.cached + tokens.output,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: tokens.uncached + tokens.cached }],
};

function groundingOf({ cites }) {
    if (!cites) return {};
    const { start, end } = citedPlace('bytes');
    const segment = { startIndex: start, endIndex: end, text: cites.text[cites.at] };
    return {
        groundingMetadata: {
            groundingChunks: [{ web: { uri: cites.url, title: cites.title } }], groundingSupports: [{ segment, groundingChunkIndices: [0] }],
        },
    };
}

const documentOf = (model, parts, finishReason, grounding = {}) => ({
    candidates: [{ content: { parts, role: 'model' }, ...(finishReason ? { finishReason } : {}), index: 0, ...grounding }],
    usageMetadata: finishReason ? usageMetadata : { promptTokenCount: 13, totalTokenCount: 13 }, modelVersion: model,
    responseId: 'resp-gemini-1',
});

function partsOf(decision) {
    const calls = (decision.calls ?? []).map((call, index) => ({
        functionCall: { name: call.name, args: call.arguments }, ...(index === 0 ? { thoughtSignature } : {}),
    }));
    return [
        ...(decision.thought ?? []).map((piece) => ({ text: piece, thought: true })),
        ...(decision.text ?? []).map((piece) => ({ text: piece })),
        ...calls,
    ];
}

function answer(http, body, response) {
    checkKey(http, 'x-goog-api-key', providerKey);
    const url = new URL(http.url, 'http://mock');
    const path = /^\/v1beta\/models\/([^/:]+):(generateContent|streamGenerateContent|countTokens)$/.exec(url.pathname);
    if (!path) throw new Refusal(404, `Not found: ${url.pathname}`);
    const [, model, method] = path;
    if (method === 'countTokens') return sendJson(response, { totalTokens: 31 });
    const document = camel(body);
    request(document, 'request');
    const decision = decide(read(document, model));
    const parts = partsOf(decision);
    const finish = decision.finish === 'length' ? 'MAX_TOKENS' : 'STOP';
    if (method === 'generateContent') return sendJson(response, documentOf(model, parts, finish, groundingOf(decision)));
    demand(url.searchParams.get('alt') === 'sse', 'streamed without alt=sse');
    const events = new Events(response, decision.breaks);
    parts.forEach((one, index) => events.data(index < parts.length - 1
        ? documentOf(model, [one]) : documentOf(model, [one], finish, groundingOf(decision))));
    return events.end();
}

const statuses = {
    400: 'INVALID_ARGUMENT', 401: 'UNAUTHENTICATED', 403: 'PERMISSION_DENIED', 404: 'NOT_FOUND', 429: 'RESOURCE_EXHAUSTED',
    500: 'INTERNAL', 503: 'UNAVAILABLE',
};

export const startGemini = () => startMock({
    answer,
    error: (status, message) => ({ document: { error: { code: status, message, status: statuses[status] ?? 'UNKNOWN' } }, headers: {} }),
});
