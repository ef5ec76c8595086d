// Builds the component of a project, or runs its unit tests:
//
//     node vibrato/build.js NAME.wasm
//     node vibrato/build.js test
//
// `TOOLS` names the folder that has the tools of `./build` in its `node_modules`.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const modules = resolve(process.env.TOOLS ?? '.tools', 'node_modules');
const require = createRequire(join(modules, 'any.js'));
const esbuild = require('esbuild');

// The package is a part of the project; what it needs is among the tools.
const common = {
  bundle: true,
  format: 'esm',
  alias: { vibrato: resolve('vibrato') },
  nodePaths: [modules],
  logLevel: 'warning',
};

async function component(file) {
  const built = await esbuild.build({
    ...common,
    entryPoints: ['main.js'],
    target: 'es2023',
    external: ['vibrato:*', 'wasi:*'],
    sourcemap: 'external',
    sourcesContent: false,
    outdir: '.',
    write: false,
  });
  const [map, code] = [/\.map$/, /\.js$/].map((name) => built.outputFiles.find(({ path }) => name.test(path)).text);
  // On the first line, so that no other one moves.
  const source = `globalThis.__vibratoSourceMap = ${JSON.stringify(ofHandler(JSON.parse(map)))}; ${code}`;
  const { componentize } = await import(pathToFileURL(require.resolve('componentize-qjs')));
  // `sync`: handlers have no async functions; without it the component needs a host that has.
  const { component } = await componentize({ witPath: 'wit', world: 'javascript', jsSource: source, sync: true });
  writeFileSync(file, component);
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Of a source map (ECMA-426) what stack traces show: what is of this project, and not of packages. */
function ofHandler({ sources, mappings }) {
  const isShown = sources.map((source) => !/^\.\.\/|^vibrato\/|(^|\/)node_modules\//.test(source));
  const lines = {};
  const state = [0, 0, 0];
  for (const [line, segments] of mappings.split(';').entries()) {
    let start = 0;
    for (const segment of segments === '' ? [] : segments.split(',')) {
      const [generated, ...place] = numbers(segment);
      start += generated;
      for (const [at, step] of place.slice(0, 3).entries()) state[at] += step;
      if (place.length > 0 && isShown[state[0]]) (lines[line] ??= []).push([start, ...state]);
    }
  }
  return { sources, lines };
}

/** The numbers of a segment, in base 64 VLQ. */
function numbers(segment) {
  const found = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit < 32) {
      found.push(value & 1 ? -(value >> 1) : value >> 1);
      value = 0;
      shift = 0;
    }
  }
  return found;
}

async function test() {
  const tests = readdirSync('.').filter((name) => /\.test\.[jt]s$/.test(name));
  if (tests.length === 0) throw new Error('there is no test: write one in app.test.js');
  const folder = mkdtempSync(join(tmpdir(), 'vibrato-test-'));
  try {
    await esbuild.build({
      ...common,
      entryPoints: tests,
      platform: 'node',
      target: 'node20',
      conditions: ['vibrato-testing'],
      sourcemap: 'inline',
      outdir: folder,
      outExtension: { '.js': '.mjs' },
    });
    const built = readdirSync(folder).map((name) => join(folder, name));
    return spawnSync(process.execPath, ['--enable-source-maps', '--test', ...built], { stdio: 'inherit' }).status ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  const [what] = process.argv.slice(2);
  if (what === 'test') process.exitCode = await test();
  else await component(what);
} catch (error) {
  // esbuild has told its errors itself.
  if (error.errors === undefined) console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
