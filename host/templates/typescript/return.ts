// Returns its body whole.

import type { Request, Result } from 'vibrato';

export const route = { content_type: 'text/plain; charset=utf-8' };

export default function greet(request: Request): Result {
  // NAME.toml names the path, and what it captures.
  return `Hello, ${request.params.name}!\n`;
}
