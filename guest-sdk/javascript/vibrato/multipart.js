// Multipart forms (RFC 7578), part by part as they come.

import { RequestError } from './errors.js';
import { binaryText, decode, encode } from './text.js';

// The most bytes of the fields of one part.
const MAX_PART_HEAD = 16_384;
// The most parts.
const MAX_PARTS = 1000;
// The most bytes of a boundary (RFC 2046 section 5.1.1).
const MAX_BOUNDARY = 70;
// The most bytes of a part that is read whole, unless the handler says otherwise.
const MAX_PART = 1_048_576;

const [TAB, LF, CR, SPACE, DASH] = [9, 10, 13, 32, 45];
const END_OF_HEAD = encode('\r\n\r\n');

/** A part of a multipart form. Read it before the next one is asked for. */
export class Part {
  #pieces;

  constructor(head, pieces) {
    const disposition = fieldOf(head, 'content-disposition');
    this.name = parameter(disposition, 'name');
    // As the client says it: never a path to write to.
    this.filename = parameter(disposition, 'filename');
    this.contentType = fieldOf(head, 'content-type') ?? 'text/plain';
    this.#pieces = pieces;
  }

  /** The pieces as they come. */
  [Symbol.iterator]() { return this.#pieces; }

  /** The whole part, of at most `limit` bytes. */
  body(limit = MAX_PART) {
    return joined(this.#pieces, limit, 'a part of the form');
  }

  /** The whole part as text in UTF-8. */
  text(limit) {
    const text = decode(this.body(limit));
    if (text === undefined) throw new RequestError(`the part ${JSON.stringify(this.name)} of the form is not UTF-8`, 400);
    return text;
  }
}

/** All pieces as one, of at most `limit` bytes. */
export function joined(pieces, limit, what) {
  const kept = [];
  let length = 0;
  for (const piece of pieces) {
    length += piece.length;
    if (length > limit) throw new RequestError(`${what} has more than ${limit} bytes`, 413);
    kept.push(piece);
  }
  return concatenated(kept, length);
}

function concatenated(pieces, length) {
  if (pieces.length === 1) return pieces[0];
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** A parameter of a field such as `multipart/form-data; boundary="x"`. */
export function parameter(value, name) {
  for (const [, key, quoted, plain] of (value ?? '').matchAll(/;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/gs)) {
    if (key.toLowerCase() === name) return quoted === undefined ? plain : quoted.replace(/\\(["\\])/g, '$1');
  }
  return undefined;
}

function fieldOf(head, name) {
  for (const line of head.split('\r\n')) {
    const at = line.indexOf(':');
    if (at > 0 && line.slice(0, at).trim().toLowerCase() === name) return line.slice(at + 1).trim();
  }
  return undefined;
}

/** What was read ahead, and the rest of the body. */
class Source {
  #pieces;
  #left;
  #limit;

  constructor(pieces, limit) {
    this.#pieces = pieces;
    this.#left = limit;
    this.#limit = limit;
    // The first delimiter may come without a line break before it.
    this.ahead = encode('\r\n');
  }

  more() {
    const { value, done } = this.#pieces.next();
    if (done) throw new RequestError('the multipart form ends too early', 400);
    this.#left -= value.length;
    if (this.#left < 0) throw new RequestError(`the multipart form has more than ${this.#limit} bytes`, 413);
    this.ahead = concatenated([this.ahead, value], this.ahead.length + value.length);
  }

  take(length, after = 0) {
    const taken = this.ahead.slice(0, length);
    this.ahead = this.ahead.subarray(length + after);
    return taken;
  }
}

/** The parts of a body with this boundary. All of it has at most `limit` bytes. */
export function* readParts(pieces, boundary, limit) {
  if (boundary.length > MAX_BOUNDARY) throw new RequestError(`the boundary has more than ${MAX_BOUNDARY} bytes`, 400);
  const source = new Source(pieces, limit);
  const delimiter = encode(`\r\n--${boundary}`);
  drain(until(source, delimiter));
  for (let count = 0; !isLast(source); count += 1) {
    if (count === MAX_PARTS) throw new RequestError(`the multipart form has more than ${MAX_PARTS} parts`, 413);
    const head = headOf(source);
    const content = until(source, delimiter);
    const part = new Part(head, content);
    if (!part.name) throw new RequestError('a part of the multipart form has no name', 400);
    yield part;
    // What nobody has read.
    drain(content);
  }
}

function drain(pieces) {
  while (!pieces.next().done);
}

/** Whether the delimiter that was passed over was the last one. Otherwise the end of its line is next. */
function isLast(source) {
  for (;;) {
    while (source.ahead.length < 2) source.more();
    const [one, other] = source.ahead;
    if (one === DASH && other === DASH) return true;
    if (one === CR && other === LF) return false;
    // White space that a relay has added (RFC 2046 section 5.1.1).
    if (one !== SPACE && one !== TAB) throw new RequestError('a delimiter of the multipart form is malformed', 400);
    source.take(1);
  }
}

/** The fields of a part, up to the empty line. */
function headOf(source) {
  for (let from = 0; ; ) {
    const end = find(source.ahead, END_OF_HEAD, from);
    if (end > MAX_PART_HEAD || (end < 0 && source.ahead.length > MAX_PART_HEAD)) {
      throw new RequestError('the fields of a part of the multipart form are too large', 413);
    }
    if (end >= 0) {
      const bytes = source.take(end, END_OF_HEAD.length);
      return decode(bytes) ?? binaryText(bytes);
    }
    from = Math.max(0, source.ahead.length - END_OF_HEAD.length + 1);
    source.more();
  }
}

/** The bytes up to the delimiter, which is passed over. */
function* until(source, delimiter) {
  let at = find(source.ahead, delimiter);
  while (at < 0) {
    // The end may be the beginning of a delimiter.
    const ready = source.ahead.length - delimiter.length + 1;
    if (ready > 0) yield source.take(ready);
    source.more();
    at = find(source.ahead, delimiter);
  }
  const rest = source.take(at, delimiter.length);
  if (rest.length > 0) yield rest;
}

/** Where `wanted` is in `bytes`; -1 if it is nowhere. */
function find(bytes, wanted, from = 0) {
  for (let at = bytes.indexOf(wanted[0], from); at >= 0; at = bytes.indexOf(wanted[0], at + 1)) {
    if (at + wanted.length > bytes.length) return -1;
    let length = 1;
    while (length < wanted.length && bytes[at + length] === wanted[length]) length += 1;
    if (length === wanted.length) return at;
  }
  return -1;
}
