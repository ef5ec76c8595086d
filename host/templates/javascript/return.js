// Returns its body whole.

import * as request from 'vibrato:handler/request@0.1.0';
import * as response from 'vibrato:handler/response@0.1.0';

export function handle() {
  response.setField('content-type', utf8('text/plain; charset=utf-8'));
  // NAME.toml names the path, and what it captures.
  const { name } = Object.fromEntries(request.params());
  // What is returned is the body, after whatever was written before.
  return { tag: 'body', val: utf8(`Hello, ${name}!\n`) };
}

// QuickJS has no TextEncoder.
function utf8(text) {
  return Uint8Array.from(unescape(encodeURIComponent(text)), (byte) => byte.charCodeAt(0));
}
