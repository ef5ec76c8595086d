// Writes its body: each `write_chunk` is one chunk, and returns once there is room for more.

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "handler.h"

static handler_list_u8_t bytes(const char *text) {
    return (handler_list_u8_t){(uint8_t *)text, strlen(text)};
}

static void set_content_type(const char *value) {
    handler_string_t field;
    handler_string_set(&field, "content-type");
    handler_list_u8_t bytes_of_value = bytes(value);
    vibrato_handler_response_error_t refused;
    vibrato_handler_response_set_field(&field, &bytes_of_value, &refused);
}

// What the path captured under this key: a part of `params`. Without any it is empty.
static handler_list_u8_t captured(const handler_list_tuple2_string_string_t *params, const char *key) {
    for (size_t i = 0; i < params->len; i++) {
        handler_string_t found = params->ptr[i].f0, value = params->ptr[i].f1;
        if (found.len == strlen(key) && !memcmp(found.ptr, key, found.len)) {
            return (handler_list_u8_t){value.ptr, value.len};
        }
    }
    return bytes("");
}

// Both in a row, in memory from `malloc`.
static handler_list_u8_t joined(handler_list_u8_t a, handler_list_u8_t b) {
    handler_list_u8_t both = {malloc(a.len + b.len), a.len + b.len};
    if (!both.ptr) abort(); // A trap: it is a 500, or a response that breaks off, and a line of the host's log.
    memcpy(both.ptr, a.ptr, a.len);
    memcpy(both.ptr + a.len, b.ptr, b.len);
    return both;
}

// False where nobody reads the rest: the client has gone, or asked for the head alone.
static bool write_chunk(handler_list_u8_t chunk) {
    vibrato_handler_response_error_t refused;
    return vibrato_handler_response_write(&chunk, &refused);
}

void exports_handler_handle(handler_outcome_t *outcome) {
    // The head goes out with the first chunk: from then on it is too late for a status or a field.
    set_content_type("text/plain; charset=utf-8");
    // NAME.toml names the path, and what it captures.
    handler_list_tuple2_string_string_t params;
    vibrato_handler_request_params(&params);
    if (write_chunk(bytes("Hello, "))) {
        handler_list_u8_t rest = joined(captured(&params, "name"), bytes("!\n"));
        write_chunk(rest);
        // What is written stays yours.
        handler_list_u8_free(&rest);
    }
    // And so is what the host hands over.
    handler_list_tuple2_string_string_free(&params);
    // An empty body ends the response. `VIBRATO_HANDLER_TYPES_OUTCOME_CLOSE` would close the connection.
    outcome->tag = VIBRATO_HANDLER_TYPES_OUTCOME_BODY;
    outcome->val.body = (handler_list_u8_t){NULL, 0};
}
