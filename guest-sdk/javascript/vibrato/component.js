// What a handler is built from: the component calls what the module of the handler exports.

import { handle, described } from './calls.js';
import { declaration, functionsOf } from './declaration.js';
import { print } from './globals.js';
import { response } from './index.js';
import { trace } from './source-map.js';

/** The exports of the component, for the exports of a handler's module. */
export function component(exported) {
  const functions = functionsOf(exported);
  if (functions.handle === undefined) {
    throw new Error('the handler exports no function: write `export default function (request, response) { … }`');
  }
  const declared = declaration(exported);
  return {
    handle: () => handle(() => functions, fail),
    describe: () => declared,
  };
}

function fail(error) {
  const frames = trace(error);
  const place = /\(?([^\s(]+:\d+):\d+\)?$/.exec(frames[0] ?? '')?.[1];
  const what = place ? `${described(error)} (${place})` : described(error);
  print([what, ...frames].join('\n'));
  response.fail(what);
}
