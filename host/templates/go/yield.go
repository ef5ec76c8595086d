// Package app yields its body: each chunk is written as it is made.
package app

import "vibrato"

// Handle answers one request.
func Handle(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
	greeting := vibrato.Chunks(func(yield func(string) bool) {
		// Returns once there is room for more: a long body takes no memory.
		if yield("Hello, ") {
			// NAME.toml names the path, and what it captures.
			yield(r.Param("name") + "!\n")
		}
	})
	return greeting.Field("content-type", "text/plain; charset=utf-8"), nil
}
