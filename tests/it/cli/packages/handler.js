// What a handler says with the package: one answer for each path. The same file is a script and a component.

import { Close, RequestError, config, context, escapeHtml, event, kv, options, redirect, reply, request, response } from 'vibrato';

export const route = { path: '/own/{what}', greeting: 'Hi', numbers: [1, 2] };

const answers = {
  query: () => request.query.getAll('x').join('|'),
  cookies: () => {
    response.setCookie('seen', 'a b');
    return `${request.cookies.a} ${request.cookies.b}`;
  },
  form: () => [...request.form()],
  parts: () => Array.from(request.parts(), (part) => [part.name, part.filename ?? null, part.contentType, part.text()]),
  first: () => {
    for (const part of request.parts(100_000_000)) return `${part.name} ${[...part].length > 1}`;
  },
  small: () => Array.from(request.parts(200), (part) => part.body(10).length),
  json: () => request.json(),
  text: () => request.text(),
  length: () => {
    let length = 0;
    for (const piece of request) length += piece.length;
    return String(length);
  },
  prefers: () => request.prefers('text/html', 'application/json') ?? 'neither',
  redirect: () => redirect('/elsewhere'),
  status: () => reply({ made: true }, { status: 201, fields: { 'x-a': ['1', '2'] } }),
  object: () => ({ a: [1, null], b: 'ü' }),
  bytes: () => Uint8Array.of(104, 105),
  chunks: function* () {
    yield 'a';
    yield '';
    yield Uint8Array.of(98);
  },
  close: () => Close,
  option: () => `${options.get('greeting')} ${options.get('numbers')} ${options.get('absent') ?? 'none'}`,
  denied: () => kv.get('a'),
  bad: () => {
    throw new RequestError('no <such> thing', 404);
  },
  fails: () => inner(),
  html: () => escapeHtml(`<${config.get('absent')}&"'>${context.get('absent')}${event('x', { name: 'n' }).length}`),
};

export default function own(request, response) {
  return answers[request.params.what](request, response);
}

function inner() {
  return JSON.parse('null').missing;
}
