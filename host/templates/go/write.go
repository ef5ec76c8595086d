// Package export_wit_world writes its body: each Write is one chunk, and returns once there is room for more. The
// bindings want the package to have this name.
package export_wit_world

import (
	request "wit_component/vibrato_handler_request"
	response "wit_component/vibrato_handler_response"
	types "wit_component/vibrato_handler_types"
)

// Handle answers one request.
func Handle() types.Outcome {
	// The head goes out with the first chunk: from then on it is too late for a status or a field.
	response.SetField("content-type", []byte("text/plain; charset=utf-8"))
	for _, chunk := range []string{"Hello, ", captured("name") + "!\n"} {
		if response.Write([]byte(chunk)).IsErr() {
			break // The client has gone, or asked for the head alone: nobody reads the rest.
		}
	}
	// An empty body ends the response. MakeOutcomeClose would close the connection.
	return types.MakeOutcomeBody(nil)
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
