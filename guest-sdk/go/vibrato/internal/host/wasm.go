//go:build wasm

package host

import (
	witTypes "go.bytecodealliance.org/pkg/wit/types"

	config "wit_component/vibrato_handler_config"
	context "wit_component/vibrato_handler_context"
	client "wit_component/vibrato_handler_http_client"
	kv "wit_component/vibrato_handler_key_value"
	options "wit_component/vibrato_handler_options"
	push "wit_component/vibrato_handler_push"
	request "wit_component/vibrato_handler_request"
	response "wit_component/vibrato_handler_response"
	types "wit_component/vibrato_handler_types"
)

func Method() string { return request.Method() }
func Target() string { return request.Target() }
func Peer() string   { return request.Peer() }

func IsHTTP10() bool { return request.Version() == types.HttpVersion_Http10 }

func RequestFields() []Field                      { return fields(request.Fields()) }
func RequestField(name string) ([]byte, bool)     { return maybe(request.Field(name)) }
func Params() map[string]string                   { return pairs(request.Params()) }
func ResponseFields() []Field                     { return fields(response.Fields()) }
func ResponseField(name string) ([]byte, bool)    { return maybe(response.Field(name)) }
func Status() int                                 { return int(response.Status()) }
func SetStatus(status int) error                  { return done(response.SetStatus(uint16(status))) }
func SetField(name string, value []byte) error    { return done(response.SetField(name, value)) }
func AppendField(name string, value []byte) error { return done(response.AppendField(name, value)) }
func RemoveField(name string) error               { return done(response.RemoveField(name)) }
func Write(chunk []byte) error                    { return done(response.Write(chunk)) }
func Close() error                                { return done(response.Close()) }
func Fail(reason string)                          { response.Fail(reason) }
func Config(name string) (string, bool)           { return maybe(config.Get(name)) }
func Configs() map[string]string                  { return pairs(config.All()) }
func Context(name string) ([]byte, bool)          { return maybe(context.Get(name)) }
func SetContext(name string, value []byte) error  { return done(context.Set(name, value)) }
func Subscribe(topic string) error                { return done(push.Subscribe(topic)) }
func Publish(topic string, chunk []byte) (int, error) {
	return counted(push.Publish(topic, chunk))
}
func Finish(topic string) (int, error) { return counted(push.Finish(topic)) }

// SubscribeAfter reads the history of a topic behind an event, or from now on if lastID is nil.
func SubscribeAfter(topic string, lastID *string) (bool, error) {
	result := push.SubscribeAfter(topic, optional(lastID))
	if result.IsErr() {
		return false, historyError(result.Err())
	}
	return result.Ok(), nil
}

// Append appends an event to the history of a topic.
func Append(topic string, event []byte) (string, error) {
	result := push.Append(topic, event)
	if result.IsErr() {
		return "", historyError(result.Err())
	}
	return result.Ok(), nil
}

func historyError(refusal push.HistoryError) error {
	return []Error{"closed", "invalid", "forbidden", "too-large", "unavailable"}[refusal]
}

// Read reads the next piece of the body, and nothing at its end.
func Read(max uint32) ([]byte, error) {
	read := request.Read(max)
	if read.IsErr() {
		names := []BodyError{"incomplete", "malformed", "too-large", "timed-out"}
		return nil, names[read.Err()]
	}
	return read.Ok().SomeOr(nil), nil
}

// Option is a bool, an int64, a float64, a string, or a slice of these.
func Option(name string) any {
	value := options.Get(name)
	if value.IsNone() {
		return nil
	}
	return valueOf(value.Some())
}

func Options() map[string]any {
	all := map[string]any{}
	for _, option := range options.All() {
		all[option.F0] = valueOf(option.F1)
	}
	return all
}

func valueOf(value types.Value) any {
	switch value.Tag() {
	case types.Value_Boolean:
		return value.Boolean()
	case types.Value_Integer:
		return value.Integer()
	case types.Value_Float:
		return value.Float()
	case types.Value_Text:
		return value.Text()
	case types.Value_Booleans:
		return value.Booleans()
	case types.Value_Integers:
		return value.Integers()
	case types.Value_Floats:
		return value.Floats()
	default:
		return value.Texts()
	}
}

func Get(store, key string) ([]byte, bool, error) {
	got := kv.Get(store, key)
	if got.IsErr() {
		return nil, false, storeError(got.Err())
	}
	value, found := maybe(got.Ok())
	return value, found, nil
}

// Set sets a value, which expires after so many milliseconds, or never.
func Set(store, key string, value []byte, milliseconds *uint64) error {
	time := witTypes.None[uint64]()
	if milliseconds != nil {
		time = witTypes.Some(*milliseconds)
	}
	return stored(kv.Set(store, key, value, time))
}

func Delete(store, key string) error { return stored(kv.Delete(store, key)) }

