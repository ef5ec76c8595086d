// Yields its body: each chunk is written as it is made.

import type { Request } from 'vibrato';

export const route = { content_type: 'text/plain; charset=utf-8' };

export default function* greet(request: Request): Generator<string> {
  yield 'Hello, ';
  // Resumes once there is room for more: a long body takes no memory. NAME.toml names the path, and what it captures.
  yield `${request.params.name}!\n`;
}
