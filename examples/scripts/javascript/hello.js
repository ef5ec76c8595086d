// Shows a script that yields its body: each text is one chunk.

export default function* hello() {
  yield 'Hello';
  yield 'World!';
}
