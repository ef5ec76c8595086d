// Package export_wit_world is what the bindings call: the handler of the package app. The bindings want the package to have
// this name.
package export_wit_world

import (
	"app"
	"vibrato"

	types "wit_component/vibrato_handler_types"
)

// Handle answers one request.
func Handle() types.Outcome {
	switch outcome, body := vibrato.Serve(app.Handle); outcome {
	case vibrato.OutcomeClose:
		return types.MakeOutcomeClose()
	case vibrato.OutcomeManual:
		return types.MakeOutcomeManual()
	default:
		return types.MakeOutcomeBody(body)
	}
}
