package vibrato

import (
	"bytes"
	"io"
	"iter"
	"net/url"
	"strings"
	"unicode/utf8"
)

const (
	// The most bytes of a boundary (RFC 2046 section 5.1.1), of the fields of a part, and the most parts.
	maxBoundary = 70
	maxPartHead = 16_384
	maxParts    = 1000
)

// Form is the body as a form, of at most limit bytes: urlencoded, or the texts of a multipart one.
func (r *Request) Form(limit int) (url.Values, error) {
	switch r.mediaType() {
	case "application/x-www-form-urlencoded":
		body, err := r.Body(limit)
		if err == nil && !utf8.Valid(body) {
			err = Refuse(400, "the form is not UTF-8")
		}
		return valuesOf(string(body)), err
	case "multipart/form-data":
		values := url.Values{}
		for part, err := range r.Parts(limit) {
			if err != nil {
				return nil, err
			}
			if part.IsFile {
				continue
			}
			text, err := part.Text(limit)
			if err != nil {
				return nil, err
			}
			values.Add(part.Name, text)
		}
		return values, nil
	default:
		return nil, Refuse(415, "the body is no form")
	}
}

// Part is a part of a multipart form, and an io.Reader of it. Read it before the next one is asked for.
type Part struct {
	Name string
	// IsFile says whether it is a file. Its name is what the client says: never a path to write to.
	IsFile      bool
	Filename    string
	ContentType string
	reader      io.Reader
}

// Read reads some of the part.
func (p *Part) Read(into []byte) (int, error) { return p.reader.Read(into) }

// Body is the whole part, of at most limit bytes.
func (p *Part) Body(limit int) ([]byte, error) { return readAll(p, limit, "a part of the form") }

// Text is the whole part as text in UTF-8.
func (p *Part) Text(limit int) (string, error) {
	body, err := p.Body(limit)
	if err != nil {
		return "", err
	}
	return decode(body, "")
}

// Parts are the parts of a multipart form, one after the other as they come. All of it has at most limit bytes. What nobody
// reads of a part is passed over.
func (r *Request) Parts(limit int) iter.Seq2[*Part, error] {
	return func(yield func(*Part, error) bool) {
		boundary := parameter(r.Field("content-type"), "boundary")
		switch {
		case r.mediaType() != "multipart/form-data" || boundary == "":
			yield(nil, Refuse(415, "the body is no multipart form"))
			return
		case len(boundary) > maxBoundary:
			yield(nil, Refuse(400, "the boundary has more than %d bytes", maxBoundary))
			return
		}
		// The first delimiter may come without a line break before it.
		form := &form{body: r, delimiter: []byte("\r\n--" + boundary), ahead: []byte("\r\n"), left: limit, limit: limit}
		for count := 0; ; count++ {
			part, err := form.next(count)
			if part == nil && err == nil {
				return
			}
			if !yield(part, err) || err != nil {
				return
			}
		}
	}
}

// form is a multipart form: what was read ahead of it, and the rest of the body.
type form struct {
	body      io.Reader
	delimiter []byte
	ahead     []byte
	// isWithin says that the next bytes are those of a part, or before the first one.
	isWithin    bool
	hasBegun    bool
	left, limit int
}

// more reads some more of the body.
func (f *form) more() error {
	piece := make([]byte, maxPiece)
	length, err := f.body.Read(piece)
	switch {
	case err == io.EOF:
		return Refuse(400, "the multipart form ends too early")
	case err != nil:
		return err
	}
	if f.left -= length; f.left < 0 {
		return Refuse(413, "the multipart form has more than %d bytes", f.limit)
	}
	f.ahead = append(f.ahead, piece[:length]...)
	return nil
}

// take reads up to the delimiter, which is passed over: then it is io.EOF.
func (f *form) take(into []byte) (int, error) {
	for f.isWithin {
		at := bytes.Index(f.ahead, f.delimiter)
		if at == 0 {
			f.ahead, f.isWithin = f.ahead[len(f.delimiter):], false
			break
		}
		ready := at
		if at < 0 {
			// The end may be the beginning of a delimiter.
			ready = len(f.ahead) - len(f.delimiter) + 1
		}
		if ready > 0 {
			length := copy(into, f.ahead[:ready])
			f.ahead = f.ahead[length:]
			return length, nil
		}
		if err := f.more(); err != nil {
			return 0, err
		}
	}
	return 0, io.EOF
}

