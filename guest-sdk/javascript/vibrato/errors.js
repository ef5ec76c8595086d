/** What a client did wrong. If it is not caught, the client is answered `status` and the message. */
export class RequestError extends Error {
  constructor(message, status = 400) {
    super(message);
    this.name = 'RequestError';
    this.status = status;
  }
}

/** What is wrong with `route`. */
export class DeclarationError extends Error {}
