// Package app writes its body: each write is one chunk, and returns once there is room for more.
package app

import (
	"fmt"

	"vibrato"
)

// Handle answers one request.
func Handle(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
	// The head goes out with the first chunk: from then on it is too late for a status or a field.
	if err := w.SetField("content-type", "text/plain; charset=utf-8"); err != nil {
		return vibrato.Result{}, err
	}
	if _, err := fmt.Fprint(w, "Hello, "); err != nil {
		return vibrato.Result{}, err
	}
	// NAME.toml names the path, and what it captures.
	_, err := fmt.Fprintf(w, "%s!\n", r.Param("name"))
	// An empty result ends the response. vibrato.Close would close the connection.
	return vibrato.Result{}, err
}
