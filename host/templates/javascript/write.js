// Writes its body: each `write` is one chunk, and returns once there is room for more.

import * as request from 'vibrato:handler/request@0.1.0';
import * as response from 'vibrato:handler/response@0.1.0';

export function handle() {
  // The head goes out with the first chunk: from then on it is too late for a status or a field.
  response.setField('content-type', utf8('text/plain; charset=utf-8'));
  // NAME.toml names the path, and what it captures.
  const { name } = Object.fromEntries(request.params());
  // What is thrown and not caught is a 500, or a response that breaks off.
  try {
    response.write(utf8('Hello, '));
    response.write(utf8(`${name}!\n`));
  } catch (error) {
    // The client has gone, or asked for the head alone: nobody reads the rest.
    if (error.payload !== 'closed') throw error;
  }
  // An empty body ends the response. The outcome `close` would close the connection.
  return { tag: 'body', val: new Uint8Array() };
}

// QuickJS has no TextEncoder.
function utf8(text) {
  return Uint8Array.from(unescape(encodeURIComponent(text)), (byte) => byte.charCodeAt(0));
}
