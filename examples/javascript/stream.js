// Shows a long response: `/stream?chunks=N&size=M` writes N chunks of M bytes, unlimited.

import * as request from 'vibrato:handler/request@0.1.0';
import * as response from 'vibrato:handler/response@0.1.0';

// The largest chunk, in bytes: it is made in memory.
const MAX_SIZE = 1_048_576;

export function handle() {
  const chunks = number('chunks');
  const size = number('size');
  if (chunks === undefined || size === undefined || size < 1 || size > MAX_SIZE) {
    response.setStatus(400);
    response.setField('content-type', ascii('text/plain'));
    return { tag: 'body', val: ascii(`usage: /stream?chunks=N&size=M, with M from 1 to ${MAX_SIZE}\n`) };
  }
  response.setField('content-type', ascii('application/octet-stream'));
  const chunk = new Uint8Array(size).fill(0x78);
  for (let written = 0; written < chunks; written += 1) {
    response.write(chunk);
  }
  return { tag: 'body', val: new Uint8Array() };
}

// The parameter of the query, where it is a number of at most nine digits.
function number(name) {
  const parameters = (request.query() ?? '').split('&').map((parameter) => parameter.split('='));
  const value = parameters.find(([key]) => key === name)?.[1] ?? '';
  return /^[0-9]{1,9}$/.test(value) ? Number(value) : undefined;
}

// QuickJS has no TextEncoder.
function ascii(text) {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
