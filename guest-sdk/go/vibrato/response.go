package vibrato

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"vibrato/internal/host"
)

// Response is the response of this invocation. It is an io.Writer, and each write is one chunk, which returns once there is
// room for more. Status and fields can be set until the first write.
type Response struct {
	written bool
	hasType bool
}

// Write writes a chunk. An empty one is passed over; Finish ends the response.
func (w *Response) Write(chunk []byte) (int, error) {
	if len(chunk) == 0 {
		return 0, nil
	}
	w.written = true
	if err := host.Write(chunk); err != nil {
		return 0, err
	}
	return len(chunk), nil
}

// WriteString writes a chunk of text.
func (w *Response) WriteString(text string) (int, error) { return w.Write([]byte(text)) }

// Finish ends the response: later writes are ErrClosed.
func (w *Response) Finish() error { return host.Write(nil) }

// Close does at once what returning Close does.
func (w *Response) Close() error { return host.Close() }

// Status is the status as it stands.
func (w *Response) Status() int { return host.Status() }

// SetStatus sets the status, from 200 to 599.
func (w *Response) SetStatus(status int) error {
	if status < 200 || status > 599 {
		return host.Error("invalid")
	}
	return host.SetStatus(status)
}

// Field is a field as it stands, or "".
func (w *Response) Field(name string) string {
	value, _ := host.ResponseField(name)
	return textOf(value)
}

// SetField sets a field, in place of all lines of that name.
func (w *Response) SetField(name, value string) error {
	w.hasType = w.hasType || equal(name, "content-type")
	return host.SetField(name, []byte(value))
}

// AddField adds a line of a field.
func (w *Response) AddField(name, value string) error {
	w.hasType = w.hasType || equal(name, "content-type")
	return host.AppendField(name, []byte(value))
}

// RemoveField removes all lines of a field.
func (w *Response) RemoveField(name string) error { return host.RemoveField(name) }

// SameSite says whether a browser sends a cookie along with requests of other sites.
type SameSite string

// Only if it follows a link, never, or always, which only a secure cookie can.
const (
	Lax     SameSite = "Lax"
	Strict  SameSite = "Strict"
	None    SameSite = "None"
	onlyLax SameSite = ""
)

// Cookie is a cookie to set. Unless it says otherwise it is for all paths and until the browser is closed, is not seen by
// scripts of pages, and is not sent along by other sites.
type Cookie struct {
	// Name is a token; Value is sent percent-encoded.
	Name, Value  string
	Path, Domain string
	// MaxAge is for how long the browser keeps it; a negative one removes it.
	MaxAge time.Duration
	// Secure cookies are sent over TLS alone.
	Secure bool
	// Scripted cookies are seen by scripts of pages: they are not HttpOnly.
	Scripted bool
	// SameSite is Lax unless it says otherwise.
	SameSite SameSite
}

// SetCookie sets a cookie, beside others.
func (w *Response) SetCookie(cookie Cookie) error {
	if cookie.Path == "" {
		cookie.Path = "/"
	}
	if cookie.SameSite == onlyLax {
		cookie.SameSite = Lax
	}
	if !isToken(cookie.Name) {
		return fmt.Errorf("%q is no name of a cookie", cookie.Name)
	}
	for _, text := range []string{cookie.Path, cookie.Domain, string(cookie.SameSite)} {
		if strings.ContainsFunc(text, func(r rune) bool { return r == ';' || r < ' ' || r > '~' }) {
			return fmt.Errorf("%q cannot be in a cookie", text)
		}
	}
	line := cookie.Name + "=" + strings.ReplaceAll(url.QueryEscape(cookie.Value), "+", "%20") + "; Path=" + cookie.Path
	if cookie.MaxAge != 0 {
		line += fmt.Sprintf("; Max-Age=%d", int64(max(cookie.MaxAge, 0)/time.Second))
	}
	if cookie.Domain != "" {
		line += "; Domain=" + cookie.Domain
	}
	if cookie.Secure || cookie.SameSite == None {
		line += "; Secure"
	}
	if !cookie.Scripted {
		line += "; HttpOnly"
	}
	return w.AddField("set-cookie", line+"; SameSite="+string(cookie.SameSite))
}

func isToken(text string) bool {
	isOther := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	}
	return text != "" && !strings.ContainsFunc(text, isOther)
}
