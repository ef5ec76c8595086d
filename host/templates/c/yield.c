// Yields its body: each chunk is written as it is made.

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

// Where the body has got to.
struct greeting {
    handler_list_tuple2_string_string_t params;
    int made;
};

// Makes the next chunk; false after the last.
static bool next_chunk(struct greeting *greeting, handler_list_u8_t *chunk) {
    switch (greeting->made++) {
    case 0:
        *chunk = joined(bytes("Hello"), bytes(", "));
        return true;
    case 1:
        *chunk = joined(captured(&greeting->params, "name"), bytes("!\n"));
        return true;
    default:
        return false;
    }
}

void exports_handler_handle(handler_outcome_t *outcome) {
    // The head goes out with the first chunk: from then on it is too late for a status or a field.
    set_content_type("text/plain; charset=utf-8");
    // NAME.toml names the path, and what it captures.
    struct greeting greeting = {0};
    vibrato_handler_request_params(&greeting.params);
    handler_list_u8_t chunk;
    vibrato_handler_response_error_t refused;
    bool wanted = true;
    while (wanted && next_chunk(&greeting, &chunk)) {
        // Returns once there is room for more: a long body takes no memory. False where nobody reads the rest: the
        // client has gone, or asked for the head alone.
        wanted = vibrato_handler_response_write(&chunk, &refused);
        handler_list_u8_free(&chunk);
    }
    // What the host hands over is yours to free.
    handler_list_tuple2_string_string_free(&greeting.params);
    // An empty body ends the response. `VIBRATO_HANDLER_TYPES_OUTCOME_CLOSE` would close the connection.
    outcome->tag = VIBRATO_HANDLER_TYPES_OUTCOME_BODY;
    outcome->val.body = (handler_list_u8_t){NULL, 0};
}
