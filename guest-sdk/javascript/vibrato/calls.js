// The functions of a handler, called for the host: what they return becomes what the host is told.

import { outcome, reply, step } from './outcome.js';
import { RequestError, reply as answer, request, response, started } from './index.js';

const NOTHING = new Uint8Array();

/** Calls `handle` of the functions that `load` returns. What is thrown goes to `fail`. */
export function handle(load, fail) {
  return call('handle', load, fail, outcome, { tag: 'body', val: NOTHING });
}

export function onRequest(load, fail) {
  return call('on-request', load, fail, step, { tag: 'next' });
}

export function onResponse(load, fail) {
  call('on-response', load, fail, () => undefined, undefined);
}

export function onMessage(load, fail, message) {
  return call('on-message', load, fail, reply, { tag: 'nothing' }, message.val);
}

function call(name, load, fail, converted, failed, ...before) {
  try {
    started();
    return converted(load()[name](...before, request, response));
  } catch (error) {
    return answered(error, converted) ?? refused(error, fail, failed);
  }
}

/** What the client is told if it is to blame. Nothing, if something was sent already. */
function answered(error, converted) {
  if (!(error instanceof RequestError)) return undefined;
  const fields = { 'content-type': 'text/plain; charset=utf-8' };
  try {
    return converted(answer(`${error.message}\n`, { status: error.status, fields }));
  } catch {
    return undefined;
  }
}

function refused(error, fail, failed) {
  // The client has gone, or asked for the head alone: nobody reads the rest.
  if (error?.payload !== 'closed') fail(error);
  return failed;
}

/** What was thrown, as a text: `TypeError: x is not a function`. */
export function described(error) {
  const isThrown = error instanceof Error || error?.payload === undefined;
  return isThrown ? String(error) : `the host refused a call: ${shown(error.payload)}`;
}

function shown(payload) {
  return typeof payload === 'string' ? payload : (payload.tag ?? '') + (payload.val === undefined ? '' : `: ${payload.val}`);
}
