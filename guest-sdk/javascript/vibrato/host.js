// What the host offers. In unit tests `testing/host.js` is in its place: see `imports` of `package.json`.

export * as config from 'vibrato:handler/config@0.1.0';
export * as context from 'vibrato:handler/context@0.1.0';
export * as http from 'vibrato:handler/http-client@0.1.0';
export * as kv from 'vibrato:handler/key-value@0.1.0';
export * as options from 'vibrato:handler/options@0.1.0';
export * as push from 'vibrato:handler/push@0.1.0';
export * as request from 'vibrato:handler/request@0.1.0';
export * as response from 'vibrato:handler/response@0.1.0';
export * as seal from 'vibrato:handler/seal@0.1.0';
