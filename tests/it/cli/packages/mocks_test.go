package app

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"vibrato"
	"vibrato/vibratotest"
)

func same(t *testing.T, got, expected any) {
	t.Helper()
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("got %v, expected %v", got, expected)
	}
}

func ask(what string, request vibratotest.Request) *vibratotest.Response {
	request.Params = map[string]string{"what": what}
	return vibratotest.Call(Handle, request)
}

func TestPartsOfTheRequest(t *testing.T) {
	same(t, ask("query", vibratotest.Request{Target: "/own/query?x=1&y=2&x=3"}).Text(), "1|3")
	options := map[string]any{"greeting": "Hi", "numbers": []int64{1, 2}, "absent": true}
	same(t, ask("option", vibratotest.Request{Options: options}).Text(), "Hi 1,2 true")
	handler := func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		return vibrato.Text(fmt.Sprint(r.Method(), r.Path(), r.Peer(), r.IsHTTP10(), r.Field("A"), r.Fields()["a"])), nil
	}
	request := vibratotest.Request{Method: "PUT", Target: "/a?b", Peer: "192.0.2.1", HTTP10: true, Fields: map[string]string{"A": "1"}}
	same(t, vibratotest.Call(handler, request).Text(), "PUT/a192.0.2.1true1[1]")
}

func TestABodyInPieces(t *testing.T) {
	body := "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\n"
	fields := map[string]string{"Content-Type": "multipart/form-data; boundary=x"}
	for _, request := range []vibratotest.Request{{Body: body}, {Pieces: strings.Split(body, "")}} {
		request.Fields = fields
		same(t, ask("form", request).Text(), `[["a","1"]]`)
	}
}

func TestChunksFieldsAndFailures(t *testing.T) {
	chunks := ask("chunks", vibratotest.Request{})
	same(t, chunks.Text(), "ab")
	same(t, len(chunks.Chunks), 2)
	made := ask("status", vibratotest.Request{})
	same(t, []any{made.Status, made.Field("Content-Type"), made.Field("x-a")}, []any{201, "application/json", "1"})
	same(t, ask("close", vibratotest.Request{}).Outcome, vibrato.OutcomeClose)
	same(t, ask("bad", vibratotest.Request{}).Status, 404)
	denied := ask("denied", vibratotest.Request{})
	same(t, []any{denied.Status, strings.Contains(denied.Failure, "denied")}, []any{500, true})
	late := func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		w.WriteString("a")
		return vibrato.Result{}, errors.Join(w.SetStatus(404), w.Finish(), w.Finish())
	}
	same(t, vibratotest.Call(late, vibratotest.Request{}).Text(), "a")
}

func TestWhatTheHostOffers(t *testing.T) {
	handler := func(w *vibrato.Response, r *vibrato.Request) (vibrato.Result, error) {
		count, err := vibrato.KV.Increment("count", 2)
		swapped, _ := vibrato.KV.CompareAndSwap("a", []byte("1"), nil)
		other, _, _ := vibrato.Store("other").Get("b")
		name, _ := vibrato.Config("name")
		vibrato.SetContext("user", append(vibrato.Context("user"), '!'))
		vibrato.Subscribe("room")
		reached, _ := vibrato.Publish("room", []byte("hi"))
		answer, failed := vibrato.Get("https://api.example/v1")
		if failed != nil {
			return vibrato.Result{}, failed
		}
		defer answer.Close()
		body, _ := answer.Body(100)
		var keys []string
		for key := range vibrato.KV.Keys("") {
			keys = append(keys, key)
		}
		return vibrato.Text(fmt.Sprint(count, swapped, string(other), name, reached, answer.Status, string(body), keys)), err
	}
	response := vibratotest.Call(handler, vibratotest.Request{
		KV:          map[string]string{"count": "5", "a": "1"},
		Stores:      map[string]map[string]string{"other": {"b": "c"}},
		Config:      map[string]string{"name": "Ada"},
		Context:     map[string]string{"user": "Grace"},
		Subscribers: 3,
		HTTP:        func(call vibrato.Call) *vibratotest.Answer { return &vibratotest.Answer{Body: call.Method + call.URL} },
	})
	same(t, response.Text(), "7 truecAda3 200GEThttps://api.example/v1[count]")
	same(t, []any{string(response.Context["user"]), response.Published["room"][0]}, []any{"Grace!", "hi"})
	same(t, len(response.Calls), 1)
}
