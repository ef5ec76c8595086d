// A guest book: a form, a cookie that remembers the visitor's name, entries in a key-value store, and a call to a webhook if
// the operator has set one.

import { config, escapeHtml, http, kv, redirect, reply } from 'vibrato';

export const route = { method: ['GET', 'POST'], max_body: 16_384 };

// How many entries the page shows.
const SHOWN = 50;

export default function guestBook(request, response) {
  return request.method === 'POST' ? sign(request, response) : page(request.cookies.name ?? '');
}

// Adds an entry, and leads back to the page.
function sign(request, response) {
  const form = request.form();
  const [name, text] = ['name', 'text'].map((field) => (form.get(field) ?? '').trim());
  if (!name || !text) return reply('<p>Both a name and a text, please.', { status: 400 });
  // The numbers have as many digits, so the keys are in the order of the entries, the last one first.
  const number = kv.increment('entries');
  kv.set(`entry-${String(Number.MAX_SAFE_INTEGER - number).padStart(16, '0')}`, `${name}\n${text}`);
  tell(name, text);
  response.setCookie('name', name, { maxAge: 31_536_000 });
  return redirect(request.path);
}

// Tells the webhook of an entry. It is in the book already, so a failure is only logged.
function tell(name, text) {
  const webhook = config.get('webhook');
  if (webhook === undefined) return;
  try {
    const fields = { 'content-type': 'text/plain; charset=utf-8' };
    const answer = http.post(webhook, { fields, body: `${name}: ${text}\n` });
    if (!answer.ok) console.log('the webhook answers', answer.status);
  } catch (error) {
    console.log('the webhook cannot be told:', error);
  }
}

// The page for a visitor, whose name may be known.
function* page(visitor) {
  const title = escapeHtml(config.get('title') ?? 'Guest book');
  yield `<!doctype html><meta charset=utf-8><title>${title}</title><h1>${title}</h1>`;
  yield `<form method=post><input name=name placeholder=Name value="${escapeHtml(visitor)}"> `;
  yield '<input name=text placeholder=Text size=60> <button>Sign</button></form>';
  for (const key of kv.list('entry-').take(SHOWN)) {
    const [name, text] = (kv.get(key) ?? '').split('\n');
    yield `<p><b>${escapeHtml(name)}</b>: ${escapeHtml(text)}`;
  }
  yield '\n';
}
