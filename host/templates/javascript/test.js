// `./build test` runs it: without a host.

import assert from 'node:assert/strict';
import test from 'node:test';
import { call } from 'vibrato/testing';
import * as app from './app';

test('it greets by name', () => {
  const response = call(app, { path: '/NAME/Ada', params: { name: 'Ada' } });
  assert.equal(response.status, 200);
  assert.equal(response.text(), 'Hello, Ada!\n');
});
