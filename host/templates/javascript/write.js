// Writes its body: each `write` is one chunk, and returns once there is room for more.

export const route = { content_type: 'text/plain; charset=utf-8' };

/** @type {import('vibrato').Handler} */
export default function greet(request, response) {
  // The head goes out with the first chunk: from then on it is too late for a status or a field.
  response.write('Hello, ');
  // NAME.toml names the path, and what it captures.
  response.write(`${request.params.name}!\n`);
  // An empty body ends the response. Nothing, as `undefined` is, would close the connection.
  return '';
}
