// Returns its body whole.

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

// The three in a row, in memory from `malloc`.
static handler_list_u8_t joined(handler_list_u8_t a, handler_list_u8_t b, handler_list_u8_t c) {
    handler_list_u8_t all = {malloc(a.len + b.len + c.len), a.len + b.len + c.len};
    if (!all.ptr) abort(); // A trap: it is a 500, and a line of the host's log.
    memcpy(all.ptr, a.ptr, a.len);
    memcpy(all.ptr + a.len, b.ptr, b.len);
    memcpy(all.ptr + a.len + b.len, c.ptr, c.len);
    return all;
}

void exports_handler_handle(handler_outcome_t *outcome) {
    set_content_type("text/plain; charset=utf-8");
    // NAME.toml names the path, and what it captures.
    handler_list_tuple2_string_string_t params;
    vibrato_handler_request_params(&params);
    // What is returned is the body, after whatever was written before. It must come from `malloc`: the bindings free it.
    outcome->tag = VIBRATO_HANDLER_TYPES_OUTCOME_BODY;
    outcome->val.body = joined(bytes("Hello, "), captured(&params, "name"), bytes("!\n"));
    // What the host hands over is yours to free.
    handler_list_tuple2_string_string_free(&params);
}
