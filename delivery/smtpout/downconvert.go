package smtpout

import (
	"bytes"
	"encoding/base64"
	"mime"
	"mime/quotedprintable"
	"strings"

	"github.com/sluicemail/sluice/queue"
)

// The bounds of down-conversion: larger or more deeply nested mails go as they are, or not if they are binary.
const (
	maxConverted = 8 << 20
	maxBinary    = 32 << 20
	maxNesting   = 20
)

// lineEnds makes every line end a CRLF, as DATA needs it anyway.
var lineEnds = strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n")

// downConvert makes a mail with bytes beyond ASCII fit for a remote without 8BITMIME (RFC 6152 §3): text becomes
// quoted-printable, other content base64, in every part that needs it. Not ok, and to be sent as it is like other MTAs
// do, is a mail that may not be changed (signed, encrypted), is too large, or is broken. Bytes beyond ASCII in header
// fields stay. With binary, what DATA would damage needs it as well, and what says that it is binary.
func downConvert(body queue.Body, most int64, binary bool) (converted queue.Bytes, ok bool) {
	if body.Size() > most {
		return nil, false
	}
	text := make([]byte, body.Size())
	if err := readFull(body, text, 0); err != nil {
		return nil, false
	}
	out := bytes.NewBuffer(make([]byte, 0, len(text)+len(text)/4))
	if !(converter{out, binary}).entity(text, 0) {
		return nil, false
	}
	return out.Bytes(), true
}

// converter writes a mail converted.
type converter struct {
	*bytes.Buffer
	binary bool
}

// needs reports whether content is to be converted.
func (out converter) needs(content []byte) bool {
	switch {
	case beyondASCII(content):
		return true
	case !out.binary:
		return false
	}
	var s scanner
	s.scan(content)
	found := s.finish()
	return found.binary()
}

// entity writes a mail, or a part of one.
func (out converter) entity(entity []byte, depth int) bool {
	header, content := splitEntity(entity)
	fields := splitFields(header)
	encoding := strings.ToLower(strings.TrimSpace(fieldValue(fields, "Content-Transfer-Encoding")))
	if !out.needs(content) && !(out.binary && encoding == "binary") {
		out.Write(entity)
		return true
	}
	if depth > maxNesting || encoding == "base64" || encoding == "quoted-printable" {
		return false
	}
	kind, params, err := mime.ParseMediaType(fieldValue(fields, "Content-Type"))
	switch {
	case fieldValue(fields, "Content-Type") == "":
		kind = "text/plain"
	case err != nil:
		return false
	}
	switch {
	case kind == "multipart/signed", kind == "multipart/encrypted":
		return false
	case strings.HasPrefix(kind, "multipart/"):
		out.header(fields, "7bit", depth)
		return params["boundary"] != "" && out.parts(content, params["boundary"], depth)
	case kind == "message/rfc822":
		out.header(fields, "7bit", depth)
		return out.entity(content, depth+1)
	case strings.HasPrefix(kind, "message/"):
		return false
	case strings.HasPrefix(kind, "text/") && encoding != "binary":
		out.header(fields, "quoted-printable", depth)
		w := quotedprintable.NewWriter(out)
		lineEnds.WriteString(w, string(content)) // the writer loses an LF some way behind a lone CR
		w.Close()
	default:
		out.header(fields, "base64", depth)
		writeBase64(out.Buffer, content)
	}
	return true
}

// parts writes the parts of a multipart, each converted. What stands before and behind the parts is kept.
func (out converter) parts(content []byte, boundary string, depth int) bool {
	delimiter := []byte("--" + boundary)
	start, inPart := 0, false
	for at := 0; at < len(content); {
		end := len(content)
		if i := bytes.IndexByte(content[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		line := content[at:end]
		if !isDelimiter(line, delimiter) {
			at = end
			continue
		}
		if !inPart {
			out.Write(content[start:at])
		} else {
			part, lineEnd := cutLineEnd(content[start:at])
			if !out.entity(part, depth+1) {
				return false
			}
			out.Write(lineEnd)
		}
		out.Write(line)
		start, at = end, end
		inPart = !bytes.HasPrefix(line[len(delimiter):], []byte("--"))
	}
	rest := content[start:]
	if !inPart {
		out.Write(rest)
		return true
	}
	return out.entity(rest, depth+1) // the last delimiter is missing
}

func isDelimiter(line, delimiter []byte) bool {
	rest, ok := bytes.CutPrefix(line, delimiter)
	if !ok {
		return false
	}
	rest = bytes.TrimPrefix(rest, []byte("--"))
	return len(bytes.TrimRight(rest, " \t\r\n")) == 0
}

func cutLineEnd(text []byte) (before, lineEnd []byte) {
	n := len(text)
	if n > 0 && text[n-1] == '\n' {
		n--
		if n > 0 && text[n-1] == '\r' {
			n--
		}
	}
	return text[:n], text[n:]
}

// splitEntity cuts behind the header's empty line, which belongs to neither.
func splitEntity(entity []byte) (header, content []byte) {
	for at := 0; at < len(entity); {
		end := len(entity)
		if i := bytes.IndexByte(entity[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if len(bytes.TrimRight(entity[at:end], "\r\n")) == 0 {
			return entity[:at], entity[end:]
		}
		at = end
	}
	return entity, nil
}

// splitFields cuts a header into fields, continuation lines included.
func splitFields(header []byte) [][]byte {
	var fields [][]byte
	start := 0
	for at := 0; at < len(header); {
		end := len(header)
		if i := bytes.IndexByte(header[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if end == len(header) || header[end] != ' ' && header[end] != '\t' {
			fields = append(fields, header[start:end])
			start = end
		}
		at = end
	}
	return fields
}

func fieldValue(fields [][]byte, name string) string {
	for _, field := range fields {
		if isField(field, name) {
			return strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(string(field[len(name)+1:])))
		}
	}
	return ""
}

func isField(field []byte, name string) bool {
	return len(field) > len(name) && field[len(name)] == ':' && strings.EqualFold(string(field[:len(name)]), name)
}

// header writes a header with another transfer encoding.
func (out converter) header(fields [][]byte, encoding string, depth int) {
	version := depth > 0
	for _, field := range fields {
		version = version || isField(field, "MIME-Version")
		if !isField(field, "Content-Transfer-Encoding") {
			out.Write(field)
		}
	}
	if !version {
		out.WriteString("MIME-Version: 1.0\r\n")
		if fieldValue(fields, "Content-Type") == "" {
			out.WriteString("Content-Type: text/plain; charset=unknown-8bit\r\n") // RFC 1428 §3
		}
	}
	out.WriteString("Content-Transfer-Encoding: " + encoding + "\r\n\r\n")
}

func writeBase64(out *bytes.Buffer, content []byte) {
	const line = 57 // 76 characters
	var text [76]byte
	for len(content) > 0 {
		piece := content[:min(line, len(content))]
		content = content[len(piece):]
		n := base64.StdEncoding.EncodedLen(len(piece))
		base64.StdEncoding.Encode(text[:n], piece)
		out.Write(text[:n])
		out.WriteString("\r\n")
	}
}
