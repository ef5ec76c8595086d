// A guest book: a form, a cookie that remembers the visitor's name, entries in a key-value store, and a call to a webhook if
// the operator has set one.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "handler.h"

// Where the page is.
#define PATH "/guest-book"
// The longest form, in bytes.
#define MAX_FORM 16384
// How many entries the page shows.
#define SHOWN 50
// What the grant calls the store.
#define STORE ""

// Text that grows.
typedef struct {
    char *bytes;
    size_t length, room;
} text_t;

static void add_bytes(text_t *text, const void *bytes, size_t length) {
    if (!text->bytes || length > text->room - text->length) {
        text->room = 2 * (text->length + length) + 256;
        text->bytes = realloc(text->bytes, text->room);
        if (!text->bytes) abort();
    }
    if (length) memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

static void add(text_t *text, const char *more) { add_bytes(text, more, strlen(more)); }

// Text for HTML, between tags and in an attribute with quotation marks.
static void add_escaped(text_t *text, const char *bytes, size_t length) {
    for (size_t at = 0; at < length; at++) {
        switch (bytes[at]) {
            case '&': add(text, "&amp;"); break;
            case '<': add(text, "&lt;"); break;
            case '>': add(text, "&gt;"); break;
            case '"': add(text, "&quot;"); break;
            default: add_bytes(text, bytes + at, 1);
        }
    }
}

static handler_string_t string(const char *text) {
    handler_string_t string;
    handler_string_set(&string, text);
    return string;
}

static handler_string_t string_of(const text_t *text) {
    return (handler_string_t){(uint8_t *)text->bytes, text->length};
}

static handler_list_u8_t list_of(const text_t *text) {
    return (handler_list_u8_t){(uint8_t *)text->bytes, text->length};
}

// The value of a hexadecimal digit; -1 for any other character.
static int digit(char of) {
    if (of >= '0' && of <= '9') return of - '0';
    if (of >= 'a' && of <= 'f') return of - 'a' + 10;
    return of >= 'A' && of <= 'F' ? of - 'A' + 10 : -1;
}

static void fail(const char *reason) {
    handler_string_t string_of_reason = string(reason);
    vibrato_handler_response_error_t error;
    vibrato_handler_response_fail(&string_of_reason, &error);
}

static void fail_by_store(vibrato_handler_key_value_error_t *error) {
    static const char *const reasons[] = {
        [VIBRATO_HANDLER_KEY_VALUE_ERROR_DENIED] = "the route is granted no key-value store",
        [VIBRATO_HANDLER_KEY_VALUE_ERROR_NO_SUCH_STORE] = "the route is granted no key-value store of that name",
        [VIBRATO_HANDLER_KEY_VALUE_ERROR_READ_ONLY] = "the key-value store is read-only",
        [VIBRATO_HANDLER_KEY_VALUE_ERROR_TOO_LARGE] = "the entry is too large",
        [VIBRATO_HANDLER_KEY_VALUE_ERROR_FULL] = "the key-value store is full",
    };
    if (error->tag == VIBRATO_HANDLER_KEY_VALUE_ERROR_OTHER) {
        vibrato_handler_response_error_t refused;
        vibrato_handler_response_fail(&error->val.other, &refused);
    } else {
        fail(reasons[error->tag]);
    }
    vibrato_handler_key_value_error_free(error);
}

static void set_status(uint16_t status) {
    vibrato_handler_response_error_t error;
    vibrato_handler_response_set_status(status, &error);
}

// Reads the body of the request. False if the response is made.
static bool read_form(text_t *form, text_t *body) {
    handler_option_list_u8_t piece;
    vibrato_handler_request_body_error_t unreadable;
    while (vibrato_handler_request_read(MAX_FORM, &piece, &unreadable)) {
        if (!piece.is_some) return true;
        add_bytes(form, piece.val.ptr, piece.val.len);
        handler_option_list_u8_free(&piece);
        if (form->length > MAX_FORM) {
            set_status(413);
            add(body, "<p>A shorter text, please.");
            return false;
        }
    }
    // The host knows why, and answers with the status for that.
    fail("the form did not come");
    return false;
}

// A field of a form, decoded, without white space around it.
static text_t field(const text_t *form, const char *name) {
    text_t value = {0};
    const char *at = form->bytes, *end = at + form->length;
    for (size_t length = strlen(name); at < end;) {
        const char *stop = memchr(at, '&', end - at);
        if (!stop) stop = end;
        if ((size_t)(stop - at) > length && !memcmp(at, name, length) && at[length] == '=') {
            for (at += length + 1; at < stop; at++) {
                char byte = *at == '+' ? ' ' : *at;
                if (byte == '%' && stop - at > 2 && digit(at[1]) >= 0 && digit(at[2]) >= 0) {
                    byte = (char)(16 * digit(at[1]) + digit(at[2]));
                    at += 2;
                }
                bool is_space = byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
                if (!is_space || value.length) add_bytes(&value, &byte, 1);
            }
            while (value.length && memchr(" \t\r\n", value.bytes[value.length - 1], 4)) value.length--;
            return value;
        }
        at = stop + 1;
    }
    return value;
}

// The key of an entry. All numbers have as many digits, so the keys are in the order of the entries, the last one first.
static text_t key_of(int64_t number) {
    text_t key = {0};
    add(&key, "entry-0000000000000000000");
    uint64_t rest = (uint64_t)(INT64_MAX - number);
    for (size_t at = key.length; rest; rest /= 10) key.bytes[--at] = (char)('0' + rest % 10);
    return key;
}

// Tells the webhook of an entry. It is in the book already, and the host logs why a call has failed.
static void tell(const text_t *name, const text_t *text) {
    handler_string_t setting = string("webhook"), url;
    if (!vibrato_handler_config_get(&setting, &url)) return;
    handler_string_t method = string("POST"), content_type = string("content-type");
    vibrato_handler_http_client_own_outgoing_request_t own =
        vibrato_handler_http_client_constructor_outgoing_request(&method, &url);
    vibrato_handler_http_client_borrow_outgoing_request_t request =
        vibrato_handler_http_client_borrow_outgoing_request(own);
    text_t type = {0}, line = {0};
    add(&type, "text/plain; charset=utf-8");
    add_bytes(&line, name->bytes, name->length);
    add(&line, ": ");
    add_bytes(&line, text->bytes, text->length);
    add(&line, "\n");
    handler_list_u8_t value = list_of(&type), chunk = list_of(&line);
    vibrato_handler_http_client_http_error_t error;
    vibrato_handler_http_client_own_incoming_response_t response;
    if (vibrato_handler_http_client_method_outgoing_request_set_field(request, &content_type, &value, &error) &&
        vibrato_handler_http_client_method_outgoing_request_write(request, &chunk, &error) &&
        vibrato_handler_http_client_method_outgoing_request_send(request, &response, &error)) {
        vibrato_handler_http_client_incoming_response_drop_own(response);
    } else {
        vibrato_handler_http_client_http_error_free(&error);
    }
    vibrato_handler_http_client_outgoing_request_drop_own(own);
    handler_string_free(&url);
    free(type.bytes);
    free(line.bytes);
}

// Leads back to the page, with a cookie. That has no characters of its own syntax, so the name is encoded.
static void lead_back(const text_t *name) {
    text_t location = {0}, cookie = {0};
    add(&location, PATH);
    add(&cookie, "name=");
    for (size_t at = 0; at < name->length; at++) {
        uint8_t byte = (uint8_t)name->bytes[at];
        add_bytes(&cookie, &"0123456789abcdef"[byte / 16], 1);
        add_bytes(&cookie, &"0123456789abcdef"[byte % 16], 1);
    }
    add(&cookie, "; Max-Age=31536000; SameSite=Lax; HttpOnly");
    handler_string_t name_of_location = string("location"), name_of_cookie = string("set-cookie");
    handler_list_u8_t value_of_location = list_of(&location), value_of_cookie = list_of(&cookie);
    vibrato_handler_response_error_t error;
    set_status(303);
    vibrato_handler_response_set_field(&name_of_location, &value_of_location, &error);
    vibrato_handler_response_append_field(&name_of_cookie, &value_of_cookie, &error);
    free(location.bytes);
    free(cookie.bytes);
}

// Adds an entry, and leads back to the page.
static void sign(text_t *body) {
    text_t form = {0};
    if (!read_form(&form, body)) return free(form.bytes);
    text_t name = field(&form, "name"), text = field(&form, "text"), entry = {0}, key = {0};
    handler_string_t store = string(STORE), entries = string("entries");
    vibrato_handler_key_value_error_t error;
    int64_t number;
    if (!name.length || !text.length) {
        set_status(400);
        add(body, "<p>Both a name and a text, please.");
    } else if (!vibrato_handler_key_value_increment(&store, &entries, 1, &number, &error)) {
        fail_by_store(&error);
    } else {
        key = key_of(number);
        for (size_t at = 0; at < name.length; at++) {
            if (name.bytes[at] == '\n') name.bytes[at] = ' ';
        }
        add_bytes(&entry, name.bytes, name.length);
        add(&entry, "\n");
        add_bytes(&entry, text.bytes, text.length);
        handler_string_t string_of_key = string_of(&key);
        handler_list_u8_t value = list_of(&entry);
        if (vibrato_handler_key_value_set(&store, &string_of_key, &value, NULL, &error)) {
            tell(&name, &text);
            lead_back(&name);
        } else {
            fail_by_store(&error);
        }
    }
    free(form.bytes);
    free(name.bytes);
    free(text.bytes);
    free(entry.bytes);
    free(key.bytes);
}

// The name in the cookie. Nothing for what `sign` does not make: a client sends what it likes.
static void add_visitor(text_t *page) {
    handler_string_t name = string("cookie");
    handler_list_u8_t cookies;
    if (!vibrato_handler_request_field(&name, &cookies)) return;
    const char *at = (const char *)cookies.ptr, *end = at + cookies.len;
    while (at < end) {
        const char *stop = memchr(at, ';', end - at);
        if (!stop) stop = end;
        while (at < stop && *at == ' ') at++;
        if (stop - at > 5 && !memcmp(at, "name=", 5)) {
            text_t visitor = {0};
            for (at += 5; stop - at > 1 && digit(at[0]) >= 0 && digit(at[1]) >= 0; at += 2) {
                char byte = (char)(16 * digit(at[0]) + digit(at[1]));
                add_bytes(&visitor, &byte, 1);
            }
            if (at == stop) add_escaped(page, visitor.bytes, visitor.length);
            free(visitor.bytes);
            break;
        }
        at = stop + 1;
    }
    handler_list_u8_free(&cookies);
}

// The entry of a key. False if the store fails.
static bool add_entry(text_t *page, handler_string_t *key) {
    handler_string_t store = string(STORE);
    handler_option_list_u8_t entry;
    vibrato_handler_key_value_error_t error;
    if (!vibrato_handler_key_value_get(&store, key, &entry, &error)) {
        fail_by_store(&error);
        return false;
    }
    const char *bytes = entry.is_some ? (const char *)entry.val.ptr : "";
    size_t length = entry.is_some ? entry.val.len : 0;
    const char *line = memchr(bytes, '\n', length);
    size_t of_name = line ? (size_t)(line - bytes) : 0, before = line ? of_name + 1 : 0;
    add(page, "<p><b>");
    add_escaped(page, bytes, of_name);
    add(page, "</b>: ");
    add_escaped(page, bytes + before, length - before);
    handler_option_list_u8_free(&entry);
    return true;
}

// The last entries, the last one first. False if the store fails.
static bool add_entries(text_t *page) {
    handler_string_t store = string(STORE), prefix = string("entry-");
    handler_option_string_t cursor = {0};
    vibrato_handler_key_value_error_t error;
    uint32_t left = SHOWN;
    bool works = true;
    do {
        vibrato_handler_key_value_page_t keys;
        handler_string_t *after = cursor.is_some ? &cursor.val : NULL;
        works = vibrato_handler_key_value_list(&store, &prefix, after, left, &keys, &error);
        handler_option_string_free(&cursor);
        if (!works) {
            fail_by_store(&error);
            return false;
        }
        for (size_t at = 0; works && at < keys.keys.len; at++) works = add_entry(page, &keys.keys.ptr[at]);
        left -= keys.keys.len;
        cursor = keys.cursor;
        handler_list_string_free(&keys.keys);
    } while (works && cursor.is_some && left);
    handler_option_string_free(&cursor);
    return works;
}

// The page for a visitor, whose name may be known.
static void show(text_t *page) {
    handler_string_t setting = string("title"), title;
    bool is_set = vibrato_handler_config_get(&setting, &title);
    if (!is_set) title = string("Guest book");
    add(page, "<!doctype html><meta charset=utf-8><title>");
    add_escaped(page, (const char *)title.ptr, title.len);
    add(page, "</title><h1>");
    add_escaped(page, (const char *)title.ptr, title.len);
    add(page, "</h1><form method=post><input name=name placeholder=Name value=\"");
    if (is_set) handler_string_free(&title);
    add_visitor(page);
    add(page, "\"> <input name=text placeholder=Text size=60> <button>Sign</button></form>");
    if (add_entries(page)) {
        add(page, "\n");
    } else {
        page->length = 0;
    }
}

void exports_handler_handle(handler_outcome_t *outcome) {
    handler_string_t method;
    vibrato_handler_request_method(&method);
    bool is_post = method.len == 4 && !memcmp(method.ptr, "POST", 4);
    handler_string_free(&method);
    text_t body = {0};
    if (is_post) {
        sign(&body);
    } else {
        show(&body);
    }
    outcome->tag = VIBRATO_HANDLER_TYPES_OUTCOME_BODY;
    outcome->val.body = list_of(&body);
}
