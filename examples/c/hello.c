// Shows a handler that writes its body in two chunks.

#include "handler.h"

static void write(const char *bytes, size_t length) {
    handler_list_u8_t chunk = {(uint8_t *)bytes, length};
    vibrato_handler_response_error_t refused;
    vibrato_handler_response_write(&chunk, &refused);
}

void exports_handler_handle(handler_outcome_t *outcome) {
    write("Hello", 5);
    write("World!", 6);
    // What is returned must come from `malloc`, which costs more than a write: it makes the memory grow.
    outcome->tag = VIBRATO_HANDLER_TYPES_OUTCOME_BODY;
    outcome->val.body = (handler_list_u8_t){NULL, 0};
}
