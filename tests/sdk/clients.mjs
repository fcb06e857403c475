// One face for all SDKs, so that one list of scenarios runs through each: a conversation that keeps the SDK's own
// history, and replies in plain form { text, calls, finish, usage: { input, cached, output } }, beside it `cited` where
// the answer cites a page: { url, title, text }.
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { ApiError, GoogleGenAI } from '@google/genai';
import { HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, jsonSchema, streamText, tool } from 'ai';
import OpenAI from 'openai-7';

import { png } from './mind.mjs';
import { clientKey } from './mock_http.mjs';

export const schemas = {
    get_weather: { type: 'object', properties: { city: { type: 'string', description: 'Where' } }, required: ['city'] },
    get_time: { type: 'object', properties: { zone: { type: 'string', enum: ['CET', 'UTC'] } }, required: ['zone'] },
};
const described = Object.entries(schemas).map(([name, parameters]) => ({ name, description: `Tells ${name}`, parameters }));
const dataUrl = `data:image/png;base64,${png}`;

/** Of a text, by code points: what the documented word "character" is in every language but JavaScript. */
const slice = (text, begin, end) => [...text].slice(begin, end).join('');
const citing = (cited) => (cited.length > 0 ? { cited } : {});

/** What the stream helpers of `openai` add for their user and no API takes back. */
const withoutParsed = (value) => JSON.parse(JSON.stringify(value, (name, one) =>
    (name === 'parsed' || name === 'parsed_arguments' ? undefined : one)));

class OpenAIChat {
    constructor({ origin, model, system, tools, key = clientKey }) {
        this.client = new OpenAI({ baseURL: `${origin}/v1`, apiKey: key, maxRetries: 0, timeout: 10_000 });
        this.terms = { model, ...(tools ? { tools: described.map((one) => ({ type: 'function', function: one })) } : {}) };
        this.messages = system ? [{ role: 'developer', content: system }] : [];
    }

    static statusOf = (error) => (error instanceof OpenAI.APIError ? error.status : undefined);
    static limited = (error) => error instanceof OpenAI.RateLimitError;
    static tellsCitations = true;

    async user(text, { image, stream } = {}) {
        const picture = { type: 'image_url', image_url: { url: dataUrl } };
        this.messages.push({ role: 'user', content: image ? [{ type: 'text', text }, picture] : text });
        return this.send(stream);
    }

    async results(texts, { stream } = {}) {
        const { tool_calls } = this.messages.at(-1);
        tool_calls.forEach((call, index) => this.messages.push({ role: 'tool', tool_call_id: call.id, content: texts[index] }));
        return this.send(stream);
    }

    async send(stream) {
        const request = { ...this.terms, messages: this.messages };
        const answer = stream
            ? await this.client.chat.completions.stream({ ...request, stream_options: { include_usage: true } }).finalChatCompletion()
            : await this.client.chat.completions.create(request);
        const [{ message, finish_reason }] = answer.choices;
        this.messages.push(withoutParsed(message));
        return {
            text: message.content ?? '', finish: { tool_calls: 'calls' }[finish_reason] ?? finish_reason,
            ...citing((message.annotations ?? []).map(({ url_citation: one }) => (
                { url: one.url, title: one.title, text: slice(message.content, one.start_index, one.end_index) }))),
            calls: (message.tool_calls ?? []).map((one) => ({ id: one.id, name: one.function.name, arguments: JSON.parse(one.function.arguments) })),
            usage: {
                input: answer.usage.prompt_tokens, cached: answer.usage.prompt_tokens_details?.cached_tokens, output: answer.usage.completion_tokens,
            },
        };
    }
}

class OpenAIResponses {
    constructor({ origin, model, system, tools, key = clientKey }) {
        this.client = new OpenAI({ baseURL: `${origin}/v1`, apiKey: key, maxRetries: 0, timeout: 10_000 });
        const offered = tools ? { tools: described.map((one) => ({ type: 'function', strict: false, ...one })) } : {};
        this.terms = { model, store: false, ...(system ? { instructions: system } : {}), ...offered };
        this.input = [];
    }

