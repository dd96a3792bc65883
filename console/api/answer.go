package api

import (
	"bufio"
	"encoding/json"
	"io"
	"iter"
	"math"
	"net/http"
	"strconv"
)

// created is an answer of 201.
type created struct{ value any }

// stream is a list that is written while it is read.
type stream iter.Seq2[any, error]

// streamOf makes a stream of another sequence.
func streamOf[T any](seq iter.Seq2[T, error], of func(T) any) stream {
	return func(yield func(any, error) bool) {
		for v, err := range seq {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(of(v), nil) {
				return
			}
		}
	}
}

// refuse answers with an error.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	p := asProblem(err)
	switch p.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="sluice"`)
	case http.StatusRequestEntityTooLarge:
		w.Header().Set("Connection", "close") // what is still coming is not read
	}
	if p.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retry.Seconds()))))
	}
	body := map[string]any{"error": p.reason}
	if len(p.problems) > 0 {
		body["problems"] = p.problems
	}
	writeJSON(w, p.status, body)
}

// write answers with what a route returned.
func (h *Handler) write(w http.ResponseWriter, c *call, answer any) {
	switch v := answer.(type) {
	case stream:
		h.writeStream(w, v)
	case created:
		writeJSON(w, http.StatusCreated, v.value)
	default:
		writeJSON(w, http.StatusOK, v)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	data, err := json.Marshal(v)
	if err != nil { // only a value that JSON does not have
		status, data = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
}

// writeStream writes an array. An error before its first entry is an ordinary one; a later one breaks the connection,
// so that nobody takes the part for the whole.
func (h *Handler) writeStream(w http.ResponseWriter, list stream) {
	out := bufio.NewWriterSize(w, 1<<15)
	n := 0
	for v, err := range list {
		var data []byte
		if err == nil {
			data, err = json.Marshal(v)
		}
		switch {
		case err != nil && n == 0:
			h.refuse(w, err)
			return
		case err != nil:
			_ = out.Flush()
			panic(http.ErrAbortHandler)
		}
		separator := ",\n"
		if n == 0 {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			separator = "[\n"
		}
		n++
		_, _ = out.WriteString(separator)
		if _, err := out.Write(data); err != nil {
			return // the client is gone
		}
	}
	if n == 0 {
		writeJSON(w, http.StatusOK, []any{})
		return
	}
	_, _ = io.WriteString(out, "\n]\n")
	_ = out.Flush()
}
