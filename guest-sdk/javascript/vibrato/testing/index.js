// Calls handlers in unit tests, without a host: with a request that the test makes, and a response that is recorded. Its
// types are in `testing.d.ts`.

import * as calls from '../calls.js';
import { declaration, functionsOf } from '../declaration.js';
import { decode, encode } from '../text.js';
import { begin } from './host.js';

const bytesOf = (value) => (typeof value === 'string' ? encode(value) : value);

/** The lines of fields: of an object whose values can be lists, or of pairs. */
function linesOf(fields) {
  const entries = Array.isArray(fields) ? fields : Object.entries(fields);
  return entries.flatMap(([name, value]) =>
    [value].flat().map((line) => [name.toLowerCase(), bytesOf(line)]),
  );
}

const mapped = (object) => Object.fromEntries(Object.entries(object).map(([name, value]) => [name, bytesOf(value)]));
const storeOf = (values) => new Map(Object.entries(mapped(values)));

/** What a test says of the request, with what it leaves open. */
function invocation(exported, settings) {
  const { method = 'GET', path = '/', fields = {}, body = '', params = {}, options = {}, config = {}, context = {} } = settings;
  const declared = declaration(exported).options.map(([name, { val }]) => [name, val]);
  const { kv, stores = {}, http, peer = '127.0.0.1', version = '1.1', subscribers = 0, response = {} } = settings;
  const named = Object.entries({ ...(kv === undefined ? {} : { '': kv }), ...stores });
  return {
    method,
    target: path,
    fields: [['host', encode('localhost')], ...linesOf(fields)],
    pieces: typeof body === 'string' || body instanceof Uint8Array ? [bytesOf(body)] : Array.from(body, bytesOf),
    params,
    options: { ...Object.fromEntries(declared), ...options },
    config,
    context: mapped(context),
    sealed: {},
    stores: named.length === 0 ? undefined : new Map(named.map(([name, values]) => [name, storeOf(values)])),
    answer: (call) => answerOf(http, call),
    calls: [],
    peer,
    version,
    subscribers,
    response: {
      status: response.status ?? 200,
      fields: linesOf(response.fields ?? {}),
      chunks: [],
      sealed: [],
      subscribed: [],
      published: [],
      finishedTopics: [],
      resumed: undefined,
      appended: [],
      finished: false,
      closed: false,
      failure: undefined,
    },
  };
}

/** What another server answers: what the function `http` of the test returns. */
function answerOf(http, call) {
  const answer = http?.({ ...call, fields: call.fields.map(([name, value]) => [name, decode(value)]) });
  if (answer === undefined || answer === null) return undefined;
  const { status = 200, fields = {}, body = '', json } = typeof answer === 'string' ? { body: answer } : answer;
  return { status, fields: linesOf(fields), body: bytesOf(json === undefined ? body : JSON.stringify(json)) };
}

/** What a function has done to its response. */
export class TestResponse {
  #body;

  constructor({ response, calls: sent, stores, context }, returned, error) {
    const { status, fields, chunks, failure, closed, finished } = response;
    Object.assign(this, { status, chunks, failure, error, returned, calls: sent });
    this.fields = fields.map(([name, value]) => [name, decode(value) ?? '']);
    this.outcome = closed ? 'close' : (returned?.tag ?? 'body');
    const { subscribed, published, finishedTopics, resumed, appended } = response;
    Object.assign(this, { subscribed, published, finished: finishedTopics, resumed, appended });
    this.stores = stores ?? new Map();
    this.context = context;
    const last = returned?.tag === 'body' && !closed && !finished && failure === undefined ? [returned.val] : [];
    this.#body = Uint8Array.from([...chunks, ...last].flatMap((piece) => [...piece]));
  }

  /** The whole body: what was written, and what was returned. */
  get body() { return this.#body; }
  text() { return decode(this.#body) ?? ''; }
  json() { return JSON.parse(this.text()); }
  field(name) { return this.fields.find(([known]) => known === name.toLowerCase())?.[1]; }

  /** What a store has now. */
  stored(key, store = '') {
    const value = this.stores.get(store)?.get(key);
    return value && (decode(value) ?? value);
  }
}

function run(name, exported, settings, called) {
  const found = functionsOf(exported);
  if (found[name] === undefined) throw new Error(`the module exports no function that is \`${name}\``);
  const it = invocation(exported, settings);
  let thrown;
  const fail = (error) => {
    thrown = error;
    // A test that expects something else shows why it was a 500.
    console.error(error?.stack ?? calls.described(error));
    it.response.failure ??= calls.described(error);
    if (it.response.chunks.length === 0) it.response.status = 500;
  };
  begin(it);
  try {
    const returned = called(() => found, fail);
    return new TestResponse(it, returned, thrown);
  } finally {
    begin(undefined);
  }
}

/** Calls the handler of a module. */
export function call(exported, settings = {}) {
  return run('handle', exported, settings, calls.handle);
}

/** Calls `onRequest` of middleware. `outcome` is `next` if the chain goes on. */
export function callOnRequest(exported, settings = {}) {
  return run('on-request', exported, settings, calls.onRequest);
}

/** Calls `onResponse` of middleware, with a response that `response` describes. */
export function callOnResponse(exported, settings = {}) {
  return run('on-response', exported, settings, calls.onResponse);
}

/** Calls `onMessage` with a message of a WebSocket: `returned` is the reply. */
export function callOnMessage(exported, message, settings = {}) {
  const tagged = { tag: typeof message === 'string' ? 'text' : 'binary', val: message };
  return run('on-message', exported, settings, (load, fail) => calls.onMessage(load, fail, tagged));
}