// next is the next part, and nil at the end.
func (f *form) next(count int) (*Part, error) {
	if !f.hasBegun {
		f.hasBegun, f.isWithin = true, true
	}
	for passed := make([]byte, maxPiece); ; {
		if _, err := f.take(passed); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
	}
	if last, err := f.isLast(); last || err != nil {
		return nil, err
	}
	if count == maxParts {
		return nil, Refuse(413, "the multipart form has more than %d parts", maxParts)
	}
	head, err := f.head()
	if err != nil {
		return nil, err
	}
	part := &Part{ContentType: "text/plain", reader: content{f}}
	for _, line := range strings.Split(strings.ToValidUTF8(head, "\ufffd"), "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "content-disposition":
			part.Name = parameter(value, "name")
			part.Filename, part.IsFile = find(value, "filename")
		case "content-type":
			part.ContentType = strings.TrimSpace(value)
		}
	}
	if part.Name == "" {
		return nil, Refuse(400, "a part of the multipart form has no name")
	}
	f.isWithin = true
	return part, nil
}

// isLast says whether the delimiter that was passed over was the last one. Otherwise the end of its line is next.
func (f *form) isLast() (bool, error) {
	for {
		for len(f.ahead) < 2 {
			if err := f.more(); err != nil {
				return false, err
			}
		}
		switch {
		case f.ahead[0] == '-' && f.ahead[1] == '-':
			return true, nil
		case f.ahead[0] == '\r' && f.ahead[1] == '\n':
			return false, nil
		// White space that a relay has added.
		case f.ahead[0] == ' ' || f.ahead[0] == '\t':
			f.ahead = f.ahead[1:]
		default:
			return false, Refuse(400, "a delimiter of the multipart form is malformed")
		}
	}
}

// head is the fields of a part, up to the empty line.
func (f *form) head() (string, error) {
	for {
		end := bytes.Index(f.ahead, []byte("\r\n\r\n"))
		if end > maxPartHead || end < 0 && len(f.ahead) > maxPartHead {
			return "", Refuse(413, "the fields of a part of the multipart form are too large")
		}
		if end >= 0 {
			head := string(f.ahead[:end])
			f.ahead = f.ahead[end+len("\r\n\r\n"):]
			return head, nil
		}
		if err := f.more(); err != nil {
			return "", err
		}
	}
}

// content is what the part has that is being read.
type content struct{ form *form }

func (c content) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	return c.form.take(into)
}

// parameter is a parameter of a field such as `multipart/form-data; boundary="x"`, or "".
func parameter(value, name string) string {
	found, _ := find(value, name)
	return found
}

func find(value, name string) (string, bool) {
	_, rest, _ := strings.Cut(value, ";")
	for {
		key, after, found := strings.Cut(rest, "=")
		if !found {
			return "", false
		}
		// A parameter without a value is passed over.
		key = strings.TrimSpace(key[strings.LastIndex(key, ";")+1:])
		text, behind := parameterValue(strings.TrimLeft(after, " \t"))
		if equal(key, name) {
			return text, true
		}
		_, rest, _ = strings.Cut(behind, ";")
	}
}

// parameterValue is the token or the quoted string at the beginning of a text, and what is behind it.
func parameterValue(text string) (string, string) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.Index(text+";", ";")
		return strings.TrimSpace(text[:end]), text[end:]
	}
	var value strings.Builder
	for index := 1; index < len(text); index++ {
		switch {
		case text[index] == '"':
			return value.String(), text[index+1:]
		// What is escaped. Browsers send a backslash of a file's path as it is.
		case text[index] == '\\' && index+1 < len(text) && strings.ContainsRune(`"\`, rune(text[index+1])):
			index++
			value.WriteByte(text[index])
		default:
			value.WriteByte(text[index])
		}
	}
	return value.String(), ""
}
