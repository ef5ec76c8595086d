// Package export_wit_world yields its body: each chunk is written as it is made. The bindings want the package to have
// this name.
package export_wit_world

import (
	"iter"

	request "wit_component/vibrato_handler_request"
	response "wit_component/vibrato_handler_response"
	types "wit_component/vibrato_handler_types"
)

// Handle answers one request.
func Handle() types.Outcome {
	// The head goes out with the first chunk: from then on it is too late for a status or a field.
	response.SetField("content-type", []byte("text/plain; charset=utf-8"))
	for chunk := range greeting() {
		// Returns once there is room for more: a long body takes no memory.
		if response.Write([]byte(chunk)).IsErr() {
			break // The client has gone, or asked for the head alone: nobody reads the rest.
		}
	}
	// An empty body ends the response. MakeOutcomeClose would close the connection.
	return types.MakeOutcomeBody(nil)
}

func greeting() iter.Seq[string] {
	return func(yield func(string) bool) {
		if yield("Hello, ") {
			yield(captured("name") + "!\n")
		}
	}
}

// captured is what the path captured under this key: NAME.toml names both.
func captured(key string) string {
	for _, param := range request.Params() {
		if param.F0 == key {
			return param.F1
		}
	}
	return ""
}
