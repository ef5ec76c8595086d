// Random numbers for each request. QuickJS has its own state made when the component is built: without this
// `Math.random()` returns the same numbers in every instance, for everybody. There is no `crypto` without it either.

import { getRandomBytes, getRandomU64 } from 'wasi:random/random@0.2.12';

const INTEGERS = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array,
];
const MAX_BYTES = 65_536;

// Nothing is kept from one call to the next, which the build would freeze. Numbers next to 1 are rounded to it.
Math.random = () => (getRandomU64() / 2 ** 64) % 1;

globalThis.crypto = Object.freeze({
  getRandomValues(array) {
    if (!INTEGERS.some((type) => array instanceof type)) {
      throw new DOMException('the argument is no typed array of integers', 'TypeMismatchError');
    }
    if (array.byteLength > MAX_BYTES) {
      throw new DOMException(`the array has more than ${MAX_BYTES} bytes`, 'QuotaExceededError');
    }
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(getRandomBytes(array.byteLength));
    return array;
  },

  randomUUID() {
    const bytes = getRandomBytes(16);
    // RFC 9562 section 5.4: the version and the variant.
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  },
});
