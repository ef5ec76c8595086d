// Package export_wit_world shows a long response: `/stream?chunks=N&size=M` writes N chunks of M bytes, unlimited.
package export_wit_world

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"

	"wit_component/vibrato_handler_request"
	"wit_component/vibrato_handler_response"
	"wit_component/vibrato_handler_types"
)

// The largest chunk, in bytes: it is made in memory.
const maxSize = 1_048_576

// Handle answers one request.
func Handle() vibrato_handler_types.Outcome {
	query, _ := url.ParseQuery(vibrato_handler_request.Query().SomeOr(""))
	chunks, chunksErr := strconv.ParseUint(query.Get("chunks"), 10, 32)
	size, sizeErr := strconv.ParseUint(query.Get("size"), 10, 32)
	if chunksErr != nil || sizeErr != nil || size < 1 || size > maxSize {
		vibrato_handler_response.SetStatus(400)
		vibrato_handler_response.SetField("content-type", []byte("text/plain"))
		usage := fmt.Sprintf("usage: /stream?chunks=N&size=M, with M from 1 to %d\n", maxSize)
		return vibrato_handler_types.MakeOutcomeBody([]byte(usage))
	}
	vibrato_handler_response.SetField("content-type", []byte("application/octet-stream"))
	chunk := bytes.Repeat([]byte("x"), int(size))
	for range chunks {
		if vibrato_handler_response.Write(chunk).IsErr() {
			break // The client has gone.
		}
	}
	return vibrato_handler_types.MakeOutcomeBody(nil)
}
