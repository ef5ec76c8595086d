// From a place in what was built to the place in the source.

// What `build.js` puts in front of a component: the files of the handler, and for each line that was built of them its
// segments: the column where one begins, its file by number, and the line and the column there, all counted from 0.
const map = globalThis.__vibratoSourceMap;

/** Where something was thrown: the lines of its stack that are of the handler, as `    at name (path:line:column)`. */
export function trace(error) {
  const lines = String(error?.stack ?? '').split('\n');
  return lines.map(placed).filter((line) => line !== undefined);
}

function placed(text) {
  const [, name, line, column] = /^\s*at (?:(.*) )?\(?[^()]*?:(\d+):(\d+)\)?$/.exec(text) ?? [];
  const segments = map?.lines[Number(line) - 1] ?? [];
  const found = segments.findLast(([start]) => start < Number(column));
  if (found === undefined) return undefined;
  const place = `${map.sources[found[1]]}:${found[2] + 1}:${found[3] + 1}`;
  return name && name !== '<anonymous>' ? `    at ${name} (${place})` : `    at ${place}`;
}
