package vibrato

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// What windows-1252 has from 0x80 to 0x9f.
var windows = []rune("\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f" +
	"\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178")

// decode is bytes in a charset as text.
func decode(bytes []byte, charset string) (string, error) {
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8":
		if utf8.Valid(bytes) {
			return string(bytes), nil
		}
		charset = "UTF-8"
	case "us-ascii", "ascii":
		if !strings.ContainsFunc(string(bytes), func(r rune) bool { return r >= utf8.RuneSelf }) {
			return string(bytes), nil
		}
	case "iso-8859-1", "latin1":
		return latin1(bytes), nil
	case "windows-1252", "cp1252":
		return strings.Map(func(r rune) rune {
			if 0x80 <= r && r < 0xa0 {
				return windows[r-0x80]
			}
			return r
		}, latin1(bytes)), nil
	case "utf-16le":
		if text, ok := decode16(bytes, binary.LittleEndian); ok {
			return text, nil
		}
	case "utf-16be":
		if text, ok := decode16(bytes, binary.BigEndian); ok {
			return text, nil
		}
	default:
		return "", Refuse(415, "the charset %.40q is not known", charset)
	}
	return "", Refuse(400, "the body is not %s", charset)
}

func latin1(bytes []byte) string {
	runes := make([]rune, len(bytes))
	for index, value := range bytes {
		runes[index] = rune(value)
	}
	return string(runes)
}

func decode16(bytes []byte, order binary.ByteOrder) (string, bool) {
	units := make([]uint16, len(bytes)/2)
	for index := range units {
		units[index] = order.Uint16(bytes[2*index:])
	}
	text := utf16.Decode(units)
	// What is no character comes out as U+FFFD, which is a character too.
	for index, unit := range utf16.Encode(text) {
		if index >= len(units) || units[index] != unit {
			return "", false
		}
	}
	return string(text), len(bytes)%2 == 0
}
