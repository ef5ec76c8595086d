package app

import (
	"testing"

	"vibrato/vibratotest"
)

// `./build test` runs it: without a host.
func TestItGreetsByName(t *testing.T) {
	response := vibratotest.Call(Handle, vibratotest.Request{Target: "/NAME/Ada", Params: map[string]string{"name": "Ada"}})
	if response.Status != 200 || response.Text() != "Hello, Ada!\n" {
		t.Errorf("got %d %q %s", response.Status, response.Text(), response.Failure)
	}
}
