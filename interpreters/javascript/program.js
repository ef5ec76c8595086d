// From the files of a script to a program, and from the program to its modules.
//
// The modules are translated when the script is loaded: types are removed, and `import` and `export` become calls. A
// program is JSON in ASCII. Each module is compiled behind as many empty lines as those before it have together, so that
// a line in a stack trace tells its file.

import { transform } from 'sucrase';
import * as vibrato from '../../guest-sdk/javascript/vibrato/index.js';
import { binaryText, decode } from '../../guest-sdk/javascript/vibrato/text.js';

const API = 'vibrato';

/** A mistake of the script's author, told without a stack. */
export class ScriptError extends Error {}

/** Makes a program of the files of a script, of which the first is the script. */
export function build(files) {
  let line = 0;
  const modules = files.map(({ path, content }) => {
    const source = decode(content);
    if (source === undefined) throw new ScriptError(`${path}: it is not UTF-8`);
    const module = { path, line, code: translated(path, source) };
    line += source.split('\n').length + 1;
    return module;
  });
  const json = JSON.stringify(modules);
  return json.replace(/[\u007f-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function translated(path, source) {
  const transforms = path.endsWith('.ts') ? ['typescript', 'imports'] : ['imports'];
  try {
    return transform(source, { transforms, production: true, preserveDynamicImport: true }).code;
  } catch (error) {
    // sucrase ends its message with the place: `... (3:10)`.
    const [, reason, line] = /^(.*) \((\d+):\d+\)$/s.exec(error.message) ?? [undefined, error.message, undefined];
    const place = line === undefined ? path : `${path}:${line}`;
    throw new ScriptError(`${place}: SyntaxError: ${reason.replace(/^Error transforming [^:]*: /, '')}`);
  }
}

/** The modules of a program, which run when they are first imported. */
export class Program {
  #modules;
  #loaded = new Map();

  constructor(modules) {
    this.#modules = modules;
  }

  static parse(bytes) {
    return new Program(JSON.parse(binaryText(bytes)));
  }

  /** Runs the script, and returns what it exports. */
  main() {
    return this.#run(this.#modules[0]);
  }

  #run(module) {
    const loaded = this.#loaded.get(module.path);
    if (loaded) return loaded.exports;
    const instance = { exports: {} };
    this.#loaded.set(module.path, instance);
    const source = `${'\n'.repeat(module.line)}(function (exports, require, module) {${module.code}\n})`;
    const require = (name) => this.#import(name, module.path);
    // The text is the module's own: nothing else runs in this sandbox.
    (0, eval)(source).call(undefined, instance.exports, require, instance);
    return instance.exports;
  }

  #import(name, from) {
    if (name === API) return vibrato;
    const path = name.startsWith('.') ? resolved(name, from) : undefined;
    const wanted = path === undefined ? [] : [path, `${path}.js`, `${path}.ts`, `${path}/index.js`, `${path}/index.ts`];
    const module = this.#modules.find((module) => wanted.includes(module.path));
    if (module) return this.#run(module);
    throw new ScriptError(
      `${from}: there is no module "${name}": a script imports "${API}", and files of the folder lib beside it, as "./lib/name.js"`,
    );
  }

  /** Where something was thrown: the lines of its stack that are of the script, as `    at name (path:line:column)`. */
  trace(error) {
    const lines = String(error?.stack ?? '').split('\n');
    return lines.map((line) => this.#placed(line)).filter((line) => line !== undefined);
  }

  #placed(line) {
    const [, before, number, column] = /^(.*)<input>:(\d+):(\d+)/.exec(line) ?? [];
    const place = this.#place(Number(number));
    return place && `${before.replace('<anonymous> (', '(')}${place.path}:${place.line}:${column}${before.includes('(') ? ')' : ''}`;
  }

  #place(line) {
    const module = this.#modules.findLast((module) => module.line < line);
    return module && { path: module.path, line: line - module.line };
  }
}

/** Where a module is that another one imports: `./lib/a.js` in `shop/hello.js` is `shop/lib/a.js`. */
function resolved(name, from) {
  const parts = from.split('/').slice(0, -1);
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}
