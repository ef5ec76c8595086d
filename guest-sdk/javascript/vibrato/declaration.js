// What a handler declares: the functions that its module exports, and `route`.

import { DeclarationError } from './errors.js';

const FUNCTIONS = { handle: 'handle', onRequest: 'on-request', onResponse: 'on-response', onMessage: 'on-message' };

/** The functions of a module, by the names that the host has for them. */
export function functionsOf(exported) {
  const found = {};
  for (const [name, ofHost] of Object.entries(FUNCTIONS)) {
    if (typeof exported[name] === 'function') found[ofHost] = exported[name];
  }
  if (typeof exported.default === 'function') found.handle ??= exported.default;
  return found;
}

/** What `export const route = { path: '/hello', rate: 2_097_152 }` says. */
export function declaration(exported) {
  const route = exported.route ?? {};
  if (typeof route !== 'object' || Array.isArray(route)) {
    throw new DeclarationError("`route` is no object: write export const route = { path: '/hello' }");
  }
  const { path, paths, method, methods, ...options } = route;
  return {
    paths: texts('path', path ?? paths),
    methods: texts('method', method ?? methods),
    options: Object.entries(options).map(([name, value]) => [name, option(name, value)]),
  };
}

function texts(name, value) {
  const list = value === undefined ? [] : Array.isArray(value) ? value : [value];
  if (list.every((item) => typeof item === 'string')) return list;
  throw new DeclarationError(`\`${name}\` of \`route\` is no text and no list of texts`);
}

const LISTS = { boolean: 'booleans', integer: 'integers', float: 'floats', text: 'texts' };

function option(name, value) {
  if (!Array.isArray(value)) return scalar(name, value);
  const items = value.map((item) => scalar(name, item));
  const tags = new Set(items.map((item) => item.tag));
  if (tags.size === 0) return { tag: 'texts', val: [] };
  if (tags.size === 1) return { tag: LISTS[items[0].tag], val: items.map((item) => item.val) };
  if ([...tags].every((tag) => ['integer', 'float'].includes(tag))) return { tag: 'floats', val: value.map(Number) };
  throw new DeclarationError(`the option \`${name}\` of \`route\` is a list of values of different types`);
}

function scalar(name, value) {
  if (typeof value === 'boolean') return { tag: 'boolean', val: value };
  if (typeof value === 'string') return { tag: 'text', val: value };
  if (Number.isSafeInteger(value)) return { tag: 'integer', val: value };
  if (typeof value === 'number' && Number.isFinite(value)) return { tag: 'float', val: value };
  throw new DeclarationError(`the option \`${name}\` of \`route\` is no boolean, number, text, or list of these`);
}
