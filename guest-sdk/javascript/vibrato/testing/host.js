// What a unit test has in place of the host: one invocation, whose request the test has made.

import { encode } from '../text.js';

let current;

/** Begins an invocation; `undefined` ends it. */
export function begin(invocation) {
  current = invocation;
}

function invocation() {
  if (current === undefined) throw new Error('there is no request here: call the handler with `call` of vibrato/testing');
  return current;
}

/** As the host refuses a call. */
function refuse(payload) {
  throw Object.assign(new Error(typeof payload === 'string' ? payload : payload.tag), { payload });
}

const named = (name) => ([known]) => known.toLowerCase() === name.toLowerCase();

function combined(lines, separator) {
  if (lines.length === 0) return null;
  const bytes = [];
  for (const [index, value] of lines.entries()) bytes.push(...(index === 0 ? [] : encode(separator)), ...value);
  return Uint8Array.from(bytes);
}

export const request = {
  method: () => invocation().method,
  target: () => invocation().target,
  path: () => invocation().target.split('?')[0],
  query: () => (invocation().target.includes('?') ? invocation().target.replace(/^[^?]*\?/, '') : null),
  version: () => (invocation().version === '1.0' ? 'http10' : 'http11'),
  peer: () => invocation().peer,
  params: () => Object.entries(invocation().params),
  fields: () => invocation().fields,
  field: (name) => {
    const lines = invocation().fields.filter(named(name)).map(([, value]) => value);
    return combined(lines, name.toLowerCase() === 'cookie' ? '; ' : ', ');
  },
  read: (max) => {
    const it = invocation();
    while (it.pieces.length > 0 && it.pieces[0].length === 0) it.pieces.shift();
    if (it.pieces.length === 0) return null;
    const piece = it.pieces[0].slice(0, Math.max(1, max));
    it.pieces[0] = it.pieces[0].subarray(piece.length);
    return piece;
  },
};

const OF_CONNECTION = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'];

function open() {
  const { response: it } = invocation();
  if (it.finished || it.closed || it.failure !== undefined) refuse('closed');
  return it;
}

function head(name = 'x', value = new Uint8Array()) {
  const it = open();
  if (it.chunks.length > 0) refuse('head-already-sent');
  if (OF_CONNECTION.includes(name.toLowerCase())) refuse('forbidden');
  const isValue = value.every((byte) => byte === 9 || (byte >= 32 && byte !== 127));
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || !isValue) refuse('invalid');
  return it;
}

export const response = {
  status: () => invocation().response.status,
  setStatus: (status) => {
    const it = head();
    if (!Number.isInteger(status) || status < 200 || status > 599) refuse('invalid');
    it.status = status;
  },
  fields: () => invocation().response.fields,
  field: (name) => invocation().response.fields.find(named(name))?.[1] ?? null,
  setField: (name, value) => {
    const it = head(name, value);
    it.fields = [...it.fields.filter((line) => !named(name)(line)), [name.toLowerCase(), value]];
  },
  appendField: (name, value) => {
    head(name, value).fields.push([name.toLowerCase(), value]);
  },
  removeField: (name) => {
    const it = head(name);
    it.fields = it.fields.filter((line) => !named(name)(line));
  },
  write: (chunk) => {
    const it = open();
    if (chunk.length === 0) it.finished = true;
    else it.chunks.push(chunk.slice());
  },
  close: () => {
    const it = invocation().response;
    if (!it.finished) it.closed = true;
  },
  fail: (reason) => {
    const it = invocation().response;
    it.failure ??= reason;
    if (it.chunks.length === 0) it.status = 500;
  },
};

const LISTS = { boolean: 'booleans', integer: 'integers', float: 'floats', text: 'texts' };

function tagged(value) {
  if (Array.isArray(value)) {
    const tag = value.length === 0 ? 'texts' : LISTS[tagged(value.find((item) => !Number.isInteger(item)) ?? value[0]).tag];
    return { tag, val: value };
  }
  if (typeof value === 'boolean') return { tag: 'boolean', val: value };
  if (typeof value === 'string') return { tag: 'text', val: value };
  return { tag: Number.isInteger(value) ? 'integer' : 'float', val: value };
}

const sorted = (object) => Object.entries(object).sort(([one], [other]) => (one < other ? -1 : 1));
const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : null);

export const options = {
  get: (name) => {
    const value = own(invocation().options, name);
    return value === null ? null : tagged(value);
  },
  all: () => sorted(invocation().options).map(([name, value]) => [name, tagged(value)]),
};

export const config = {
  get: (name) => own(invocation().config, name),
  all: () => sorted(invocation().config),
};

export const context = {
  get: (name) => own(invocation().context, name),
  set: (name, value) => {
    invocation().context[name] = value;
  },
};

