// Texts and bytes. UTF-8 is by functions of the engine, which are quicker than a decoder in JavaScript.

import { RequestError } from './errors.js';

// How many bytes become text in one call.
const PIECE = 8192;

/** The bytes of a text. A surrogate without its other half becomes U+FFFD. */
export function encode(text) {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return encodeAny(text.toWellFormed());
    bytes[index] = code;
  }
  return bytes;
}

function encodeAny(text) {
  const binary = unescape(encodeURIComponent(text));
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

/** A text with one character for each byte. */
export function binaryText(bytes) {
  let text = '';
  for (let start = 0; start < bytes.length; start += PIECE) {
    text += String.fromCharCode.apply(null, bytes.subarray(start, start + PIECE));
  }
  return text;
}

/** The text of bytes; `undefined` if they are not UTF-8. */
export function decode(bytes) {
  const binary = binaryText(bytes);
  try {
    return decodeURIComponent(escape(binary));
  } catch {
    return undefined;
  }
}

// What windows-1252 has from 0x80 to 0x9f.
const WINDOWS = '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f\
\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178';

const CHARSETS = {
  'utf-8': decode,
  'us-ascii': (bytes) => (bytes.every((byte) => byte < 0x80) ? binaryText(bytes) : undefined),
  'iso-8859-1': binaryText,
  'windows-1252': (bytes) => binaryText(bytes).replace(/[\u0080-\u009f]/g, (character) => WINDOWS[character.charCodeAt(0) - 0x80]),
  'utf-16le': (bytes) => decodeUtf16(bytes, 0, 1),
  'utf-16be': (bytes) => decodeUtf16(bytes, 1, 0),
};

const OTHER_NAMES = { utf8: 'utf-8', ascii: 'us-ascii', latin1: 'iso-8859-1', 'latin-1': 'iso-8859-1', cp1252: 'windows-1252' };

/** The text of bytes in a charset. `undefined` if they are not in it; the error says that it is not known. */
export function decodeAs(bytes, charset) {
  const name = charset.toLowerCase();
  const known = (Object.hasOwn(OTHER_NAMES, name) ? OTHER_NAMES[name] : name);
  if (!Object.hasOwn(CHARSETS, known)) throw new RequestError(`the charset ${JSON.stringify(name.slice(0, 40))} is not known`, 415);
  return CHARSETS[known](bytes);
}

function decodeUtf16(bytes, low, high) {
  if (bytes.length % 2 !== 0) return undefined;
  let text = '';
  for (let at = 0; at < bytes.length; at += 2) text += String.fromCharCode(bytes[at + low] | (bytes[at + high] << 8));
  return text.isWellFormed() ? text : undefined;
}
