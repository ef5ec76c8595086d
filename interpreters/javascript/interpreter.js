// The interpreter of scripts in JavaScript and TypeScript: what the host calls.

import '../../guest-sdk/javascript/vibrato/globals.js';
import { program as programOfRequest } from 'vibrato:handler/script@0.1.0';
import * as calls from '../../guest-sdk/javascript/vibrato/calls.js';
import { declaration, functionsOf } from '../../guest-sdk/javascript/vibrato/declaration.js';
import { DeclarationError } from '../../guest-sdk/javascript/vibrato/errors.js';
import { print } from '../../guest-sdk/javascript/vibrato/globals.js';
import { response } from '../../guest-sdk/javascript/vibrato/index.js';
import { encode } from '../../guest-sdk/javascript/vibrato/text.js';
import { Program, ScriptError, build } from './program.js';

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

export const handle = () => calls.handle(load, fail);
export const onRequest = () => calls.onRequest(load, fail);
export const onResponse = () => calls.onResponse(load, fail);
export const onMessage = (message) => calls.onMessage(load, fail, message);

// With `reuse` the modules are kept from one request to the next.
let program;

function load() {
  program ??= Program.parse(programOfRequest());
  return functionsOf(program.main());
}

function fail(error) {
  const lines = described(error, program);
  print(lines);
  response.fail(lines.split('\n')[0]);
}

/** What is wrong, and where: `TypeError: x is not a function (hello.js:3)` and a line for each call. */
function described(error, program) {
  if (error instanceof ScriptError || error instanceof DeclarationError) return error.message;
  const trace = program?.trace(error) ?? [];
  const place = /([^\s(]+:\d+):\d+\)?$/.exec(trace[0] ?? '')?.[1];
  const what = calls.described(error);
  return [place ? `${what} (${place})` : what, ...trace].join('\n');
}
