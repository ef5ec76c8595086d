// Package app returns its body whole.
package app

import "vibrato"

// Handle answers one request.
func Handle(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
	// NAME.toml names the path, and what it captures. What is returned is the body, after whatever was written before.
	greeting := vibrato.Text("Hello, " + r.Param("name") + "!\n")
	return greeting.Field("content-type", "text/plain; charset=utf-8"), nil
}
