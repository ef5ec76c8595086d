// Package app says what handlers in other languages say with their packages: one answer for each path.
package app

import (
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"vibrato"
)

// The most bytes of a body that is read whole.
const limit = 1_048_576

// Handle answers one request.
func Handle(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
	answer, found := answers[r.Param("what")]
	if !found {
		return vibrato.Result{}, vibrato.Refuse(404, "there is nothing of that name")
	}
	return answer(w, r)
}

var answers = map[string]vibrato.Handler{
	"query": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		return vibrato.Text(strings.Join(r.Query()["x"], "|")), nil
	},
	"cookies": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		err := w.SetCookie(vibrato.Cookie{Name: "seen", Value: "a b"})
		return vibrato.Text(r.Cookie("a") + " " + r.Cookie("b")), err
	},
	"form": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		form, err := r.Form(limit)
		return vibrato.JSON(pairs(form)), err
	},
	"parts": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		rows := [][]any{}
		for part, err := range r.Parts(limit) {
			if err != nil {
				return vibrato.Result{}, err
			}
			text, err := part.Text(limit)
			if err != nil {
				return vibrato.Result{}, err
			}
			var filename any
			if part.IsFile {
				filename = part.Filename
			}
			rows = append(rows, []any{part.Name, filename, part.ContentType, text})
		}
		return vibrato.JSON(rows), nil
	},
	"first": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		for part, err := range r.Parts(100_000_000) {
			if err != nil {
				return vibrato.Result{}, err
			}
			length, err := io.Copy(io.Discard, part)
			return vibrato.Text(fmt.Sprintf("%s %t", part.Name, length > 65_536)), err
		}
		return vibrato.Result{}, nil
	},
	"small": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		var lengths []int
		for part, err := range r.Parts(200) {
			if err != nil {
				return vibrato.Result{}, err
			}
			body, err := part.Body(10)
			if err != nil {
				return vibrato.Result{}, err
			}
			lengths = append(lengths, len(body))
		}
		return vibrato.JSON(lengths), nil
	},
	"json": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		var value any
		err := r.JSON(&value, limit)
		return vibrato.JSON(value), err
	},
	"text": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		text, err := r.Text(limit)
		return vibrato.Text(text), err
	},
	"length": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		length, err := io.Copy(io.Discard, r)
		return vibrato.Text(fmt.Sprint(length)), err
	},
	"prefers": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		if best := r.Prefers("text/html", "application/json"); best != "" {
			return vibrato.Text(best), nil
		}
		return vibrato.Text("neither"), nil
	},
	"redirect": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		return vibrato.Redirect("/elsewhere"), nil
	},
	"status": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		return vibrato.JSON(map[string]bool{"made": true}).Status(201).Field("x-a", "1").Field("x-a", "2"), nil
	},
	"object": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		return vibrato.JSON(map[string]any{"a": []any{1, nil}, "b": "ü"}), nil
	},
	"bytes": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		return vibrato.Bytes([]byte("hi")), nil
	},
	"chunks": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		return vibrato.Chunks(func(yield func(string) bool) {
			_ = yield("a") && yield("") && yield("b")
		}), nil
	},
	"close": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		return vibrato.Close, nil
	},
	"option": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		numbers := strings.Trim(strings.ReplaceAll(fmt.Sprint(vibrato.Option("numbers")), " ", ","), "[]")
		absent := vibrato.Option("absent")
		if absent == nil {
			absent = "none"
		}
		return vibrato.Text(fmt.Sprint(vibrato.Option("greeting"), " ", numbers, " ", absent)), nil
	},
	"denied": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		value, _, err := vibrato.KV.Get("a")
		return vibrato.Bytes(value), err
	},
	"bad": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		return vibrato.Result{}, vibrato.Refuse(404, "no <such> thing")
	},
	"fails": func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		var missing map[string]string
		missing["a"] = "b"
		return vibrato.Result{}, nil
	},
}

// The values by their names, in the order of these.
func pairs(form url.Values) [][]string {
	rows := [][]string{}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			rows = append(rows, []string{name, value})
		}
	}
	return rows
}
