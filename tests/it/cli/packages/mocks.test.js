// What a unit test can say of a request, and see of a response.

import assert from 'node:assert/strict';
import test from 'node:test';
import { config, context, http, kv, push, request, response } from 'vibrato';
import { call, callOnMessage, callOnRequest, callOnResponse } from 'vibrato/testing';
import * as app from './handler';

test('parts of the request, and options that the module declares', () => {
  const answer = call(app, { path: '/own/query?x=1&x=2', params: { what: 'query' } });
  assert.deepEqual([answer.status, answer.text(), answer.outcome], [200, '1|2', 'body']);
  assert.equal(call(app, { params: { what: 'option' }, options: { absent: 'none at all' } }).text(), 'Hi 1,2 none at all');
  const seen = call({ default: () => [request.method, request.peer, request.version, request.field('a')] }, {
    method: 'PUT',
    peer: '192.0.2.1',
    version: '1.0',
    fields: { A: ['1', '2'] },
  });
  assert.deepEqual(seen.json(), ['PUT', '192.0.2.1', '1.0', '1, 2']);
});

test('a body, in pieces', () => {
  const fields = { 'content-type': 'multipart/form-data; boundary=x' };
  const body = '--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--';
  for (const pieces of [body, [...body], [body.slice(0, 3), '', body.slice(3)]]) {
    assert.deepEqual(call(app, { params: { what: 'form' }, fields, body: pieces }).json(), [['a', '1']]);
  }
});

test('chunks, fields and a status', () => {
  const chunks = call(app, { params: { what: 'chunks' } });
  assert.deepEqual([chunks.text(), chunks.chunks.length], ['ab', 2]);
  const made = call(app, { params: { what: 'status' } });
  assert.deepEqual([made.status, made.json(), made.field('X-A')], [201, { made: true }, '1']);
  assert.equal(call(app, { params: { what: 'close' } }).outcome, 'close');
  const late = call({ default: () => (response.write('a'), (response.status = 404)) });
  assert.match(late.failure ?? '', /head-already-sent/);
});

test('failures, and what the client did wrong', () => {
  const failed = call(app, { params: { what: 'fails' } });
  assert.equal(failed.status, 500);
  assert.ok(failed.error instanceof TypeError);
  assert.equal(call(app, { params: { what: 'bad' } }).status, 404);
  assert.match(call(app, { params: { what: 'denied' } }).failure ?? '', /denied/);
});

test('stores, settings and the context', () => {
  const handler = {
    default: () => {
      kv.set('new', String(config.get('name')));
      kv.delete('old');
      context.set('user', 'Grace');
      return [kv.increment('count', 2), kv.compareAndSwap('a', '1', '2'), [...kv.list()], kv.open('other').get('b') ?? null];
    },
  };
  const settings = { kv: { count: '5', a: '1', old: '' }, stores: { other: { b: 'c' } }, config: { name: 'Ada' } };
  const answer = call(handler, settings);
  assert.deepEqual(answer.json(), [7, true, ['a', 'count', 'new'], 'c']);
  assert.deepEqual([answer.stored('new'), answer.stored('a'), answer.stored('old')], ['Ada', '2', undefined]);
  assert.deepEqual(answer.context.user, new TextEncoder().encode('Grace'));
});

test('other servers, which the test answers', () => {
  const handler = { default: () => http.post('https://api.example/v1', { json: { a: 1 } }).json() };
  const answer = call(handler, { http: ({ url }) => (url.includes('api') ? { json: { got: url } } : undefined) });
  assert.deepEqual(answer.json(), { got: 'https://api.example/v1' });
  const [sent] = answer.calls;
  assert.deepEqual([sent?.method, new TextDecoder().decode(sent?.body)], ['POST', '{"a":1}']);
  assert.match(call(handler).failure ?? '', /denied/);
});

test('topics', () => {
  const handler = { default: () => (push.subscribe('room'), push.publish('room', 'hi') === 3) };
  const answer = call(handler, { subscribers: 3 });
  assert.deepEqual([answer.outcome, answer.subscribed, answer.published.length], ['manual', ['room'], 1]);
});

test('middleware and messages', () => {
  const middleware = {
    onRequest: () => (request.field('authorization') === undefined ? 'who are you?' : undefined),
    onResponse: () => response.setField('x-seen', String(response.status)),
    onMessage: (/** @type {string} */ message) => message.toUpperCase(),
  };
  assert.equal(callOnRequest(middleware).text(), 'who are you?');
  assert.equal(callOnRequest(middleware, { fields: { authorization: 'x' } }).outcome, 'next');
  assert.equal(callOnResponse(middleware, { response: { status: 404 } }).field('x-seen'), '404');
  assert.equal(callOnMessage(middleware, 'hi').returned.val.val, 'HI');
});

test('there is no request outside of a call', () => {
  assert.throws(() => request.method, /call the handler with `call`/);
});
