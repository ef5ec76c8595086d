// What handlers import as 'vibrato', in scripts and in components. Its types are in `vibrato.d.ts`.

import {
  config as hostConfig,
  context as hostContext,
  http as hostHttp,
  kv as hostKv,
  options as hostOptions,
  push as hostPush,
  request as hostRequest,
  response as hostResponse,
  seal as hostSeal,
} from '#host';
import { RequestError } from './errors.js';
import { joined, parameter, readParts } from './multipart.js';
import { binaryText, decode, decodeAs, encode } from './text.js';

export { RequestError } from './errors.js';
export { Part } from './multipart.js';

// The most bytes of one piece of a body.
const MAX_PIECE = 65_536;
// The most bytes of a body that is read whole, unless the script says otherwise.
const MAX_BODY = 1_048_576;

/** Returned: force the connection closed. */
export const Close = Symbol('Close');
/** Returned: leave the response open. */
export const Manual = Symbol('Manual');

/** An answer with a status and fields. */
export class Reply {
  constructor(body, status, fields) {
    Object.assign(this, { body, status, fields });
  }
}

export function reply(body, { status, fields = {} } = {}) {
  return new Reply(body, status, fields);
}

/** An answer that leads to another place: 303, or another status. */
export function redirect(location, status = 303) {
  return new Reply('', status, { location });
}

const bytesOf = (value) => (value instanceof Uint8Array ? value : encode(String(value)));
const textOf = (bytes) => decode(bytes) ?? binaryText(bytes);
const given = (value) => (value === null ? undefined : value);
const maybeText = (bytes) => (bytes === null || bytes === undefined ? undefined : textOf(bytes));

function pairs(text) {
  return new URLSearchParams(text);
}

function cookiesOf(text) {
  const cookies = {};
  for (const part of (text ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at < 0) continue;
    const name = part.slice(0, at).trim();
    // The first one counts: browsers send that of the longest path first.
    if (!Object.hasOwn(cookies, name)) cookies[name] = unquoted(part.slice(at + 1).trim());
  }
  return cookies;
}

