// UTF-8 by functions of the engine, which are quicker than a decoder in JavaScript.

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