    static statusOf = (error) => (error instanceof OpenAI.APIError ? error.status : undefined);
    static limited = (error) => error instanceof OpenAI.RateLimitError;
    static tellsCitations = true;

    async user(text, { image, stream } = {}) {
        const picture = { type: 'input_image', image_url: dataUrl, detail: 'auto' };
        this.input.push({ role: 'user', content: image ? [{ type: 'input_text', text }, picture] : text });
        return this.send(stream);
    }

    async results(texts, { stream } = {}) {
        this.calls.forEach((call, index) => this.input.push({ type: 'function_call_output', call_id: call.id, output: texts[index] }));
        return this.send(stream);
    }

    async send(stream) {
        const request = { ...this.terms, input: this.input };
        const answer = stream ? await this.client.responses.stream(request).finalResponse() : await this.client.responses.create(request);
        this.input.push(...withoutParsed(answer.output));
        this.calls = answer.output.filter((one) => one.type === 'function_call')
            .map((one) => ({ id: one.call_id, name: one.name, arguments: JSON.parse(one.arguments) }));
        const complete = this.calls.length > 0 ? 'calls' : 'stop';
        return {
            text: answer.output_text ?? '', calls: this.calls, finish: answer.status === 'incomplete' ? 'length' : complete,
            ...citing(answer.output.flatMap((one) => one.content ?? []).flatMap((part) => (part.annotations ?? []).map((one) => (
                { url: one.url, title: one.title, text: slice(part.text, one.start_index, one.end_index) })))),
            usage: {
                input: answer.usage.input_tokens, cached: answer.usage.input_tokens_details?.cached_tokens, output: answer.usage.output_tokens,
            },
        };
    }
}

class AnthropicMessages {
    constructor({ origin, model, system, tools, key = clientKey }) {
        this.client = new Anthropic({ baseURL: origin, apiKey: key, maxRetries: 0, timeout: 10_000 });
        const offered = tools ? { tools: described.map(({ parameters, ...one }) => ({ ...one, input_schema: parameters })) } : {};
        this.terms = { model, max_tokens: 4096, ...(system ? { system } : {}), ...offered };
        this.messages = [];
    }

    static statusOf = (error) => (error instanceof Anthropic.APIError ? error.status : undefined);
    static limited = (error) => error instanceof Anthropic.RateLimitError && error.error.error.type === 'rate_limit_error';
    static tellsCitations = true;

    async user(text, { image, stream } = {}) {
        const picture = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } };
        this.messages.push({ role: 'user', content: image ? [picture, { type: 'text', text }] : text });
        return this.send(stream);
    }

    async results(texts, { stream } = {}) {
        const content = this.calls.map((call, index) => ({ type: 'tool_result', tool_use_id: call.id, content: texts[index] }));
        this.messages.push({ role: 'user', content });
        return this.send(stream);
    }

    async send(stream) {
        const request = { ...this.terms, messages: this.messages };
        const answer = stream ? await this.client.messages.stream(request).finalMessage() : await this.client.messages.create(request);
        this.messages.push({ role: 'assistant', content: answer.content });
        this.calls = answer.content.filter((one) => one.type === 'tool_use').map((one) => ({ id: one.id, name: one.name, arguments: one.input }));
        const { usage } = answer;
        return {
            text: answer.content.filter((one) => one.type === 'text').map((one) => one.text).join(''), calls: this.calls,
            finish: { end_turn: 'stop', tool_use: 'calls', max_tokens: 'length' }[answer.stop_reason] ?? answer.stop_reason,
            ...citing(answer.content.flatMap((block) => (block.citations ?? []).map((one) => (
                { url: one.url, title: one.title, text: block.text })))),
            usage: { input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0), cached: usage.cache_read_input_tokens, output: usage.output_tokens },
        };
    }
}

