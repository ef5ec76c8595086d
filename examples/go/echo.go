// Package export_wit_world shows both directions at once: each piece of the request's body is sent back as it arrives.
package export_wit_world

import (
	"wit_component/vibrato_handler_request"
	"wit_component/vibrato_handler_response"
	"wit_component/vibrato_handler_types"
)

// The most bytes of one piece; the host gives no more than the route's `buffer_size`.
const maxPiece = 65_536

// Why the rest of a body cannot be read.
var reasons = map[vibrato_handler_types.BodyError]string{
	vibrato_handler_types.BodyError_Incomplete: "incomplete",
	vibrato_handler_types.BodyError_Malformed:  "malformed",
	vibrato_handler_types.BodyError_TooLarge:   "too large",
	vibrato_handler_types.BodyError_TimedOut:   "timed out",
}

// Handle answers one request.
func Handle() vibrato_handler_types.Outcome {
	contentType := vibrato_handler_request.Field("content-type").SomeOr([]byte("application/octet-stream"))
	vibrato_handler_response.SetField("content-type", contentType)
	for {
		read := vibrato_handler_request.Read(maxPiece)
		if read.IsErr() {
			vibrato_handler_response.Fail("cannot echo: " + reasons[read.Err()])
			break
		}
		piece := read.Ok()
		// A write is refused where the client has gone.
		if piece.IsNone() || vibrato_handler_response.Write(piece.Some()).IsErr() {
			break
		}
	}
	return vibrato_handler_types.MakeOutcomeBody(nil)
}
