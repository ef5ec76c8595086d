// What unit tests import as 'vibrato/testing'.

declare module 'vibrato/testing' {
  type Bytes = string | Uint8Array;
  type Fields = Record<string, Bytes | Bytes[]> | [string, Bytes][];
  type Option = boolean | number | string | boolean[] | number[] | string[];

  /** A call to another server, which the test answers. */
  export interface UpstreamCall {
    method: string;
    url: string;
    fields: [string, string][];
    body: Uint8Array;
  }

  /** What the test says of the request. */
  export interface TestRequest {
    /** `GET` unless it says otherwise. */
    method?: string;
    /** The path and the query. */
    path?: string;
    fields?: Fields;
    /** The whole body, or the pieces in which it comes. */
    body?: Bytes | Iterable<Bytes>;
    /** What the pattern of the route captures. */
    params?: Record<string, string>;
    /** Options, beside those that the module declares. */
    options?: Record<string, Option>;
    config?: Record<string, string>;
    context?: Record<string, Bytes>;
    /** What the route's store has. Without it, and without `stores`, no store is granted. */
    kv?: Record<string, Bytes>;
    /** What other stores have, by their names. */
    stores?: Record<string, Record<string, Bytes>>;
    /** Answers a call to another server; `undefined` denies it. */
    http?: (call: UpstreamCall) => string | { status?: number; fields?: Fields; body?: Bytes; json?: unknown } | undefined;
    peer?: string;
    version?: '1.0' | '1.1';
    /** How many responses each topic reaches. */
    subscribers?: number;
    /** For `callOnResponse`: the response that the middleware sees. */
    response?: { status?: number; fields?: Fields };
  }

  export class TestResponse {
    private constructor();
    readonly status: number;
    /** The fields that were set, without those of the host. */
    readonly fields: [string, string][];
    /** What was written, each chunk by itself. */
    readonly chunks: Uint8Array[];
    /** What was written, and what was returned. */
    readonly body: Uint8Array;
    readonly outcome: 'body' | 'close' | 'manual' | 'next' | 'nothing' | 'message';
    /** What was returned, as the host is told. */
    readonly returned: any;
    /** Why it failed, if it has. */
    readonly failure: string | undefined;
    /** What it has thrown. */
    readonly error: unknown;
    readonly calls: UpstreamCall[];
    readonly context: Record<string, Uint8Array>;
    readonly subscribed: string[];
    readonly published: [string, Uint8Array][];
    readonly finished: string[];
    /** The topic whose history the response reads, and the id after which it begins. */
    readonly resumed: [string, string | undefined] | undefined;
    readonly appended: [string, Uint8Array][];
    text(): string;
    json(): any;
    field(name: string): string | undefined;
    /** What a store has afterwards. */
    stored(key: string, store?: string): string | Uint8Array | undefined;
  }

  /** The exports of a module. */
  type Module = { [name: string]: unknown };
  export function call(module: Module, request?: TestRequest): TestResponse;
  export function callOnRequest(module: Module, request?: TestRequest): TestResponse;
  export function callOnResponse(module: Module, request?: TestRequest): TestResponse;
  export function callOnMessage(module: Module, message: Bytes, request?: TestRequest): TestResponse;
}
