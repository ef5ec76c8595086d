// The interpreter of scripts in JavaScript and TypeScript: what the host calls.

import './globals.js';
import { program as programOfRequest } from 'vibrato:handler/script@0.1.0';
import { declaration, functionsOf } from './declaration.js';
import { print } from './globals.js';
import { outcome, reply, step } from './outcome.js';
import { Program, ScriptError, build } from './program.js';
import { encode } from './utf8.js';
import { RequestError, reply as answer, request, response, started } from './vibrato.js';

/** Checks a script, and finds out what it declares. */
export function prepare(files) {
  const text = build(files);
  const program = new Program(JSON.parse(text));
  try {
    const exported = program.main();
    return { declaration: declaration(exported), functions: Object.keys(functionsOf(exported)), program: encode(text) };
  } catch (error) {
    throw { payload: described(error, program) };
  }
}

export function handle() {
  return call('handle', (result) => outcome(result), { tag: 'body', val: new Uint8Array() });
}

export function onRequest() {
  return call('on-request', (result) => step(result), { tag: 'next' });
}

export function onResponse() {
  call('on-response', () => undefined, undefined);
}

export function onMessage(message) {
  return call('on-message', (result) => reply(result), { tag: 'nothing' }, message.val);
}

// With `reuse` the modules are kept from one request to the next.
let program;

function call(name, converted, failed, ...before) {
  try {
    program ??= Program.parse(programOfRequest());
    started();
    return converted(functionsOf(program.main())[name](...before, request, response));
  } catch (error) {
    // The client is to blame, and nothing was sent yet.
    if (error instanceof RequestError) {
      const fields = { 'content-type': 'text/plain; charset=utf-8' };
      return converted(answer(`${error.message}\n`, { status: error.status, fields }));
    }
    // The client has gone, or asked for the head alone: nobody reads the rest.
    if (error?.payload !== 'closed') fail(error);
    return failed;
  }
}

function fail(error) {
  const lines = described(error, program);
  print(lines);
  response.fail(lines.split('\n')[0]);
}

/** What is wrong, and where: `TypeError: x is not a function (hello.js:3)` and a line for each call. */
function described(error, program) {
  if (error instanceof ScriptError) return error.message;
  const trace = program?.trace(error) ?? [];
  const place = /([^\s(]+:\d+):\d+\)?$/.exec(trace[0] ?? '')?.[1];
  const isThrown = error instanceof Error || error?.payload === undefined;
  const what = isThrown ? String(error) : `the host refused a call: ${shown(error.payload)}`;
  return [place ? `${what} (${place})` : what, ...trace].join('\n');
}

function shown(payload) {
  return typeof payload === 'string' ? payload : (payload.tag ?? '') + (payload.val === undefined ? '' : `: ${payload.val}`);
}
