// Package host is what a handler can ask of the host. In tests, which run on another machine than that of components, it is
// what the test says.
package host

// Error is why the host has refused a call: "closed", "head-already-sent", "invalid", "forbidden" or "too-large", and for
// stores and other servers the errors of their interfaces.
type Error string

func (e Error) Error() string { return "the host refused a call: " + string(e) }

// BodyError is why the rest of the body cannot be read: "incomplete", "malformed", "too-large" or "timed-out".
type BodyError string

func (e BodyError) Error() string {
	switch e {
	case "incomplete":
		return "the client ended the connection before the end of the body"
	case "malformed":
		return "the chunked coding of the body is malformed"
	case "too-large":
		return "the body is larger than allowed"
	default:
		return "the client did not send its body in time"
	}
}

// Field is a line of a field.
type Field struct {
	Name  string
	Value []byte
}

// Call is a request to another server.
type Call struct {
	Method, URL string
	Fields      []Field
	Body        []byte
	// Milliseconds for each step; 0 for those of the grant.
	Timeout uint64
}

// Answer is the response of another server. Read returns nothing at its end.
type Answer struct {
	Status int
	Fields []Field
	Read   func(max uint32) ([]byte, error)
	Drop   func()
}