function unquoted(value) {
  const text = value.startsWith('"') && value.endsWith('"') && value.length > 1 ? value.slice(1, -1) : value;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// The deepest JSON that is read: the stack of an instance is small.
const MAX_DEPTH = 500;

function isDeep(text) {
  let depth = 0;
  for (const [match] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (match === '[' || match === '{') depth += 1;
    if (match === ']' || match === '}') depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

class Request {
  #body;

  get method() { return hostRequest.method(); }
  get target() { return hostRequest.target(); }
  get path() { return hostRequest.path(); }
  get queryString() { return hostRequest.query() ?? ''; }
  get query() { return pairs(this.queryString); }
  get version() { return hostRequest.version() === 'http10' ? '1.0' : '1.1'; }
  get peer() { return hostRequest.peer(); }
  get params() { return Object.fromEntries(hostRequest.params()); }
  get fields() { return hostRequest.fields().map(([name, value]) => [name, textOf(value)]); }
  get cookies() { return cookiesOf(this.field('cookie')); }
  get options() { return options; }

  field(name) { return maybeText(hostRequest.field(name)); }

  /** The pieces of the body as they come. */
  *[Symbol.iterator]() {
    for (let piece = hostRequest.read(MAX_PIECE); piece !== null && piece !== undefined; piece = hostRequest.read(MAX_PIECE)) yield piece;
  }

  /** The whole body, of at most `limit` bytes. A second call returns the same. */
  body(limit = MAX_BODY) {
    this.#body ??= joined(this, limit, 'the body');
    return this.#body;
  }

  /** The body as text, in the charset of its type, which is UTF-8 if it names none. */
  text(limit) {
    const charset = parameter(this.field('content-type'), 'charset') ?? 'utf-8';
    const body = this.body(limit);
    const text = decodeAs(body, charset);
    if (text === undefined) throw new RequestError(`the body is not ${charset}`, 400);
    return text;
  }

  json(limit) {
    const text = this.text(limit);
    if (isDeep(text)) throw new RequestError(`the JSON of the body is deeper than ${MAX_DEPTH}`, 400);
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new RequestError(`the body is no JSON: ${error.message}`, 400);
    }
  }

  /** The body as a form: urlencoded, or the texts of a multipart one. */
  form(limit) {
    switch (this.#type()) {
      case 'application/x-www-form-urlencoded': {
        const text = decode(this.body(limit));
        if (text === undefined) throw new RequestError('the form is not UTF-8', 400);
        return pairs(text);
      }
      case 'multipart/form-data': {
        const form = new URLSearchParams();
        for (const part of this.parts(limit)) {
          if (part.filename === undefined) form.append(part.name, part.text(limit));
        }
        return form;
      }
      default:
        throw new RequestError(`the body is no form, but ${this.#type() || 'of no type'}`, 415);
    }
  }

  /** The parts of a multipart form, one after the other as they come. All of it has at most `limit` bytes. */
  parts(limit = MAX_BODY) {
    const boundary = parameter(this.field('content-type'), 'boundary');
    if (this.#type() !== 'multipart/form-data' || !boundary) {
      throw new RequestError('the body is no multipart form', 415);
    }
    return readParts(this[Symbol.iterator](), boundary, limit);
  }

  #type() {
    return (this.field('content-type') ?? '').split(';')[0].trim().toLowerCase();
  }

  /** Which of some media types the client likes best: the first of them if it likes several as much. */
  prefers(...types) {
    const ranges = (this.field('accept') ?? '*/*').split(',').map((range) => {
      const [name, ...parameters] = range.trim().toLowerCase().split(';').map((part) => part.trim());
      const quality = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1);
      return { name, quality: quality >= 0 && quality <= 1 ? quality : 0 };
    });
    const quality = (type) => {
      const names = [type, `${type.split('/')[0]}/*`, '*/*'];
      return ranges.find(({ name }) => name === names.find((wanted) => ranges.some((it) => it.name === wanted)))?.quality ?? 0;
    };
    const best = types.reduce((best, type) => (quality(type) > quality(best) ? type : best), types[0]);
    return quality(best) > 0 ? best : undefined;
  }

  /** Another request begins, in an instance that is used again. */
  static begin(request) { request.#body = undefined; }
}

// A cookie's name is a token; its value is encoded here.
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

class Response {
  get status() { return hostResponse.status(); }
  set status(code) { hostResponse.setStatus(code); }
  get fields() { return hostResponse.fields().map(([name, value]) => [name, textOf(value)]); }
  field(name) { return maybeText(hostResponse.field(name)); }
  setField(name, value) { hostResponse.setField(name, bytesOf(value)); }
  appendField(name, value) {
    // Of these there is one line only.
    if (/^(content-length|content-type|date)$/i.test(name)) hostResponse.setField(name, bytesOf(value));
    else hostResponse.appendField(name, bytesOf(value));
  }
  removeField(name) { hostResponse.removeField(name); }
  sealField(name) { hostSeal.field(name); }

  /** Sets a cookie that scripts of pages cannot read, and that other sites do not send, unless told otherwise. */
  setCookie(name, value, { maxAge, path = '/', domain, secure = false, httpOnly = true, sameSite = 'Lax' } = {}) {
    if (!TOKEN.test(name)) throw new TypeError(`${JSON.stringify(name)} is no name of a cookie`);
    for (const text of [path, domain ?? '', sameSite]) {
      if (/[;\u0000-\u001f\u007f]/.test(text)) throw new TypeError(`${JSON.stringify(text)} cannot be in a cookie`);
    }
    const parts = [`${name}=${encodeURIComponent(value)}`, `Path=${path}`];
    if (maxAge !== undefined) parts.push(`Max-Age=${Math.trunc(maxAge)}`);
    if (domain !== undefined) parts.push(`Domain=${domain}`);
    if (secure || sameSite === 'None') parts.push('Secure');
    if (httpOnly) parts.push('HttpOnly');
    parts.push(`SameSite=${sameSite}`);
    this.appendField('set-cookie', parts.join('; '));
  }

  /** Writes a chunk, and returns once there is room for more. An empty one ends the response. */
  write(chunk) { hostResponse.write(bytesOf(chunk)); }
  close() { hostResponse.close(); }
  fail(reason) { hostResponse.fail(String(reason)); }
}

/** The options of the route, and those that its author invented. */
export const options = Object.freeze({
  get(name) {
    return given(hostOptions.get(name))?.val;
  },
  all() { return Object.fromEntries(hostOptions.all().map(([name, { val }]) => [name, val])); },
});

/** Settings and secrets that the operator grants. */
export const config = Object.freeze({
  get(name) { return given(hostConfig.get(name)); },
  all() { return Object.fromEntries(hostConfig.all()); },
});

/** What middleware leaves for those after it. */
export const context = Object.freeze({
  get(name) { return maybeText(hostContext.get(name)); },
  set(name, value) { hostContext.set(name, bytesOf(value)); },
  seal(name) { hostSeal.context(name); },
  sealed(name) { return maybeText(hostSeal.sealed(name)); },
});

class Store {
  #name;
  constructor(name) { this.#name = name; }
  getBytes(key) { return given(hostKv.get(this.#name, key)); }
  get(key) { return maybeText(hostKv.get(this.#name, key)); }
  set(key, value, { seconds } = {}) {
    hostKv.set(this.#name, key, bytesOf(value), seconds === undefined ? null : Math.ceil(seconds * 1000));
  }
  delete(key) { hostKv.delete(this.#name, key); }
  *list(prefix = '') {
    let cursor = null;
    do {
      const page = hostKv.list(this.#name, prefix, cursor, 1000);
      yield* page.keys;
      cursor = given(page.cursor) ?? null;
    } while (cursor !== null);
  }
  increment(key, delta = 1) { return hostKv.increment(this.#name, key, delta); }
  compareAndSwap(key, expected, value) {
    const bytes = (it) => (it === undefined || it === null ? null : bytesOf(it));
    return hostKv.compareAndSwap(this.#name, key, bytes(expected), bytes(value));
  }
}

/** The key-value store of the route, if the operator grants one; `kv.open(name)` is another of its stores. */
export const kv = Object.assign(new Store(''), { open: (name) => new Store(name) });

class UpstreamResponse {
  #response;
  constructor(response) { this.#response = response; }
  get status() { return this.#response.status(); }
  get ok() { return this.status >= 200 && this.status < 300; }
  get fields() { return this.#response.fields().map(([name, value]) => [name, textOf(value)]); }
  field(name) { return maybeText(this.#response.field(name)); }
  *[Symbol.iterator]() {
    for (let piece = this.#response.read(MAX_PIECE); piece !== null && piece !== undefined; piece = this.#response.read(MAX_PIECE)) yield piece;
  }
  bytes() { return joined(this, Infinity, 'the response'); }
  text() { return textOf(this.bytes()); }
  json() { return JSON.parse(this.text()); }
}

/** Calls to other servers, if the operator grants them. */
export const http = Object.freeze({
  request(method, url, { fields = {}, body, json, timeout } = {}) {
    const request = new hostHttp.OutgoingRequest(method, url);
    for (const [name, value] of Object.entries(fields)) request.setField(name, bytesOf(value));
    if (json !== undefined) request.setField('content-type', encode('application/json'));
    if (timeout !== undefined) {
      const milliseconds = Math.ceil(timeout * 1000);
      request.setConnectTimeout(milliseconds);
      request.setFirstByteTimeout(milliseconds);
      request.setBetweenBytesTimeout(milliseconds);
    }
    const content = json === undefined ? body : JSON.stringify(json);
    if (content !== undefined) request.write(bytesOf(content));
    return new UpstreamResponse(request.send());
  },
  get(url, settings) { return http.request('GET', url, settings); },
  post(url, settings) { return http.request('POST', url, settings); },
});

/** Topics: what is published reaches the responses that were left open. */
export const push = Object.freeze({
  subscribe(topic) { hostPush.subscribe(topic); },
  publish(topic, chunk) { return hostPush.publish(topic, bytesOf(chunk)); },
  finish(topic) { return hostPush.finish(topic); },
  /** Sends what was appended behind the event `lastId`, and what follows. False if some of it is no longer kept. */
  subscribeAfter(topic, lastId) { return hostPush.subscribeAfter(topic, lastId); },
  /** Appends an event without an id to the history of a topic, and returns the id that it gets. */
  append(topic, event) { return hostPush.append(topic, bytesOf(event)); },
});

/** An event of an event stream (text/event-stream), as text for `push.publish` or `yield`. */
export function event(data, { name, id, retry } = {}) {
  for (const text of [name ?? '', id ?? '']) {
    if (/[\r\n\0]/.test(text)) throw new TypeError('the name and the id of an event have no line breaks');
  }
  const lines = String(data).split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  if (name !== undefined) lines.unshift(`event: ${name}\n`);
  if (id !== undefined) lines.unshift(`id: ${id}\n`);
  if (retry !== undefined) lines.unshift(`retry: ${Math.trunc(retry * 1000)}\n`);
  return `${lines.join('')}\n`;
}

/** A text for HTML, between tags and in an attribute with quotation marks. */
export function escapeHtml(text) {
  const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return String(text).replace(/[&<>"']/g, (character) => entities[character]);
}

export const request = new Request();
export const response = new Response();

/** Called before each request. */
export function started() {
  Request.begin(request);
}
