// Greets whoever the path names.

addEventListener('fetch', (event) => event.respondWith(greet(event.request)));

async function greet(request) {
  // NAME.toml says which paths come here.
  const name = decodeURIComponent(new URL(request.url).pathname.split('/').pop());
  return new Response(`Hello, ${name}!\n`, { headers: { 'content-type': 'text/plain; charset=utf-8' } });
}
