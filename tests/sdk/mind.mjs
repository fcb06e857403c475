// What the mock providers answer, whatever protocol they speak: one deterministic model behind all of them. It sees a
// conversation in plain form and checks what every provider checks: each call is answered, by its own id.
import { demand, Refusal } from './strict.mjs';

export const words = ['Grüße', ' from', ' the', ' upstream', ' 👋', '.'];
export const hello = words.join('');
export const thought = ['Let me', ' think', '.'];
/** Counted apart; a protocol says sums or parts as it does. */
export const tokens = { uncached: 9, cached: 4, output: 12 };
export const callsOf = {
    weather: [{ name: 'get_weather', arguments: { city: 'Zürich' } }],
    both: [{ name: 'get_weather', arguments: { city: 'Zürich' } }, { name: 'get_time', arguments: { zone: 'CET' } }],
    twice: [{ name: 'get_weather', arguments: { city: 'Zürich' } }, { name: 'get_weather', arguments: { city: 'Bern' } }],
};
/** What is cited, and for which of the pieces: who counts characters, bytes or UTF-16 otherwise than it is meant finds
 * another text. */
export const cited = { text: ['Im 漢 👋 ', 'it rains 👋', ', I hear.'], at: 1, url: 'https://rain.example/', title: 'Rain' };
const before = cited.text.slice(0, cited.at).join('');
const length = (text, unit) => (unit === 'bytes' ? Buffer.byteLength(text) : [...text].length);
export const citedPlace = (unit) => ({ start: length(before, unit), end: length(before + cited.text[cited.at], unit) });

/** A PNG of one pixel: what arrives must be these bytes. */
export const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const sorted = (value) => (value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]))
    : value);

export function told(calls, results) {
    return 'Told: ' + calls.map((call, index) =>
        `${call.name}(${JSON.stringify(sorted(call.arguments))})=${results[index]}`).join('; ');
}

/** conversation: { system, tools: [name], turns: [{ text, images: [{ type, data }], calls, results: [{ id, text }] }] } */
export function decide(conversation) {
    const { turns } = conversation;
    turns.forEach((turn, index) => {
        const ids = (turn.calls ?? []).map((call) => call.id);
        if (ids.length === 0) return;
        const answered = (turns[index + 1]?.results ?? []).map((result) => result.id);
        demand(new Set(ids).size === ids.length, `ids of calls repeat: ${ids}`);
        demand(ids.length === answered.length && ids.every((id) => answered.includes(id)),
            `calls ${ids} are not answered by results ${answered}`);
    });
    turns.forEach((turn, index) => demand(!turn.results?.length || turns[index - 1]?.calls?.length, 'a result without a call'));
    const last = turns.at(-1);
    if (last.results?.length > 0) {
        const { calls } = turns.at(-2);
        const results = calls.map((call) => last.results.find((result) => result.id === call.id).text);
        const step = /step (\d+)/.exec(results.at(-1));
        if (step && Number(step[1]) > 0) return { calls: callsOf.weather };
        return { text: [told(calls, results)] };
    }
    const asked = last.text.trim();
    const error = /^error (\d+)$/.exec(asked);
    if (error) throw new Refusal(Number(error[1]), `scripted ${error[1]}`);
    if (asked === 'look') return { text: last.images.map((image) => `${image.type}:${image.data === png ? 'intact' : 'other'}`) };
    if (asked === 'who') return { text: [`I am ${conversation.system}`] };
    if (asked === 'cite') return { text: cited.text, cites: cited };
    if (asked === 'think') return { thought, text: words };
    if (asked === 'long') return { text: words, finish: 'length' };
    if (asked === 'break') return { text: words, breaks: true };
    const calls = callsOf[asked];
    if (calls) {
        for (const call of calls) demand(conversation.tools.includes(call.name), `tool ${call.name} was not offered`);
        return { calls };
    }
    return { text: words };
}

/** In pieces, cut in the middle of a name, a value and an escape. */
export function pieces(text, count = 4) {
    const letters = [...text];
    const size = Math.max(1, Math.ceil(letters.length / count));
    const out = [];
    for (let at = 0; at < letters.length; at += size) out.push(letters.slice(at, at + size).join(''));
    return out;
}
