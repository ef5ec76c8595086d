// Package export_wit_world is a guest book: a form, a cookie that remembers the visitor's name, entries in a key-value
// store, and a call to a webhook if the operator has set one.
package export_wit_world

import (
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"math"
	"net/url"
	"os"
	"strings"

	witTypes "go.bytecodealliance.org/pkg/wit/types"

	"wit_component/vibrato_handler_config"
	"wit_component/vibrato_handler_http_client"
	"wit_component/vibrato_handler_key_value"
	"wit_component/vibrato_handler_request"
	"wit_component/vibrato_handler_response"
	"wit_component/vibrato_handler_types"
)

const (
	// Where the page is.
	path = "/guest-book"
	// The longest form, in bytes.
	maxForm = 16_384
	// How many entries the page shows.
	shown = 50
	// What the grant calls the store.
	store = ""
)

var errTooLarge = errors.New("the form is too large")

// Handle answers one request.
func Handle() vibrato_handler_types.Outcome {
	answer := page
	if vibrato_handler_request.Method() == "POST" {
		answer = sign
	}
	body, err := answer()
	switch {
	case errors.Is(err, errTooLarge):
		vibrato_handler_response.SetStatus(413)
		body = "<p>A shorter text, please."
	case err != nil:
		vibrato_handler_response.Fail(err.Error())
	}
	return vibrato_handler_types.MakeOutcomeBody([]byte(body))
}

// Adds an entry, and leads back to the page.
func sign() (string, error) {
	form, err := readForm()
	if err != nil {
		return "", err
	}
	name, text := strings.TrimSpace(form.Get("name")), strings.TrimSpace(form.Get("text"))
	if name == "" || text == "" {
		vibrato_handler_response.SetStatus(400)
		return "<p>Both a name and a text, please.", nil
	}
	counted := vibrato_handler_key_value.Increment(store, "entries", 1)
	if counted.IsErr() {
		return "", storeError(counted.Err())
	}
	// The numbers have as many digits, so the keys are in the order of the entries, the last one first.
	key := fmt.Sprintf("entry-%019d", math.MaxInt64-counted.Ok())
	entry := []byte(strings.ReplaceAll(name, "\n", " ") + "\n" + text)
	if set := vibrato_handler_key_value.Set(store, key, entry, witTypes.None[uint64]()); set.IsErr() {
		return "", storeError(set.Err())
	}
	tell(name, text)
	// A cookie has no characters of its own syntax, so the name is encoded.
	cookie := "name=" + hex.EncodeToString([]byte(name)) + "; Max-Age=31536000; SameSite=Lax; HttpOnly"
	vibrato_handler_response.SetStatus(303)
	vibrato_handler_response.SetField("location", []byte(path))
	vibrato_handler_response.AppendField("set-cookie", []byte(cookie))
	return "", nil
}

// The form that the client has sent.
func readForm() (url.Values, error) {
	var body []byte
	for {
		read := vibrato_handler_request.Read(maxForm)
		if read.IsErr() {
			// The host knows why, and answers with the status for that.
			return nil, errors.New("the form did not come")
		}
		piece := read.Ok()
		if piece.IsNone() {
			break
		}
		if body = append(body, piece.Some()...); len(body) > maxForm {
			return nil, errTooLarge
		}
	}
	// What is not a form has no name and no text.
	form, _ := url.ParseQuery(string(body))
	return form, nil
}

// Tells the webhook of an entry. It is in the book already, so a failure is only logged.
func tell(name, text string) {
	webhook := vibrato_handler_config.Get("webhook")
	if webhook.IsNone() {
		return
	}
	request := vibrato_handler_http_client.MakeOutgoingRequest("POST", webhook.Some())
	defer request.Drop()
	request.SetField("content-type", []byte("text/plain; charset=utf-8"))
	request.Write([]byte(name + ": " + text + "\n"))
	sent := request.Send()
	if sent.IsErr() {
		fmt.Fprintln(os.Stderr, "the webhook cannot be told: error", sent.Err().Tag())
		return
	}
	response := sent.Ok()
	defer response.Drop()
	if status := response.Status(); status >= 400 {
		fmt.Fprintln(os.Stderr, "the webhook answers", status)
	}
}

// The page for a visitor, whose name may be known.
func page() (string, error) {
	title := html.EscapeString(vibrato_handler_config.Get("title").SomeOr("Guest book"))
	var page strings.Builder
	fmt.Fprintf(&page, "<!doctype html><meta charset=utf-8><title>%s</title><h1>%s</h1>", title, title)
	fmt.Fprintf(&page, "<form method=post><input name=name placeholder=Name value=\"%s\"> "+
		"<input name=text placeholder=Text size=60> <button>Sign</button></form>", html.EscapeString(visitor()))
	keys, err := keys()
	if err != nil {
		return "", err
	}
	for _, key := range keys {
		got := vibrato_handler_key_value.Get(store, key)
		if got.IsErr() {
			return "", storeError(got.Err())
		}
		name, text, _ := strings.Cut(string(got.Ok().SomeOr(nil)), "\n")
		fmt.Fprintf(&page, "<p><b>%s</b>: %s", html.EscapeString(name), html.EscapeString(text))
	}
	page.WriteString("\n")
	return page.String(), nil
}

// The keys of the last entries, the last one first.
func keys() ([]string, error) {
	var keys []string
	cursor := witTypes.None[string]()
	for len(keys) < shown {
		listed := vibrato_handler_key_value.List(store, "entry-", cursor, uint32(shown-len(keys)))
		if listed.IsErr() {
			return nil, storeError(listed.Err())
		}
		page := listed.Ok()
		keys = append(keys, page.Keys...)
		if cursor = page.Cursor; cursor.IsNone() {
			break
		}
	}
	return keys, nil
}

// The name in the cookie. Empty for what `sign` does not make: a client sends what it likes.
func visitor() string {
	for _, cookie := range strings.Split(string(vibrato_handler_request.Field("cookie").SomeOr(nil)), ";") {
		if digits, found := strings.CutPrefix(strings.TrimSpace(cookie), "name="); found {
			if name, err := hex.DecodeString(digits); err == nil {
				return strings.ToValidUTF8(string(name), "")
			}
		}
	}
	return ""
}

func storeError(err vibrato_handler_key_value.Error) error {
	reasons := map[uint8]string{
		vibrato_handler_key_value.Error_Denied:      "the route is granted no key-value store",
		vibrato_handler_key_value.Error_NoSuchStore: "the route is granted no key-value store of that name",
		vibrato_handler_key_value.Error_ReadOnly:    "the key-value store is read-only",
		vibrato_handler_key_value.Error_TooLarge:    "the entry is too large",
		vibrato_handler_key_value.Error_Full:        "the key-value store is full",
	}
	if err.Tag() == vibrato_handler_key_value.Error_Other {
		return errors.New(err.Other())
	}
	return errors.New(reasons[err.Tag()])
}
