// Shows both directions at once: each piece of the request's body is sent back as it arrives.

import * as request from 'vibrato:handler/request@0.1.0';
import * as response from 'vibrato:handler/response@0.1.0';

// The most bytes of one piece; the host gives no more than the route's `buffer_size`.
const MAX_PIECE = 65_536;

export function handle() {
  response.setField('content-type', request.field('content-type') ?? ascii('application/octet-stream'));
  try {
    // The end is `null` in QuickJS and `undefined` in StarlingMonkey.
    for (let piece = request.read(MAX_PIECE); piece != null; piece = request.read(MAX_PIECE)) {
      response.write(piece);
    }
  } catch (error) {
    // What the host refused: `incomplete`, `closed`, ...
    response.fail(`cannot echo: ${error.payload ?? error}`);
  }
  return { tag: 'body', val: new Uint8Array() };
}

// QuickJS has no TextEncoder.
function ascii(text) {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
