package vibrato

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"vibrato/internal/host"
)

// The most bytes of one piece of a body: a collection of garbage may not go on while the host hands more over.
const maxPiece = 65_536

// Request is the request of this invocation. It is an io.Reader of its body, which is read as it comes.
type Request struct {
	body []byte
	read bool
}

// Method is the method: "GET". A HEAD request is seen as HEAD.
func (r *Request) Method() string { return host.Method() }

// IsTimer says whether the host has made this request itself, by the timer of the route. Its method is TIMER.
func (r *Request) IsTimer() bool { return host.Method() == "TIMER" }

// Target is the request target as it was sent.
func (r *Request) Target() string { return host.Target() }

// Path is the path as it was sent, not percent-decoded.
func (r *Request) Path() string {
	path, _, _ := strings.Cut(host.Target(), "?")
	if at := strings.Index(path, "://"); at > 0 {
		_, path, _ = strings.Cut(path[at+3:], "/")
		return "/" + path
	}
	return path
}

// RawQuery is the query as it was sent, without its question mark.
func (r *Request) RawQuery() string {
	_, query, _ := strings.Cut(host.Target(), "?")
	return query
}

// Query is the query, decoded as a form is.
func (r *Request) Query() url.Values { return valuesOf(r.RawQuery()) }

// Param is what the pattern of the route captures under this name, percent-decoded.
func (r *Request) Param(name string) string { return host.Params()[name] }

// Params is all that the pattern of the route captures.
func (r *Request) Params() map[string]string { return host.Params() }

// Peer is the client's address.
func (r *Request) Peer() string { return host.Peer() }

// IsHTTP10 says whether the client speaks HTTP/1.0.
func (r *Request) IsHTTP10() bool { return host.IsHTTP10() }

// Field is a field by its name, in any case, or "". Several lines are joined.
func (r *Request) Field(name string) string {
	value, _ := host.RequestField(name)
	return textOf(value)
}

// Fields are the lines of all fields by their names, which are in lower case.
func (r *Request) Fields() map[string][]string {
	fields := map[string][]string{}
	for _, field := range host.RequestFields() {
		fields[field.Name] = append(fields[field.Name], textOf(field.Value))
	}
	return fields
}

// Cookie is the first value of a cookie, decoded, or "".
func (r *Request) Cookie(name string) string {
	for _, pair := range strings.Split(r.Field("cookie"), ";") {
		key, value, found := strings.Cut(pair, "=")
		if !found || strings.TrimSpace(key) != name {
			continue
		}
		value = strings.TrimSpace(value)
		if len(value) > 1 && strings.HasPrefix(value, `"`) && strings.HasSuffix(value, `"`) {
			value = value[1 : len(value)-1]
		}
		if decoded, err := url.PathUnescape(value); err == nil {
			value = decoded
		}
		return strings.ToValidUTF8(value, "\ufffd")
	}
	return ""
}

// Prefers is which of some media types the client likes best (RFC 9110 section 12.5.1): the first of them if it likes several
// as much, "" if it accepts none.
func (r *Request) Prefers(types ...string) string {
	accept, found := host.RequestField("accept")
	if !found {
		accept = []byte("*/*")
	}
	weights := map[string]float64{}
	for _, entry := range strings.Split(strings.ToLower(string(accept)), ",") {
		parts := strings.Split(entry, ";")
		name, weight := strings.TrimSpace(parts[0]), 1.0
		for _, part := range parts[1:] {
			if text, found := strings.CutPrefix(strings.TrimSpace(part), "q="); found {
				parsed, err := strconv.ParseFloat(text, 64)
				if err != nil || !(parsed >= 0 && parsed <= 1) {
					parsed = 0
				}
				weight = parsed
				break
			}
		}
		if _, known := weights[name]; !known {
			weights[name] = weight
		}
	}
	best, most := "", 0.0
	for _, media := range types {
		lower := strings.ToLower(media)
		group, _, _ := strings.Cut(lower, "/")
		for _, name := range []string{lower, group + "/*", "*/*"} {
			if weight, known := weights[name]; known {
				if weight > most {
					best, most = media, weight
				}
				break
			}
		}
	}
	return best
}

// Read reads some of the body.
func (r *Request) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	piece, err := host.Read(uint32(min(len(into), maxPiece)))
	if err != nil {
		return 0, err
	}
	if len(piece) == 0 {
		return 0, io.EOF
	}
	return copy(into, piece), nil
}

// Body is the whole body, of at most limit bytes. A second call returns the same.
func (r *Request) Body(limit int) ([]byte, error) {
	if r.read {
		return r.body, nil
	}
	body, err := readAll(r, limit, "the body")
	if err == nil {
		r.body, r.read = body, true
	}
	return body, err
}

// Text is the whole body as text, in the charset of its type, which is UTF-8 if it names none.
func (r *Request) Text(limit int) (string, error) {
	body, err := r.Body(limit)
	if err != nil {
		return "", err
	}
	return decode(body, parameter(r.Field("content-type"), "charset"))
}

// JSON decodes the body, of at most limit bytes, into what value points to.
func (r *Request) JSON(value any, limit int) error {
	body, err := r.Body(limit)
	if err != nil {
		return err
	}
	if isDeep(body) {
		return Refuse(400, "the JSON of the body is deeper than %d", maxDepth)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(value); err != nil {
		return Refuse(400, "the body is no JSON: %s", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Refuse(400, "the body is no JSON: there is more behind it")
	}
	return nil
}

// The deepest JSON that is read: the stack of an instance is small.
const maxDepth = 500

// isDeep says whether arrays and objects are nested too deep, before anything is read that way.
func isDeep(body []byte) bool {
	depth, quoted := 0, false
	for index := 0; index < len(body); index++ {
		switch character := body[index]; {
		case quoted && character == '\\':
			index++
		case character == '"':
			quoted = !quoted
		case quoted:
		case character == '[' || character == '{':
			if depth++; depth > maxDepth {
				return true
			}
		case character == ']' || character == '}':
			depth--
		}
	}
	return false
}

func (r *Request) mediaType() string {
	media, _, _ := strings.Cut(r.Field("content-type"), ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// textOf is a field's value as text. Bytes that are not UTF-8 are read as ISO-8859-1.
func textOf(value []byte) string {
	if utf8.Valid(value) {
		return string(value)
	}
	return latin1(value)
}

// valuesOf decodes a form. What is malformed is left as it is.
func valuesOf(text string) url.Values {
	values := url.Values{}
	decoded := func(text string) string {
		plain, err := url.QueryUnescape(text)
		if err != nil {
			plain = strings.ReplaceAll(text, "+", " ")
		}
		return strings.ToValidUTF8(plain, "\ufffd")
	}
	for _, pair := range strings.Split(text, "&") {
		if pair != "" {
			name, value, _ := strings.Cut(pair, "=")
			values.Add(decoded(name), decoded(value))
		}
	}
	return values
}

func equal(one, other string) bool { return strings.EqualFold(one, other) }

func readAll(reader io.Reader, limit int, what string) ([]byte, error) {
	var all []byte
	buffer := make([]byte, maxPiece)
	for {
		length, err := reader.Read(buffer)
		if all = append(all, buffer[:length]...); len(all) > limit {
			return nil, Refuse(413, "%s has more than %d bytes", what, limit)
		}
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
