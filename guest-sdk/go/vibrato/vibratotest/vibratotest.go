//go:build !wasm

// Package vibratotest calls handlers in unit tests, without a host: with a request that the test makes, and a response that is
// recorded.
package vibratotest

import (
	"bytes"
	"encoding/json"
	"sync"

	"vibrato"
	"vibrato/internal/host"
)

// Request is what a test says of a request. The zero Request is a GET of "/".
type Request struct {
	Method string
	// Target is the path and the query.
	Target string
	Peer   string
	HTTP10 bool
	Fields map[string]string
	Body   string
	// Pieces are how the body comes, in place of Body.
	Pieces []string
	// Params is what the pattern of the route captures.
	Params  map[string]string
	Options map[string]any
	Config  map[string]string
	Context map[string]string
	// KV is what the route's store has; Stores are those of other names. Without either no store is granted.
	KV     map[string]string
	Stores map[string]map[string]string
	// HTTP answers calls to other servers; without it, and with nil, they are denied.
	HTTP func(call vibrato.Call) *Answer
	// Subscribers is how many responses each topic reaches.
	Subscribers int
}

// Answer is what another server answers.
type Answer struct {
	// Status is 200 unless it says otherwise.
	Status int
	Fields map[string]string
	Body   string
}

// Response is what was done to a response.
type Response struct {
	Status int
	Body   []byte
	// Chunks are the writes.
	Chunks  [][]byte
	Outcome vibrato.Outcome
	// Failure is why the handler has failed, or "".
	Failure string
	Calls   []vibrato.Call
	// Context and Stores are as they are afterwards.
	Context    map[string][]byte
	Stores     map[string]map[string][]byte
	Subscribed []string
	Published  map[string][]string
	Finished   []string
	// Resumed is the topic whose history the response reads, and Appended what was appended, by topic.
	Resumed  []string
	Appended map[string][]string
	fields   []host.Field
}

var one sync.Mutex

// Call calls a handler. One is called at a time.
func Call(handler vibrato.Handler, request Request) *Response {
	one.Lock()
	defer one.Unlock()
	it := invocation(request)
	host.Current = it
	defer func() { host.Current = nil }()
	outcome, last := vibrato.Serve(handler)
	response := &Response{
		Status: it.Status, Chunks: it.Chunks, Outcome: outcome, Failure: it.Failure, Context: it.Context, Stores: it.Stores,
		Subscribed: it.Subscribed, Published: map[string][]string{}, Finished: it.FinishedTopics, fields: it.Set,
		Resumed: it.Resumed, Appended: map[string][]string{},
	}
	response.Body = bytes.Join(it.Chunks, nil)
	if outcome == vibrato.OutcomeBody && !it.Finished && !it.IsClosed && it.Failure == "" {
		response.Body = append(response.Body, last...)
	}
	if it.IsClosed {
		response.Outcome = vibrato.OutcomeClose
	}
	for _, call := range it.Calls {
		response.Calls = append(response.Calls, shown(call))
	}
	for _, chunk := range it.Published {
		response.Published[chunk.Name] = append(response.Published[chunk.Name], string(chunk.Value))
	}
	for _, event := range it.Appended {
		response.Appended[event.Name] = append(response.Appended[event.Name], string(event.Value))
	}
	return response
}

// Text is the body as text.
func (r *Response) Text() string { return string(r.Body) }

// JSON decodes the body into what value points to.
func (r *Response) JSON(value any) error { return json.Unmarshal(r.Body, value) }

// Field is the first line of a field that was set, or "".
func (r *Response) Field(name string) string {
	for _, field := range r.fields {
		if bytes.EqualFold([]byte(field.Name), []byte(name)) {
			return string(field.Value)
		}
	}
	return ""
}

func invocation(request Request) *host.Invocation {
	it := &host.Invocation{
		Method: or(request.Method, "GET"), Target: or(request.Target, "/"), Peer: or(request.Peer, "127.0.0.1"),
		HTTP10: request.HTTP10, Params: request.Params, Options: request.Options, Config: request.Config,
		Context: bytesOf(request.Context), Stores: map[string]map[string][]byte{}, Subscribers: request.Subscribers, Status: 200,
		Pieces: [][]byte{[]byte(request.Body)},
	}
	it.Fields = append(linesOf(map[string]string{"host": "localhost"}), linesOf(request.Fields)...)
	for _, piece := range request.Pieces {
		it.Pieces = append(it.Pieces, []byte(piece))
	}
	if request.KV != nil {
		it.Stores[""] = bytesOf(request.KV)
	}
	for name, values := range request.Stores {
		it.Stores[name] = bytesOf(values)
	}
	if request.HTTP != nil {
		it.Answer = func(call host.Call) (host.Answer, bool) {
			answer := request.HTTP(shown(call))
			if answer == nil {
				return host.Answer{}, false
			}
			body := bytes.NewReader([]byte(answer.Body))
			read := func(max uint32) ([]byte, error) {
				piece := make([]byte, max)
				length, _ := body.Read(piece)
				return piece[:length], nil
			}
			status := answer.Status
			if status == 0 {
				status = 200
			}
			return host.Answer{Status: status, Fields: linesOf(answer.Fields), Read: read, Drop: func() {}}, true
		}
	}
	return it
}

func shown(call host.Call) vibrato.Call {
	fields := map[string]string{}
	for _, field := range call.Fields {
		fields[field.Name] = string(field.Value)
	}
	return vibrato.Call{Method: call.Method, URL: call.URL, Fields: fields, Body: call.Body}
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func bytesOf(texts map[string]string) map[string][]byte {
	values := map[string][]byte{}
	for name, text := range texts {
		values[name] = []byte(text)
	}
	return values
}

func linesOf(fields map[string]string) []host.Field {
	var lines []host.Field
	for name, value := range fields {
		lines = append(lines, host.Field{Name: string(bytes.ToLower([]byte(name))), Value: []byte(value)})
	}
	return lines
}
