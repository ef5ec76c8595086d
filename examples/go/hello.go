// Package export_wit_world shows a handler that writes its body in two chunks.
package export_wit_world

import (
	"wit_component/vibrato_handler_response"
	"wit_component/vibrato_handler_types"
)

// Handle answers one request.
func Handle() vibrato_handler_types.Outcome {
	vibrato_handler_response.Write([]byte("Hello"))
	return vibrato_handler_types.MakeOutcomeBody([]byte("World!"))
}
