// Package vibrato is what handlers are written with.
//
//	func Handle(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
//		return vibrato.Text("Hello, " + r.Param("name") + "!\n"), nil
//	}
//
// What a handler returns is the end of the body, behind what it has written to w. An error is a 500 and a line of the host's
// log; a *RequestError is answered with its own status and its message.
package vibrato

import (
	"errors"
	"fmt"

	"vibrato/internal/host"
)

// Handler answers one request.
type Handler func(w *Response, r *Request) (Result, error)

// ErrClosed is why a write is refused if the response is complete, or the client has gone. A handler may return it: nobody is
// to blame.
var ErrClosed error = host.Error("closed")

// RequestError is what a client did wrong. If a handler returns it, the client is answered the status and the message.
type RequestError struct {
	Status  int
	Message string
}

func (e *RequestError) Error() string { return e.Message }

// Refuse makes a *RequestError.
func Refuse(status int, format string, values ...any) error {
	return &RequestError{status, fmt.Sprintf(format, values...)}
}

// Outcome is how an invocation ends.
type Outcome uint8

// The outcomes: the end of the response, a closed connection, and a response that stays open.
const (
	OutcomeBody Outcome = iota
	OutcomeClose
	OutcomeManual
)

// Serve calls a handler for the request of this invocation. It is for the package that the component is made of.
func Serve(handler Handler) (Outcome, []byte) {
	w, r := &Response{}, &Request{}
	result, err := handler(w, r)
	if err == nil {
		var body []byte
		if body, err = result.send(w); err == nil {
			return result.outcome, body
		}
	}
	var refused *RequestError
	if errors.As(err, &refused) {
		answer := Text(refused.Message+"\n").Status(refused.Status).Field("content-type", "text/plain; charset=utf-8")
		if body, answered := answer.send(w); answered == nil {
			return OutcomeBody, body
		}
	}
	// The host knows of a body that cannot be read, and answers with the status for that.
	if !errors.Is(err, ErrClosed) {
		host.Fail(err.Error())
	}
	return OutcomeBody, nil
}