// List returns some keys, and the cursor for the next ones, which is nil at the end.
func List(store, prefix string, cursor *string, limit uint32) ([]string, *string, error) {
	listed := kv.List(store, prefix, optional(cursor), limit)
	if listed.IsErr() {
		return nil, nil, storeError(listed.Err())
	}
	page := listed.Ok()
	if page.Cursor.IsNone() {
		return page.Keys, nil, nil
	}
	next := page.Cursor.Some()
	return page.Keys, &next, nil
}

func Increment(store, key string, delta int64) (int64, error) {
	sum := kv.Increment(store, key, delta)
	if sum.IsErr() {
		return 0, storeError(sum.Err())
	}
	return sum.Ok(), nil
}

func CompareAndSwap(store, key string, expected, value []byte) (bool, error) {
	bytes := func(value []byte) witTypes.Option[[]uint8] {
		if value == nil {
			return witTypes.None[[]uint8]()
		}
		return witTypes.Some(value)
	}
	swapped := kv.CompareAndSwap(store, key, bytes(expected), bytes(value))
	if swapped.IsErr() {
		return false, storeError(swapped.Err())
	}
	return swapped.Ok(), nil
}

// Send sends a request to another server.
func Send(call Call) (Answer, error) {
	request := client.MakeOutgoingRequest(call.Method, call.URL)
	defer request.Drop()
	for _, field := range call.Fields {
		if set := request.AppendField(field.Name, field.Value); set.IsErr() {
			return Answer{}, httpError(set.Err())
		}
	}
	if call.Timeout != 0 {
		request.SetConnectTimeout(call.Timeout)
		request.SetFirstByteTimeout(call.Timeout)
		request.SetBetweenBytesTimeout(call.Timeout)
	}
	if len(call.Body) > 0 {
		if written := request.Write(call.Body); written.IsErr() {
			return Answer{}, httpError(written.Err())
		}
	}
	sent := request.Send()
	if sent.IsErr() {
		return Answer{}, httpError(sent.Err())
	}
	response := sent.Ok()
	read := func(max uint32) ([]byte, error) {
		read := response.Read(max)
		if read.IsErr() {
			return nil, httpError(read.Err())
		}
		return read.Ok().SomeOr(nil), nil
	}
	return Answer{int(response.Status()), fields(response.Fields()), read, response.Drop}, nil
}

func fields(tuples []witTypes.Tuple2[string, []uint8]) []Field {
	fields := make([]Field, len(tuples))
	for index, tuple := range tuples {
		fields[index] = Field{tuple.F0, tuple.F1}
	}
	return fields
}

func pairs(tuples []witTypes.Tuple2[string, string]) map[string]string {
	pairs := make(map[string]string, len(tuples))
	for _, tuple := range tuples {
		pairs[tuple.F0] = tuple.F1
	}
	return pairs
}

func maybe[T any](option witTypes.Option[T]) (value T, found bool) {
	if option.IsNone() {
		return value, false
	}
	return option.Some(), true
}

func optional[T any](value *T) witTypes.Option[T] {
	if value == nil {
		return witTypes.None[T]()
	}
	return witTypes.Some(*value)
}

func refused(tag types.Error) error {
	names := []Error{"closed", "head-already-sent", "invalid", "forbidden", "too-large"}
	return names[tag]
}

func done(result witTypes.Result[witTypes.Unit, types.Error]) error {
	if result.IsErr() {
		return refused(result.Err())
	}
	return nil
}

func counted(result witTypes.Result[uint32, types.Error]) (int, error) {
	if result.IsErr() {
		return 0, refused(result.Err())
	}
	return int(result.Ok()), nil
}

func stored(result witTypes.Result[witTypes.Unit, kv.Error]) error {
	if result.IsErr() {
		return storeError(result.Err())
	}
	return nil
}

func storeError(err kv.Error) error {
	names := []Error{"denied", "no-such-store", "read-only", "too-large", "full"}
	if err.Tag() == kv.Error_Other {
		return Error(err.Other())
	}
	return names[err.Tag()]
}

func httpError(err client.HttpError) error {
	switch err.Tag() {
	case client.HttpError_Dns:
		return Error("dns: " + err.Dns())
	case client.HttpError_Tls:
		return Error("tls: " + err.Tls())
	case client.HttpError_Protocol:
		return Error("protocol: " + err.Protocol())
	case client.HttpError_Invalid:
		return Error("invalid: " + err.Invalid())
	case client.HttpError_Other:
		return Error(err.Other())
	}
	names := map[uint8]Error{
		client.HttpError_Denied: "denied", client.HttpError_AddressProhibited: "address-prohibited",
		client.HttpError_Refused: "refused", client.HttpError_Timeout: "timeout",
		client.HttpError_TooLarge: "too-large", client.HttpError_Closed: "closed",
	}
	return names[err.Tag()]
}
