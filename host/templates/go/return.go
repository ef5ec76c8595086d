// Package export_wit_world returns its body whole. The bindings want the package to have this name.
package export_wit_world

import (
	request "wit_component/vibrato_handler_request"
	response "wit_component/vibrato_handler_response"
	types "wit_component/vibrato_handler_types"
)

// Handle answers one request.
func Handle() types.Outcome {
	response.SetField("content-type", []byte("text/plain; charset=utf-8"))
	// What is returned is the body, after whatever was written before. A panic is a 500, and a line of the host's log.
	return types.MakeOutcomeBody([]byte("Hello, " + captured("name") + "!\n"))
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
