// Shows a handler that writes its body in two chunks.

import * as response from 'vibrato:handler/response@0.1.0';

export function handle() {
  response.write(ascii('Hello'));
  return { tag: 'body', val: ascii('World!') };
}

// QuickJS has no TextEncoder.
function ascii(text) {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
