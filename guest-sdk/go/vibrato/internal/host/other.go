//go:build !wasm

package host

import (
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// Invocation is what a test says of a request, and what was done to its response.
type Invocation struct {
	Method, Target, Peer string
	HTTP10               bool
	Fields               []Field
	Pieces               [][]byte
	Params               map[string]string
	Options              map[string]any
	Config               map[string]string
	Context              map[string][]byte
	// Stores are those that are granted, by their names.
	Stores      map[string]map[string][]byte
	Answer      func(Call) (Answer, bool)
	Subscribers int

	Status             int
	Set                []Field
	Chunks             [][]byte
	Finished, IsClosed bool
	Failure            string
	Calls              []Call
	Subscribed         []string
	Published          []Field
	FinishedTopics     []string
	Resumed            []string
	Appended           []Field
}

// Current is the invocation of the test that runs.
var Current *Invocation

func current() *Invocation {
	if Current == nil {
		panic("there is no request here: call the handler with vibratotest.Call")
	}
	return Current
}

func Method() string { return current().Method }
func Target() string { return current().Target }
func Peer() string   { return current().Peer }
func IsHTTP10() bool { return current().HTTP10 }

func RequestFields() []Field { return current().Fields }

func RequestField(name string) ([]byte, bool) {
	separator := ", "
	if strings.EqualFold(name, "cookie") {
		separator = "; "
	}
	var lines []string
	for _, field := range current().Fields {
		if strings.EqualFold(field.Name, name) {
			lines = append(lines, string(field.Value))
		}
	}
	return []byte(strings.Join(lines, separator)), lines != nil
}

func Params() map[string]string { return current().Params }

// Read reads the next piece of the body, and nothing at its end.
func Read(max uint32) ([]byte, error) {
	it := current()
	for len(it.Pieces) > 0 {
		piece := it.Pieces[0]
		if len(piece) == 0 {
			it.Pieces = it.Pieces[1:]
			continue
		}
		length := min(len(piece), int(max))
		it.Pieces[0] = piece[length:]
		return piece[:length], nil
	}
	return nil, nil
}

func open() (*Invocation, error) {
	it := current()
	if it.Finished || it.IsClosed || it.Failure != "" {
		return it, Error("closed")
	}
	return it, nil
}

var (
	token        = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	control      = regexp.MustCompile("[\x00-\x08\x0a-\x1f\x7f]")
	ofConnection = regexp.MustCompile("^(?i:connection|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$")
)

func head(name string, value []byte) (*Invocation, error) {
	it, err := open()
	switch {
	case err != nil:
		return it, err
	case len(it.Chunks) > 0:
		return it, Error("head-already-sent")
	case ofConnection.MatchString(name):
		return it, Error("forbidden")
	case !token.MatchString(name) || control.Match(value):
		return it, Error("invalid")
	}
	return it, nil
}

func Status() int { return current().Status }

func SetStatus(status int) error {
	it, err := head("x", nil)
	if err == nil {
		it.Status = status
	}
	return err
}

func ResponseFields() []Field { return current().Set }

func ResponseField(name string) ([]byte, bool) {
	for _, field := range current().Set {
		if strings.EqualFold(field.Name, name) {
			return field.Value, true
		}
	}
	return nil, false
}

func SetField(name string, value []byte) error {
	if _, err := head(name, value); err != nil {
		return err
	}
	if err := RemoveField(name); err != nil {
		return err
	}
	return AppendField(name, value)
}

func AppendField(name string, value []byte) error {
	it, err := head(name, value)
	if err == nil {
		it.Set = append(it.Set, Field{strings.ToLower(name), value})
	}
	return err
}

func RemoveField(name string) error {
	it, err := head(name, nil)
	if err != nil {
		return err
	}
	var kept []Field
	for _, field := range it.Set {
		if !strings.EqualFold(field.Name, name) {
			kept = append(kept, field)
		}
	}
	it.Set = kept
	return nil
}

func Write(chunk []byte) error {
	it, err := open()
	switch {
	case err != nil:
	case len(chunk) == 0:
		it.Finished = true
	default:
		it.Chunks = append(it.Chunks, append([]byte(nil), chunk...))
	}
	return err
}

func Close() error {
	if it := current(); !it.Finished {
		it.IsClosed = true
	}
	return nil
}

func Fail(reason string) {
	it := current()
	if it.Failure == "" {
		it.Failure = reason
	}
	if len(it.Chunks) == 0 {
		it.Status = 500
	}
}

func Option(name string) any          { return current().Options[name] }
func Options() map[string]any         { return current().Options }
func Configs() map[string]string      { return current().Config }
func Context(n string) ([]byte, bool) { value, found := current().Context[n]; return value, found }

func Config(name string) (string, bool) {
	value, found := current().Config[name]
	return value, found
}

func SetContext(name string, value []byte) error {
	current().Context[name] = value
	return nil
}

func store(name, key string) (map[string][]byte, error) {
	stores := current().Stores
	values, found := stores[name]
	switch {
	case len(stores) == 0:
		return nil, Error("denied")
	case !found:
		return nil, Error("no-such-store")
	case key == "" || len(key) > 1024:
		return nil, Error("too-large")
	}
	return values, nil
}

func Get(name, key string) ([]byte, bool, error) {
	values, err := store(name, key)
	value, found := values[key]
	return value, found, err
}

func Set(name, key string, value []byte, _ *uint64) error {
	values, err := store(name, key)
	if err == nil && len(value) > 1_048_576 {
		err = Error("too-large")
	}
	if err == nil {
		values[key] = append([]byte{}, value...)
	}
	return err
}

func Delete(name, key string) error {
	values, err := store(name, key)
	delete(values, key)
	return err
}

func List(name, prefix string, cursor *string, limit uint32) ([]string, *string, error) {
	values, err := store(name, "any")
	var keys []string
	for key := range values {
		if strings.HasPrefix(key, prefix) && (cursor == nil || key > *cursor) {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	if len(keys) <= int(limit) {
		return keys, nil, err
	}
	return keys[:limit], &keys[limit-1], err
}

func Increment(name, key string, delta int64) (int64, error) {
	values, err := store(name, key)
	if err != nil {
		return 0, err
	}
	value, found := values[key]
	if !found {
		value = []byte("0")
	}
	old, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0, Error("the value is no integer")
	}
	values[key] = []byte(strconv.FormatInt(old+delta, 10))
	return old + delta, nil
}

func CompareAndSwap(name, key string, expected, value []byte) (bool, error) {
	values, err := store(name, key)
	if err != nil {
		return false, err
	}
	old, found := values[key]
	if found != (expected != nil) || string(old) != string(expected) {
		return false, nil
	}
	if value == nil {
		delete(values, key)
	} else {
		values[key] = value
	}
	return true, nil
}

// Send sends a request to another server.
func Send(call Call) (Answer, error) {
	it := current()
	it.Calls = append(it.Calls, call)
	if it.Answer != nil {
		if answer, found := it.Answer(call); found {
			return answer, nil
		}
	}
	return Answer{}, Error("denied")
}

func topic(name string) error {
	if name == "" || len(name) > 128 || control.MatchString(name) {
		return Error("invalid")
	}
	return nil
}

func Subscribe(name string) error {
	it, err := open()
	if err == nil {
		err = topic(name)
	}
	if err == nil {
		it.Subscribed = append(it.Subscribed, name)
	}
	return err
}

func Publish(name string, chunk []byte) (int, error) {
	err := topic(name)
	if err == nil && len(chunk) == 0 {
		err = Error("invalid")
	}
	if err == nil && len(chunk) > 65_536 {
		err = Error("too-large")
	}
	if err != nil {
		return 0, err
	}
	it := current()
	it.Published = append(it.Published, Field{name, chunk})
	return it.Subscribers, nil
}

func Finish(name string) (int, error) {
	if err := topic(name); err != nil {
		return 0, err
	}
	it := current()
	it.FinishedTopics = append(it.FinishedTopics, name)
	return it.Subscribers, nil
}

// SubscribeAfter reads the history of a topic, of which nothing is missing.
func SubscribeAfter(name string, lastID *string) (bool, error) {
	it, err := open()
	if err == nil {
		err = topic(name)
	}
	if err == nil && len(it.Resumed) > 0 {
		err = Error("invalid")
	}
	if err != nil {
		return false, err
	}
	it.Resumed = append(it.Resumed, name)
	return true, nil
}

// Append notes an event, and gives it the next id.
func Append(name string, event []byte) (string, error) {
	err := topic(name)
	if err == nil && len(event) == 0 {
		err = Error("invalid")
	}
	if err == nil && len(event) > 65_536 {
		err = Error("too-large")
	}
	if err != nil {
		return "", err
	}
	it := current()
	it.Appended = append(it.Appended, Field{name, event})
	return "0000000000000000-" + strconv.Itoa(len(it.Appended)), nil
}