class GoogleContents {
    constructor({ origin, model, system, tools, key = clientKey }) {
        this.client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: origin, timeout: 10_000 } });
        const functionDeclarations = described.map(({ parameters, ...one }) => ({ ...one, parametersJsonSchema: parameters }));
        this.terms = { model, config: { ...(system ? { systemInstruction: system } : {}), ...(tools ? { tools: [{ functionDeclarations }] } : {}) } };
        this.contents = [];
    }

    static statusOf = (error) => (error instanceof ApiError ? error.status : undefined);
    static limited = (error) => error instanceof ApiError && error.status === 429 && error.message.includes('RESOURCE_EXHAUSTED');
    static tellsCitations = true;

    async user(text, { image, stream } = {}) {
        const parts = [{ text }, ...(image ? [{ inlineData: { mimeType: 'image/png', data: png } }] : [])];
        this.contents.push({ role: 'user', parts });
        return this.send(stream);
    }

    async results(texts, { stream } = {}) {
        const parts = this.calls.map(({ id, name }, index) => (
            { functionResponse: { ...(id ? { id } : {}), name, response: { output: texts[index] } } }));
        this.contents.push({ role: 'user', parts });
        return this.send(stream);
    }

    async send(stream) {
        const request = { ...this.terms, contents: this.contents };
        const answers = [];
        if (stream) for await (const one of await this.client.models.generateContentStream(request)) answers.push(one);
        else answers.push(await this.client.models.generateContent(request));
        const parts = answers.flatMap((one) => one.candidates?.[0]?.content?.parts ?? []);
        this.contents.push({ role: 'model', parts });
        this.calls = parts.filter((one) => one.functionCall).map(({ functionCall: { id, name, args } }) => ({ id, name, arguments: args }));
        const finish = answers.map((one) => one.candidates?.[0]?.finishReason).filter(Boolean).at(-1);
        const { usageMetadata } = answers.at(-1);
        const complete = this.calls.length > 0 ? 'calls' : 'stop';
        const text = parts.filter((one) => !one.thought).map((one) => one.text ?? '').join('');
        const { groundingChunks = [], groundingSupports = [] } = answers.at(-1).candidates?.[0]?.groundingMetadata ?? {};
        return {
            text, calls: this.calls,
            ...citing(groundingSupports.flatMap(({ segment, groundingChunkIndices }) => groundingChunkIndices.map((one) => ({
                url: groundingChunks[one].web.uri, title: groundingChunks[one].web.title,
                text: Buffer.from(text).subarray(segment.startIndex ?? 0, segment.endIndex).toString(),
            })))),
            finish: { STOP: complete, MAX_TOKENS: 'length' }[finish] ?? finish,
            usage: { input: usageMetadata.promptTokenCount, cached: usageMetadata.cachedContentTokenCount, output: usageMetadata.candidatesTokenCount },
        };
    }
}

/** Vercel's `ai` over one of its providers. */
class VercelAi {
    constructor({ system, tools }, model) {
        const made = Object.fromEntries(described.map(({ name, description, parameters }) => (
            [name, tool({ description, inputSchema: jsonSchema(parameters) })])));
        this.terms = { model, maxRetries: 0, ...(system ? { system } : {}), ...(tools ? { tools: made } : {}) };
        this.messages = [];
    }

    static statusOf = (error) => error.statusCode;
    static limited = (error) => error.statusCode === 429;

    async user(text, { image, stream } = {}) {
        const picture = { type: 'image', image: Buffer.from(png, 'base64'), mediaType: 'image/png' };
        this.messages.push({ role: 'user', content: image ? [{ type: 'text', text }, picture] : text });
        return this.send(stream);
    }

    async results(texts, { stream } = {}) {
        const content = this.calls.map(({ id, name }, index) => (
            { type: 'tool-result', toolCallId: id, toolName: name, output: { type: 'text', value: texts[index] } }));
        this.messages.push({ role: 'tool', content });
        return this.send(stream);
    }

