// Shows a long response: `/stream?chunks=N&size=M` writes N chunks of M bytes, unlimited.

#include <stdlib.h>
#include <string.h>

#include "handler.h"

// The largest chunk, in bytes: it is made in memory.
#define MAX_SIZE 1048576
#define USAGE "usage: /stream?chunks=N&size=M, with M from 1 to 1048576\n"

static handler_list_u8_t bytes(const char *text) {
    return (handler_list_u8_t){(uint8_t *)text, strlen(text)};
}

static void set_content_type(const char *value) {
    handler_string_t name;
    handler_string_set(&name, "content-type");
    handler_list_u8_t bytes_of_value = bytes(value);
    vibrato_handler_response_error_t error;
    vibrato_handler_response_set_field(&name, &bytes_of_value, &error);
}

// The parameter of the query, where it is a number of at most nine digits; -1 where not.
static long number(const handler_string_t *query, const char *name) {
    const char *at = (const char *)query->ptr, *end = at + query->len;
    for (size_t length = strlen(name); at < end;) {
        const char *next = memchr(at, '&', end - at);
        const char *stop = next ? next : end;
        if ((size_t)(stop - at) > length && !memcmp(at, name, length) && at[length] == '=') {
            long value = 0;
            const char *digit = at + length + 1;
            if (digit == stop || stop - digit > 9) return -1;
            for (; digit < stop; digit++) {
                if (*digit < '0' || *digit > '9') return -1;
                value = value * 10 + (*digit - '0');
            }
            return value;
        }
        at = stop + 1;
    }
    return -1;
}

void exports_handler_handle(handler_outcome_t *outcome) {
    handler_string_t query = {NULL, 0};
    vibrato_handler_request_query(&query);
    long chunks = number(&query, "chunks"), size = number(&query, "size");
    handler_string_free(&query);

    outcome->tag = VIBRATO_HANDLER_TYPES_OUTCOME_BODY;
    vibrato_handler_response_error_t error;
    if (chunks < 0 || size < 1 || size > MAX_SIZE) {
        vibrato_handler_response_set_status(400, &error);
        set_content_type("text/plain");
        handler_string_t usage;
        handler_string_dup(&usage, USAGE);
        outcome->val.body = (handler_list_u8_t){usage.ptr, usage.len};
        return;
    }
    set_content_type("application/octet-stream");
    handler_list_u8_t chunk = {malloc(size), size};
    if (!chunk.ptr) abort();
    memset(chunk.ptr, 'x', size);
    // A write is refused where the client has gone.
    while (chunks-- > 0 && vibrato_handler_response_write(&chunk, &error)) {}
    handler_list_u8_free(&chunk);
    outcome->val.body = (handler_list_u8_t){NULL, 0};
}
