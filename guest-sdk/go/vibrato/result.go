package vibrato

import (
	"encoding/json"
	"iter"

	"vibrato/internal/host"
)

// Result is what a handler answers. The zero Result is the end of the response, with nothing more in it.
type Result struct {
	outcome     Outcome
	body        []byte
	chunks      func(w *Response) error
	status      int
	fields      []host.Field
	contentType string
	err         error
}

// Close forces the connection closed. If nothing was written before, not one byte is sent.
var Close = Result{outcome: OutcomeClose}

// Manual leaves the response open: what is published to its topics is sent to it.
var Manual = Result{outcome: OutcomeManual}

// Text answers a text.
func Text(text string) Result { return Result{body: []byte(text)} }

// Bytes answers bytes.
func Bytes(bytes []byte) Result { return Result{body: bytes} }

// JSON answers a value as JSON, with that content-type if none was set.
func JSON(value any) Result {
	body, err := json.Marshal(value)
	return Result{body: body, err: err, contentType: "application/json"}
}

// Chunks writes each item as it is made. Empty ones are passed over: an empty chunk would end the response.
func Chunks[T ~string | ~[]byte](chunks iter.Seq[T]) Result {
	return Result{chunks: func(w *Response) (err error) {
		for chunk := range chunks {
			if len(chunk) == 0 {
				continue
			}
			if _, err = w.Write([]byte(chunk)); err != nil {
				break
			}
		}
		return err
	}}
}

// Redirect leads to another place: with 303, or with another Status.
func Redirect(location string) Result {
	return Result{}.Status(303).Field("location", location)
}

// Status is the same with this status.
func (r Result) Status(status int) Result {
	r.status = status
	return r
}

// Field is the same with one more line of a field.
func (r Result) Field(name, value string) Result {
	r.fields = append(r.fields[:len(r.fields):len(r.fields)], host.Field{Name: name, Value: []byte(value)})
	return r
}

// send does what has to be done before the end, and returns the last piece of the body.
func (r Result) send(w *Response) ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.status != 0 {
		if err := w.SetStatus(r.status); err != nil {
			return nil, err
		}
	}
	for _, field := range r.fields {
		if err := host.AppendField(field.Name, field.Value); err != nil {
			return nil, err
		}
	}
	if r.contentType != "" && !w.written && !w.hasType && !r.has("content-type") {
		if err := w.SetField("content-type", r.contentType); err != nil {
			return nil, err
		}
	}
	if r.chunks != nil {
		return nil, r.chunks(w)
	}
	return r.body, nil
}

func (r Result) has(name string) bool {
	for _, field := range r.fields {
		if equal(field.Name, name) {
			return true
		}
	}
	return false
}
