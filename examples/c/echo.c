// Shows both directions at once: each piece of the request's body is sent back as it arrives.

#include <string.h>

#include "handler.h"

// The most bytes of one piece; the host gives no more than the route's `buffer_size`.
#define MAX_PIECE 65536

// Why the rest of a body cannot be read, by `vibrato_handler_request_body_error_t`.
static const char *const reasons[] = {
    [VIBRATO_HANDLER_TYPES_BODY_ERROR_INCOMPLETE] = "cannot echo: incomplete",
    [VIBRATO_HANDLER_TYPES_BODY_ERROR_MALFORMED] = "cannot echo: malformed",
    [VIBRATO_HANDLER_TYPES_BODY_ERROR_TOO_LARGE] = "cannot echo: too large",
    [VIBRATO_HANDLER_TYPES_BODY_ERROR_TIMED_OUT] = "cannot echo: timed out",
};

static void copy_content_type(void) {
    handler_string_t name;
    handler_string_set(&name, "content-type");
    static const char otherwise[] = "application/octet-stream";
    handler_list_u8_t value;
    vibrato_handler_response_error_t error;
    if (vibrato_handler_request_field(&name, &value)) {
        vibrato_handler_response_set_field(&name, &value, &error);
        handler_list_u8_free(&value);
    } else {
        value = (handler_list_u8_t){(uint8_t *)otherwise, sizeof otherwise - 1};
        vibrato_handler_response_set_field(&name, &value, &error);
    }
}

void exports_handler_handle(handler_outcome_t *outcome) {
    outcome->tag = VIBRATO_HANDLER_TYPES_OUTCOME_BODY;
    outcome->val.body = (handler_list_u8_t){NULL, 0};
    copy_content_type();

    handler_option_list_u8_t piece;
    vibrato_handler_request_body_error_t unreadable;
    vibrato_handler_response_error_t refused;
    while (vibrato_handler_request_read(MAX_PIECE, &piece, &unreadable)) {
        if (!piece.is_some) return;
        bool written = vibrato_handler_response_write(&piece.val, &refused);
        handler_option_list_u8_free(&piece);
        if (!written) return; // The client has gone.
    }
    handler_string_t reason;
    handler_string_set(&reason, reasons[unreadable]);
    vibrato_handler_response_fail(&reason, &refused);
}
