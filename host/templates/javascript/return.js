// Returns its body whole.

export const route = { content_type: 'text/plain; charset=utf-8' };

/** @type {import('vibrato').Handler} */
export default function greet(request) {
  // NAME.toml names the path, and what it captures.
  return `Hello, ${request.params.name}!\n`;
}
