package vibrato

import (
	"encoding/json"
	"io"
	"iter"
	"strings"
	"time"

	"vibrato/internal/host"
)

// Option is an option of the route, or one that its author invented: a bool, an int64, a float64, a string, a slice of these,
// or nil.
func Option(name string) any { return host.Option(name) }

// Options are all options that are set.
func Options() map[string]any { return host.Options() }

// Config is a setting or a secret that the operator grants.
func Config(name string) (string, bool) { return host.Config(name) }

// Context is what middleware has left under this name, or nil.
func Context(name string) []byte {
	value, _ := host.Context(name)
	return value
}

// SetContext leaves something for those that come later.
func SetContext(name string, value []byte) error { return host.SetContext(name, value) }

// Store is a key-value store that the operator grants, by the name that the grant has for it. What changes it returns once the
// change is on the disk.
type Store string

// KV is the store of the route.
const KV Store = ""

// Get is the value of a key, and whether there is one.
func (s Store) Get(key string) ([]byte, bool, error) { return host.Get(string(s), key) }

// Set sets the value of a key until it is deleted.
func (s Store) Set(key string, value []byte) error { return host.Set(string(s), key, value, nil) }

// SetFor sets the value of a key, which then expires.
func (s Store) SetFor(key string, value []byte, expires time.Duration) error {
	milliseconds := uint64(max(expires.Milliseconds(), 1))
	return host.Set(string(s), key, value, &milliseconds)
}

// Delete deletes a key, if it is there.
func (s Store) Delete(key string) error { return host.Delete(string(s), key) }

// Keys are the keys that begin with a prefix, in the order of their bytes. An error is the last one.
func (s Store) Keys(prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var cursor *string
		for {
			keys, next, err := host.List(string(s), prefix, cursor, 1000)
			if err != nil {
				yield("", err)
				return
			}
			for _, key := range keys {
				if !yield(key, nil) {
					return
				}
			}
			if cursor = next; cursor == nil {
				return
			}
		}
	}
}

// Increment adds to the integer that the value is, 0 if there is none, and returns the sum.
func (s Store) Increment(key string, delta int64) (int64, error) {
	return host.Increment(string(s), key, delta)
}

// CompareAndSwap sets the value if it is the expected one, and returns whether it was. nil is no value.
func (s Store) CompareAndSwap(key string, expected, value []byte) (bool, error) {
	return host.CompareAndSwap(string(s), key, expected, value)
}

// Call is a request to another server, if the operator grants it.
type Call struct {
	// Method is GET unless it says otherwise.
	Method string
	URL    string
	Fields map[string]string
	Body   []byte
	// Timeout is for each step, if it is less than that of the grant.
	Timeout time.Duration
}

// Answer is the response of another server, and an io.ReadCloser of its body. Close it.
type Answer struct {
	Status int
	answer host.Answer
}

// Get calls another server with GET.
func Get(url string) (*Answer, error) { return Call{URL: url}.Send() }

// Send sends the request, and waits for the head of the response.
func (c Call) Send() (*Answer, error) {
	call := host.Call{Method: c.Method, URL: c.URL, Body: c.Body, Timeout: uint64(max(c.Timeout.Milliseconds(), 0))}
	if call.Method == "" {
		call.Method = "GET"
	}
	for name, value := range c.Fields {
		call.Fields = append(call.Fields, host.Field{Name: name, Value: []byte(value)})
	}
	answer, err := host.Send(call)
	if err != nil {
		return nil, err
	}
	return &Answer{answer.Status, answer}, nil
}

// Field is the first line of a field, or "".
func (a *Answer) Field(name string) string {
	for _, field := range a.answer.Fields {
		if equal(field.Name, name) {
			return textOf(field.Value)
		}
	}
	return ""
}

// Read reads some of the body.
func (a *Answer) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	piece, err := a.answer.Read(uint32(min(len(into), maxPiece)))
	if err == nil && len(piece) == 0 {
		err = io.EOF
	}
	return copy(into, piece), err
}

// Body is the whole body, of at most limit bytes.
func (a *Answer) Body(limit int) ([]byte, error) {
	return readAll(a, limit, "the response of another server")
}

// JSON decodes the body, of at most limit bytes, into what value points to.
func (a *Answer) JSON(value any, limit int) error {
	body, err := a.Body(limit)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, value)
}

// Close gives up what was not read.
func (a *Answer) Close() error {
	a.answer.Drop()
	return nil
}

// Subscribe sends what is published to a topic from now on to this response, once the handler has returned Manual.
func Subscribe(topic string) error { return host.Subscribe(topic) }

// Publish sends a chunk to the responses that are subscribed to a topic, and returns how many they are.
func Publish(topic string, chunk []byte) (int, error) { return host.Publish(topic, chunk) }

// Finish ends the responses that are subscribed to a topic, and returns how many they are.
func Finish(topic string) (int, error) { return host.Finish(topic) }

// SubscribeAfter sends what was appended to a topic behind the event lastID, and what follows, on this response, which is an event stream.
// If lastID is nil it begins now. It returns false if some of it is no longer kept: then the client first gets an event "reset".
func SubscribeAfter(topic string, lastID *string) (bool, error) {
	return host.SubscribeAfter(topic, lastID)
}

// Append appends an event without an id to the history of a topic, and returns the id that it gets.
func Append(topic string, event []byte) (string, error) { return host.Append(topic, event) }

// Event is an event of an event stream as text. Name and id are left out if they are empty, and have no line breaks.
func Event(name, id, data string) string {
	line := strings.NewReplacer("\r", "", "\n", "", "\x00", "")
	var event strings.Builder
	if name != "" {
		event.WriteString("event: " + line.Replace(name) + "\n")
	}
	if id != "" {
		event.WriteString("id: " + line.Replace(id) + "\n")
	}
	for _, part := range strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data), "\n") {
		event.WriteString("data: " + part + "\n")
	}
	return event.String() + "\n"
}
