// What handlers expect to be there and QuickJS lacks: `crypto` and random numbers that differ from request to request,
// `console`, `TextEncoder`, `TextDecoder`, `URL` and `URLSearchParams`.

import './random.js';
import 'core-js/web/url.js';
import 'core-js/web/url-search-params.js';
import 'core-js/web/structured-clone.js';
import 'fast-text-encoding';
import { getStderr } from 'wasi:cli/stderr@0.2.12';
import { encode } from './text.js';

// The most bytes that WASI takes in one write.
const MAX_WRITE = 4096;

function shown(value) {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return `${value}\n${value.stack ?? ''}`.trimEnd();
  if (typeof value === 'object' && value !== null) {
    try {
      return JSON.stringify(value);
    } catch {
      // It has a circle, or a number that JSON has not.
    }
  }
  return String(value);
}

/** Writes lines to the log of the handler. */
export function print(...values) {
  const bytes = encode(`${values.map(shown).join(' ')}\n`);
  const stderr = getStderr();
  for (let start = 0; start < bytes.length; start += MAX_WRITE) {
    stderr.blockingWriteAndFlush(bytes.subarray(start, start + MAX_WRITE));
  }
}

globalThis.console = Object.freeze({ log: print, info: print, debug: print, warn: print, error: print });