export const seal = {
  field: (name) => {
    head(name).sealed.push(name.toLowerCase());
  },
  context: (name) => {
    const it = invocation();
    it.sealed[name] = own(it.context, name);
  },
  sealed: (name) => own(invocation().sealed, name),
};

const MAX_KEY = 1024;
const MAX_VALUE = 1_048_576;

function store(name) {
  const { stores } = invocation();
  if (stores === undefined) refuse({ tag: 'denied' });
  return stores.get(name === 'default' ? '' : name) ?? refuse({ tag: 'no-such-store' });
}

function checked(key, value = new Uint8Array()) {
  const { length } = encode(key);
  if (length === 0 || length > MAX_KEY || value.length > MAX_VALUE) refuse({ tag: 'too-large' });
  return key;
}

const same = (one, other) =>
  one === null || other === null ? one === other : one.length === other.length && one.every((byte, at) => byte === other[at]);

export const kv = {
  get: (name, key) => store(name).get(checked(key)) ?? null,
  set: (name, key, value) => {
    store(name).set(checked(key, value), value.slice());
  },
  delete: (name, key) => {
    store(name).delete(checked(key));
  },
  list: (name, prefix, cursor, limit) => {
    const after = (key) => cursor === null || cursor === undefined || key > cursor;
    const keys = [...store(name).keys()].filter((key) => key.startsWith(prefix) && after(key)).sort();
    const page = keys.slice(0, Math.min(limit, 1000));
    return { keys: page, cursor: page.length < keys.length ? page.at(-1) : null };
  },
  increment: (name, key, delta) => {
    const text = String.fromCharCode(...(store(name).get(checked(key)) ?? [48]));
    if (!/^-?[0-9]+$/.test(text)) refuse({ tag: 'other', val: 'the value is no integer' });
    const sum = Number(text) + delta;
    store(name).set(key, encode(String(sum)));
    return sum;
  },
  compareAndSwap: (name, key, expected, value) => {
    const values = store(name);
    if (!same(values.get(checked(key, value ?? undefined)) ?? null, expected)) return false;
    if (value === null) values.delete(key);
    else values.set(key, value.slice());
    return true;
  },
};

const whole = (pieces) => Uint8Array.from(pieces.flatMap((piece) => [...piece]));

class OutgoingRequest {
  #call;

  constructor(method, url) {
    this.#call = { method, url, fields: [], pieces: [] };
  }

  setField(name, value) {
    this.#call.fields = this.#call.fields.filter((line) => !named(name)(line));
    this.appendField(name, value);
  }

  appendField(name, value) {
    this.#call.fields.push([name.toLowerCase(), value]);
  }

  setConnectTimeout() {}
  setFirstByteTimeout() {}
  setBetweenBytesTimeout() {}

  write(chunk) {
    this.#call.pieces.push(chunk);
  }

  send() {
    const { answer, calls } = invocation();
    const { method, url, fields, pieces } = this.#call;
    const call = { method, url, fields, body: whole(pieces) };
    calls.push(call);
    return new IncomingResponse(answer(call) ?? refuse({ tag: 'denied' }));
  }
}

class IncomingResponse {
  #answer;

  constructor(answer) {
    this.#answer = answer;
  }

  status() { return this.#answer.status; }
  fields() { return this.#answer.fields; }
  field(name) { return this.#answer.fields.find(named(name))?.[1] ?? null; }
  trailers() { return []; }

  read(max) {
    const piece = this.#answer.body.slice(0, max);
    this.#answer.body = this.#answer.body.subarray(piece.length);
    return piece.length === 0 ? null : piece;
  }
}

export const http = { OutgoingRequest };

const isTopic = (topic) => topic.length > 0 && encode(topic).length <= 128 && !/\p{Cc}/u.test(topic);

function topicOf(topic) {
  if (!isTopic(topic)) refuse('invalid');
  return topic;
}

export const push = {
  subscribe: (topic) => {
    const { subscribed } = open();
    if (!subscribed.includes(topicOf(topic))) subscribed.push(topic);
  },
  publish: (topic, chunk) => {
    if (chunk.length === 0) refuse('invalid');
    if (chunk.length > 65_536) refuse('too-large');
    invocation().response.published.push([topicOf(topic), chunk]);
    return invocation().subscribers;
  },
  finish: (topic) => {
    invocation().response.finishedTopics.push(topicOf(topic));
    return invocation().subscribers;
  },
  subscribeAfter: (topic, lastId) => {
    const response = open();
    if (response.resumed !== undefined) refuse('invalid');
    response.resumed = [topicOf(topic), lastId];
    return true;
  },
  append: (topic, event) => {
    if (event.length === 0) refuse('invalid');
    if (event.length > 65_536) refuse('too-large');
    const { appended } = invocation().response;
    appended.push([topicOf(topic), event]);
    return `0000000000000000-${appended.length}`;
  },
};
