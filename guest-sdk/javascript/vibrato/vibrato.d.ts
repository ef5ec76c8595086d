// What handlers import as 'vibrato', in scripts and in components. For `console` and `URL`, TypeScript wants the library `dom`.

declare module 'vibrato' {
  /** What a handler returns or yields as a body. */
  export type Chunk = string | Uint8Array | ArrayBuffer;
  type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
  /** What a handler can return. */
  export type Result = Chunk | Iterable<Chunk> | Json | Reply | true | typeof Close | typeof Manual | undefined | void;

  /** Returned: force the connection closed. */
  export const Close: unique symbol;
  /** Returned: leave the response open. */
  export const Manual: unique symbol;

  /** The client sent something wrong. If it is not caught, the client is answered `status` and the message. */
  export class RequestError extends Error {
    /** The status is 400 unless it says otherwise. */
    constructor(message: string, status?: number);
    status: number;
  }

  /** A handler: the default export of its module, or its export `handle`. */
  export type Handler = (request: Request, response: Response) => Result;

  export interface Request {
    /** `GET`; a HEAD request is seen as `HEAD`. */
    readonly method: string;
    /** The request target as it was sent. */
    readonly target: string;
    /** The path as it was sent, not percent-decoded. */
    readonly path: string;
    /** The query as it was sent, without its `?`. */
    readonly queryString: string;
    readonly query: URLSearchParams;
    /** What the route's pattern captured, percent-decoded. */
    readonly params: Record<string, string>;
    readonly version: '1.0' | '1.1';
    /** The client's address. */
    readonly peer: string;
    /** All fields, with names in lower case. */
    readonly fields: [string, string][];
    readonly cookies: Record<string, string>;
    readonly options: typeof options;
    /** One field by its name, in any case. */
    field(name: string): string | undefined;
    /** The whole body, of at most `limit` bytes: 1 MiB unless it says otherwise. */
    body(limit?: number): Uint8Array;
    /** The whole body as text, in the charset of its type, which is UTF-8 if it names none. */
    text(limit?: number): string;
    json(limit?: number): any;
    /** A form: urlencoded, or the texts of a multipart one. */
    form(limit?: number): URLSearchParams;
    /** The parts of a multipart form as they come. All of it has at most `limit` bytes: 1 MiB unless it says otherwise. */
    parts(limit?: number): Iterable<Part>;
    /** Which of some media types the client likes best. */
    prefers(...types: string[]): string | undefined;
    /** The pieces of the body as they come. */
    [Symbol.iterator](): Iterator<Uint8Array>;
  }

  /** A part of a multipart form. Read it before the next one is asked for. */
  export interface Part extends Iterable<Uint8Array> {
    readonly name: string;
    /** The name of a file, as the client says it: never a path to write to. */
    readonly filename: string | undefined;
    readonly contentType: string;
    /** The whole part, of at most `limit` bytes: 1 MiB unless it says otherwise. */
    body(limit?: number): Uint8Array;
    text(limit?: number): string;
  }

  export interface Cookie {
    /** Seconds. */
    maxAge?: number;
    path?: string;
    domain?: string;
    secure?: boolean;
    /** True unless it says otherwise. */
    httpOnly?: boolean;
    /** `Lax` unless it says otherwise. */
    sameSite?: 'Strict' | 'Lax' | 'None';
  }

  export interface Response {
    status: number;
    readonly fields: [string, string][];
    field(name: string): string | undefined;
    setField(name: string, value: string | Uint8Array): void;
    appendField(name: string, value: string | Uint8Array): void;
    removeField(name: string): void;
    /** In middleware: nobody after it changes the field. */
    sealField(name: string): void;
    setCookie(name: string, value: string, cookie?: Cookie): void;
    /** Writes a chunk, and returns once there is room for more. An empty one ends the response. */
    write(chunk: string | Uint8Array): void;
    close(): void;
    /** Gives up, for a reason that goes to the log. */
    fail(reason: string): void;
  }

  export const request: Request;
  export const response: Response;

  export class Reply {
    private constructor();
  }
  type Fields = Record<string, string | Uint8Array | (string | Uint8Array)[]>;
  /** An answer with a status and fields. */
  export function reply(body?: Chunk | Iterable<Chunk> | Json, settings?: { status?: number; fields?: Fields }): Reply;
  /** An answer that leads to another place: 303, or another status. */
  export function redirect(location: string, status?: number): Reply;

  type Option = boolean | number | string | boolean[] | number[] | string[];
  /** The options of the route, and those that its author invented. */
  export const options: { get(name: string): Option | undefined; all(): Record<string, Option> };
  /** Settings and secrets that the operator grants. */
  export const config: { get(name: string): string | undefined; all(): Record<string, string> };
  /** What middleware leaves for those after it. */
  export const context: {
    get(name: string): string | undefined;
    set(name: string, value: string | Uint8Array): void;
    seal(name: string): void;
    sealed(name: string): string | undefined;
  };

  export interface Store {
    get(key: string): string | undefined;
    getBytes(key: string): Uint8Array | undefined;
    /** The value expires after so many seconds, or never. */
    set(key: string, value: string | Uint8Array, settings?: { seconds?: number }): void;
    delete(key: string): void;
    list(prefix?: string): Generator<string>;
    increment(key: string, delta?: number): number;
    compareAndSwap(key: string, expected?: string | Uint8Array | null, value?: string | Uint8Array | null): boolean;
  }
  /** The key-value store of the route; `kv.open(name)` is another of its stores. */
  export const kv: Store & { open(name: string): Store };

  export interface UpstreamResponse {
    readonly status: number;
    /** Whether the status is from 200 to 299. */
    readonly ok: boolean;
    readonly fields: [string, string][];
    field(name: string): string | undefined;
    bytes(): Uint8Array;
    text(): string;
    json(): any;
    [Symbol.iterator](): Iterator<Uint8Array>;
  }
  interface Call {
    fields?: Record<string, string | Uint8Array>;
    body?: string | Uint8Array;
    json?: Json;
    /** Seconds, for each step. */
    timeout?: number;
  }
  /** Calls to other servers, if the operator grants them. */
  export const http: {
    request(method: string, url: string, call?: Call): UpstreamResponse;
    get(url: string, call?: Call): UpstreamResponse;
    post(url: string, call?: Call): UpstreamResponse;
  };

  /** Topics: what is published reaches the responses that were left open. */
  export const push: {
    subscribe(topic: string): void;
    publish(topic: string, chunk: string | Uint8Array): number;
    finish(topic: string): number;
    /**
     * Sends what was appended behind the event `lastId`, and what follows, on this response, which is an event stream. False
     * if some of it is no longer kept: then the client first gets an event `reset`.
     */
    subscribeAfter(topic: string, lastId?: string): boolean;
    /** Appends an event without an id to the history of a topic, and returns the id that it gets. */
    append(topic: string, event: string | Uint8Array): string;
  };
  /** An event of an event stream, as text. `retry` is in seconds. */
  export function event(data: string, settings?: { name?: string; id?: string; retry?: number }): string;
  /** A text for HTML, between tags and in an attribute with quotation marks. */
  export function escapeHtml(text: string): string;
}
