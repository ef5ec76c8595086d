// Yields its body: each chunk is written as it is made.

export const route = { content_type: 'text/plain; charset=utf-8' };

/** @type {import('vibrato').Handler} */
export default function* greet(request) {
  yield 'Hello, ';
  // Resumes once there is room for more: a long body takes no memory. NAME.toml names the path, and what it captures.
  yield `${request.params.name}!\n`;
}
