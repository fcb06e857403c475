// What a provider checks of a request's document, said as a table: a field that the table does not name is refused, as
// the real APIs do, so that a wrong translation cannot pass unseen.

/** An error that a mock answers in its own protocol's shape. */
export class Refusal extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

export function demand(holds, message) {
    if (!holds) throw new Refusal(400, message);
}

const kind = (name, holds) => (value, at) => demand(holds(value), `${at}: expected ${name}, got ${JSON.stringify(value)}`);

export const text = kind('a string', (value) => typeof value === 'string');
export const nonEmpty = kind('a non-empty string', (value) => typeof value === 'string' && value.length > 0);
export const flag = kind('a boolean', (value) => typeof value === 'boolean');
export const json = kind('an object', (value) => typeof value === 'object' && value !== null && !Array.isArray(value));
export const anything = () => {};
export const integer = (low, high = Number.MAX_SAFE_INTEGER) =>
    kind(`an integer in ${low}..${high}`, (value) => Number.isInteger(value) && value >= low && value <= high);
export const number = (low, high) =>
    kind(`a number in ${low}..${high}`, (value) => typeof value === 'number' && value >= low && value <= high);
export const word = (...words) => kind(words.join('|'), (value) => words.includes(value));
export const base64 = kind('base64', (value) =>
    typeof value === 'string' && value.length > 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(value) && value.length % 4 === 0);
export const nullable = (check) => (value, at) => value === null || check(value, at);

export const list = (check, least = 0) => (value, at) => {
    demand(Array.isArray(value) && value.length >= least, `${at}: expected an array of at least ${least}`);
    value.forEach((one, index) => check(one, `${at}[${index}]`));
};

/** A name that ends in `?` may be absent. */
export const shape = (fields) => (value, at) => {
    json(value, at);
    const known = new Set(Object.keys(fields).map((name) => name.replace(/\?$/, '')));
    for (const name of Object.keys(value)) demand(known.has(name), `${at}.${name}: Extra inputs are not permitted`);
    for (const [spelling, check] of Object.entries(fields)) {
        const name = spelling.replace(/\?$/, '');
        const absent = value[name] === undefined;
        demand(!absent || spelling.endsWith('?'), `${at}.${name}: Field required`);
        if (!absent) check(value[name], `${at}.${name}`);
    }
};

/** Which shape holds is told by the field `tag`. */
export const tagged = (tag, shapes) => (value, at) => {
    json(value, at);
    const check = shapes[value[tag]];
    demand(check, `${at}.${tag}: ${JSON.stringify(value[tag])} is none of ${Object.keys(shapes)}`);
    check(value, at);
};

/** Exactly one of the fields that make a union, beside those that may stand with any: protobuf's and Smithy's way. */
export const union = (members, beside = {}) => (value, at) => {
    json(value, at);
    const present = Object.keys(members).filter((name) => value[name] !== undefined);
    demand(present.length === 1, `${at}: expected one of ${Object.keys(members)}, got ${Object.keys(value)}`);
    shape({ [present[0]]: members[present[0]], ...beside })(value, at);
};

export const either = (...checks) => (value, at) => {
    const refusals = [];
    for (const check of checks) {
        try {
            return check(value, at);
        } catch (refusal) {
            refusals.push(refusal.message);
        }
    }
    throw new Refusal(400, refusals.join(' / '));
};
