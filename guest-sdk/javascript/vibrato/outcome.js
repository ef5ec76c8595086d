// From what a function of a handler returns to what the host is told.

import { response as host } from '#host';
import { encode } from './text.js';
import { Close, Manual, Reply, response } from './index.js';

const NOTHING = new Uint8Array();

/** The outcome of `handle`. */
export function outcome(returned) {
  if (returned === undefined || returned === null || returned === Close) return { tag: 'close' };
  if (returned === true || returned === Manual) return { tag: 'manual' };
  return { tag: 'body', val: body(returned) };
}

/** The step of `on-request`: nothing goes on, everything else is an answer. */
export function step(returned) {
  return returned === undefined || returned === null ? { tag: 'next' } : outcome(returned);
}

/** The reply of `on-message`. */
export function reply(returned) {
  if (returned === undefined || returned === null) return { tag: 'nothing' };
  if (returned === Close) return { tag: 'close', val: null };
  if (returned instanceof Uint8Array) return { tag: 'message', val: { tag: 'binary', val: returned } };
  if (typeof returned === 'string') return { tag: 'message', val: { tag: 'text', val: returned } };
  if (isPlain(returned)) return { tag: 'message', val: { tag: 'text', val: JSON.stringify(returned) } };
  throw new TypeError(`onMessage returned ${named(returned)}: it returns a text, a Uint8Array, an object for JSON, Close or nothing`);
}

function body(returned) {
  if (returned instanceof Reply) {
    const { body: content, status, fields } = returned;
    if (status !== undefined) response.status = status;
    for (const [name, value] of Object.entries(fields)) {
      for (const line of Array.isArray(value) ? value : [value]) response.appendField(name, line);
    }
    return content === undefined || content === null ? NOTHING : body(content);
  }
  const bytes = chunk(returned);
  if (bytes) return bytes;
  if (typeof returned.then === 'function') {
    throw new TypeError('a handler is no async function: each call of this host returns when it is done, so no `await` is needed');
  }
  if (!isPlain(returned) && typeof returned[Symbol.iterator] === 'function') {
    writeAll(returned);
    return NOTHING;
  }
  if (isPlain(returned)) {
    if (!response.fields.some(([name, value]) => name === 'content-type' && isJson(value))) {
      host.setField('content-type', encode('application/json'));
    }
    return encode(JSON.stringify(returned));
  }
  throw new TypeError(`a handler returned ${named(returned)}: it returns a text, a Uint8Array, an iterator of them, an object or array for JSON, reply(...), true or nothing`);
}

function writeAll(chunks) {
  for (const piece of chunks) {
    const bytes = chunk(piece);
    if (!bytes) throw new TypeError(`a handler yielded ${named(piece)}: a chunk is a text or a Uint8Array`);
    // An empty chunk would end the response.
    if (bytes.length > 0) host.write(bytes);
  }
}

function chunk(value) {
  if (typeof value === 'string') return encode(value);
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return undefined;
}

function isPlain(value) {
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value) || [Object.prototype, null].includes(Object.getPrototypeOf(value));
}

function isJson(value) {
  return /^application\/([\w.-]+\+)?json\b/.test(value);
}

function named(value) {
  return typeof value === 'object' ? (value.constructor?.name ?? 'an object') : `${typeof value} ${String(value)}`;
}