    async send(stream) {
        const request = { ...this.terms, messages: this.messages };
        let failure;
        const answer = stream ? streamText({ ...request, onError: ({ error }) => { failure = error; } }) : await generateText(request);
        if (stream) await answer.consumeStream();
        if (failure) throw failure;
        const [text, calls, finish, usage, response] = await Promise.all(
            [answer.text, answer.toolCalls, answer.finishReason, answer.usage, answer.response]);
        this.messages.push(...response.messages);
        this.calls = calls.map((one) => ({ id: one.toolCallId, name: one.toolName, arguments: one.input }));
        return {
            text, calls: this.calls, finish: { 'tool-calls': 'calls' }[finish] ?? finish,
            usage: { input: usage.inputTokens, cached: usage.cachedInputTokens ?? usage.inputTokenDetails?.cacheReadTokens, output: usage.outputTokens },
        };
    }
}

class VercelOpenAIChat extends VercelAi {
    constructor(terms) {
        super(terms, createOpenAI({ baseURL: `${terms.origin}/v1`, apiKey: terms.key ?? clientKey }).chat(terms.model));
    }
}

class VercelOpenAIResponses extends VercelAi {
    constructor(terms) {
        super(terms, createOpenAI({ baseURL: `${terms.origin}/v1`, apiKey: terms.key ?? clientKey }).responses(terms.model));
        this.terms.providerOptions = { openai: { store: false } };
    }
}

class VercelAnthropic extends VercelAi {
    constructor(terms) {
        super(terms, createAnthropic({ baseURL: `${terms.origin}/v1`, apiKey: terms.key ?? clientKey })(terms.model));
    }
}

class LangChain {
    constructor({ origin, model, system, tools, key = clientKey }) {
        const chat = new ChatOpenAI({
            model, apiKey: key, maxRetries: 0, timeout: 10_000, configuration: { baseURL: `${origin}/v1` }, streamUsage: true,
            useResponsesApi: false,
        });
        this.chat = tools ? chat.bindTools(described.map((one) => ({ type: 'function', function: one }))) : chat;
        this.messages = system ? [new SystemMessage(system)] : [];
    }

    static statusOf = (error) => error.status;
    static limited = (error) => error.status === 429;

    async user(text, { image, stream } = {}) {
        const picture = { type: 'image_url', image_url: { url: dataUrl } };
        this.messages.push(new HumanMessage({ content: image ? [{ type: 'text', text }, picture] : text }));
        return this.send(stream);
    }

    async results(texts, { stream } = {}) {
        const calls = this.messages.at(-1).tool_calls;
        calls.forEach((call, index) => this.messages.push(new ToolMessage({ tool_call_id: call.id, content: texts[index] })));
        return this.send(stream);
    }

    async send(stream) {
        let answer;
        if (stream) {
            for await (const one of await this.chat.stream(this.messages)) answer = answer ? answer.concat(one) : one;
        } else {
            answer = await this.chat.invoke(this.messages);
        }
        this.messages.push(answer);
        const finish = answer.response_metadata.finish_reason;
        return {
            text: typeof answer.content === 'string' ? answer.content : answer.content.map((one) => one.text ?? '').join(''),
            calls: (answer.tool_calls ?? []).map((one) => ({ id: one.id, name: one.name, arguments: one.args })),
            finish: { tool_calls: 'calls' }[finish] ?? finish,
            usage: {
                input: answer.usage_metadata.input_tokens, cached: answer.usage_metadata.input_token_details?.cache_read,
                output: answer.usage_metadata.output_tokens,
            },
        };
    }
}

export const clients = {
    'openai chat': OpenAIChat,
    'openai responses': OpenAIResponses,
    '@anthropic-ai/sdk': AnthropicMessages,
    '@google/genai': GoogleContents,
    'ai + @ai-sdk/openai chat': VercelOpenAIChat,
    'ai + @ai-sdk/openai responses': VercelOpenAIResponses,
    'ai + @ai-sdk/anthropic': VercelAnthropic,
    '@langchain/openai': LangChain,
};
