package ctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// raw prints an answer as it came.
func (s *session) raw(data []byte) error {
	_, err := s.out.Write(append(bytes.TrimSpace(data), '\n'))
	return err
}

// encode prints, for programs, an answer that no server made.
func (s *session) encode(answer map[string]any) error {
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	return e.Encode(answer)
}

// read asks for what people see in another form than programs, and leaves it in answer; done: it was printed as it
// came.
func (s *session) read(method, path string, fields, answer any) (done bool, err error) {
	data, err := s.ask(method, path, fields)
	if err == nil && s.options.JSON {
		return true, s.raw(data)
	}
	if err == nil {
		if err = json.Unmarshal(data, answer); err != nil {
			err = fmt.Errorf("the answer is not understood: %w", err)
		}
	}
	return err != nil, err
}

// rows asks for an array of objects and prints it.
func (s *session) rows(path string, columns ...string) error {
	data, err := s.ask("GET", path, nil)
	if err != nil {
		return err
	}
	return s.printRows(data, columns...)
}

// given is what was given of some fields.
func given(values map[string]string) map[string]any {
	fields := map[string]any{}
	for name, v := range values {
		if v != "" {
			fields[name] = v
		}
	}
	return fields
}

// address adds fields to a path.
func address(path string, fields map[string]any) string {
	query := url.Values{}
	for name, v := range fields {
		query.Set(name, fmt.Sprint(v))
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

func (s *session) table() *tabwriter.Writer {
	return tabwriter.NewWriter(s.out, 0, 8, 2, ' ', tabwriter.StripEscape)
}

// printRows prints an array of objects as a table: of columns those that any object has, then what else there is.
func (s *session) printRows(data []byte, columns ...string) error {
	if s.options.JSON {
		return s.raw(data)
	}
	var rows []map[string]any
	if err := json.Unmarshal(data, &rows); err != nil {
		return fmt.Errorf("the answer is not understood: %w", err)
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(s.out, "none")
		return err
	}
	columns = present(rows, columns)
	t := s.table()
	for _, c := range columns {
		fmt.Fprintf(t, "%s\t", strings.ToUpper(strings.ReplaceAll(c, "_", " ")))
	}
	fmt.Fprintln(t)
	for _, r := range rows {
		for _, c := range columns {
			fmt.Fprintf(t, "%s\t", cell(c, r[c]))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// printRow prints one object, a line for each field.
func (s *session) printRow(data []byte, columns ...string) error {
	if s.options.JSON {
		return s.raw(data)
	}
	var row map[string]any
	if err := json.Unmarshal(data, &row); err != nil {
		return fmt.Errorf("the answer is not understood: %w", err)
	}
	columns = present([]map[string]any{row}, columns)
	t := s.table()
	for _, c := range columns {
		fmt.Fprintf(t, "%s\t%s\t\n", c, cell(c, row[c]))
	}
	return t.Flush()
}

// present returns the columns that any row has: the given ones first, others by name. Versions are for programs.
func present(rows []map[string]any, columns []string) []string {
	has := map[string]bool{}
	for _, r := range rows {
		for name := range r {
			has[name] = name != "version"
		}
	}
	var all, others []string
	for _, c := range columns {
		if has[c] {
			all = append(all, c)
			delete(has, c)
		}
	}
	for name, shown := range has {
		if shown {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	return append(all, others...)
}

// cell writes a value for people.
func cell(column string, v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case float64:
		return quantity(column, v)
	case []any:
		all := make([]string, len(v))
		for i := range v {
			all[i] = cell(column, v[i])
		}
		return strings.Join(all, " ")
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return at.UTC().Format(time.DateTime) + " (" + ago(at) + ")"
		}
		return printable(v)
	}
	var object bytes.Buffer
	e := json.NewEncoder(&object)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // it came as JSON
	return printable(strings.TrimSpace(object.String()))
}

// quantity writes a number; sizes as people say them.
func quantity(column string, n float64) string {
	switch {
	case column == "bytes" || column == "size" || strings.HasPrefix(column, "bytes-"):
		return humanize.IBytes(uint64(max(n, 0)))
	case column == "id" || column == "code" || strings.HasSuffix(column, "port"), math.Abs(n) < 10_000:
		return fmt.Sprintf("%.0f", n)
	}
	return humanize.Comma(int64(n))
}

// printable keeps control characters of others from the terminal, and what changes the direction of writing. Names and
// quotation marks stay as they are.
func printable(s string) string {
	const most = 200
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, s)
}
