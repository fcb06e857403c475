// Gemini's API as far as it stores: files by resumable uploads and cached contents (ai.google.dev/api/files, /caching).
import http from 'node:http';

import { providerKey, sendJson, serve } from './mock_http.mjs';

export async function startGeminiStore() {
    const mock = { requests: [], made: { files: [], cachedContents: [] }, uploads: new Map() };
    let count = 0;
    const notFound = (response) => sendJson(response, { error: { code: 404, message: 'none such', status: 'NOT_FOUND' } }, 404);
    const make = (kind, value) => {
        const name = `${kind}/${(++count).toString(36).padStart(12, 'a')}`;
        const one = { name, ...value };
        if (kind === 'files') one.uri = `https://generativelanguage.googleapis.com/v1beta/${name}`;
        mock.made[kind].unshift(one);
        return one;
    };
    const uploads = ['/upload/v1beta/files', '/upload/v1/files'];  // Python's SDK asks for v1
    const upload = (request, bytes, url, response) => {
        const command = request.headers['x-goog-upload-command'];
        if (command === 'start') {
            const id = `AbCd_${++count}`;
            const { file } = bytes.length ? JSON.parse(bytes) : {};
            mock.uploads.set(id, { file, size: Number(request.headers['x-goog-upload-header-content-length']), received: 0 });
            response.writeHead(200, {
                'x-goog-upload-status': 'active', 'x-goog-upload-chunk-granularity': '262144', 'content-length': 0,
                'x-goog-upload-url': `https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=${id}&upload_protocol=resumable`,
            });
            return response.end();
        }
        const one = mock.uploads.get(url.searchParams.get('upload_id'));
        if (!one || Number(request.headers['x-goog-upload-offset']) !== one.received) return notFound(response);
        one.received += bytes.length;
        if (!command.includes('finalize')) return response.writeHead(200, { 'x-goog-upload-status': 'active' }).end();
        response.setHeader('x-goog-upload-status', 'final');
        const made = make('files', { displayName: one.file?.displayName, mimeType: 'text/plain', sizeBytes: `${one.received}`, state: 'ACTIVE' });
        return sendJson(response, { file: made });
    };
    const list = (kind, query, response) => {
        const from = Number(query.get('pageToken') ?? 0);
        const to = from + Number(query.get('pageSize') ?? 10);
        const all = mock.made[kind];
        sendJson(response, {
            ...(from < all.length ? { [kind]: all.slice(from, to) } : {}), ...(to < all.length ? { nextPageToken: `${to}` } : {}),
        });
    };
    const server = http.createServer(async (request, response) => {
        const parts = [];
        for await (const part of request) parts.push(part);
        const bytes = Buffer.concat(parts);
        const url = new URL(request.url, 'http://mock');
        mock.requests.push({ method: request.method, path: url.pathname });
        if (request.headers['x-goog-api-key'] !== providerKey) return sendJson(response, { error: { code: 401 } }, 401);
        if (uploads.includes(url.pathname)) return upload(request, bytes, url, response);
        const [, , kind, id] = url.pathname.split('/');
        if (kind === 'models') {
            const candidates = [{ content: { role: 'model', parts: [{ text: 'seen' }] }, finishReason: 'STOP', index: 0 }];
            return sendJson(response, { candidates, usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 1, totalTokenCount: 4 } });
        }
        if (!mock.made[kind]) return notFound(response);
        if (!id && request.method === 'GET') return list(kind, url.searchParams, response);
        if (!id) return sendJson(response, make(kind, { model: JSON.parse(bytes).model, createTime: '2026-01-01T00:00:00Z' }));
        const one = mock.made[kind].find(({ name }) => name === `${kind}/${id}`);
        if (!one) return notFound(response);
        if (request.method === 'DELETE') {
            mock.made[kind].splice(mock.made[kind].indexOf(one), 1);
            return sendJson(response, {});
        }
        return sendJson(response, one);
    });
    return serve(server, mock);
}
