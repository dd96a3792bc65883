package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluicemail/sluice/console/admin"
)

// call is one request on its way.
type call struct {
	handler    *Handler
	admin      *admin.Admin
	request    *http.Request
	parameters map[string]string // of the path
	values     admin.Values      // fields of body and query
	header     http.Header       // of the answer
}

// read reads body and query, and refuses fields that the route does not have.
func (c *call) read(route *route) error {
	query, err := url.ParseQuery(c.request.URL.RawQuery)
	if err != nil {
		return bad("the query cannot be read: " + err.Error())
	}
	c.values = admin.Values{}
	if err := addForm(c.values, query); err != nil {
		return err
	}
	fields := route.fields
	switch {
	case c.request.Method == http.MethodGet || c.request.Method == http.MethodHead:
	case route.raw: // the route reads it
	default:
		if err := c.readFields(); err != nil {
			return err
		}
	}
	return admin.CheckFields(fields, c.values)
}

// readFields reads a body of fields, in whatever form.
func (c *call) readFields() error {
	data, err := io.ReadAll(c.request.Body)
	if err != nil {
		return bodyError(err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	kind, parameters, err := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	if err != nil && c.request.Header.Get("Content-Type") != "" {
		return &problem{status: http.StatusUnsupportedMediaType, reason: "the header Content-Type cannot be read"}
	}
	// Tools send JSON as a form when they are not told: no form begins like that.
	first := bytes.TrimSpace(data)[0]
	switch {
	case kind == "application/json", strings.HasSuffix(kind, "+json"), first == '{', first == '[':
		return readJSON(data, c.values)
	case kind == "", kind == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(data))
		if err != nil {
			return bad("the form cannot be read: " + err.Error())
		}
		return addForm(c.values, form)
	case kind == "multipart/form-data":
		return readMultipart(data, parameters["boundary"], c.values)
	}
	return &problem{status: http.StatusUnsupportedMediaType, reason: fmt.Sprintf(
		"a body of type %.80q is not understood; expected application/json or application/x-www-form-urlencoded", kind)}
}

func bodyError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return bad("the body ended early: " + err.Error())
}

func bad(reason string) error { return &problem{status: http.StatusBadRequest, reason: reason} }

// addForm adds the fields of a form.
func addForm(to admin.Values, form url.Values) error {
	for name, values := range form {
		_, twice := to[name]
		if twice || len(values) != 1 {
			return admin.Wrong(name, nil, "one value, not several")
		}
		to[name] = values[0]
	}
	return nil
}

func readMultipart(data []byte, boundary string, to admin.Values) error {
	if boundary == "" {
		return bad("the form cannot be read: Content-Type has no boundary")
	}
	parts := multipart.NewReader(bytes.NewReader(data), boundary)
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return bad("the form cannot be read: " + err.Error())
		}
		value, err := io.ReadAll(p)
		if err != nil {
			return bad("the form cannot be read: " + err.Error())
		}
		if err := addForm(to, url.Values{p.FormName(): {string(value)}}); err != nil {
			return err
		}
	}
}

// readJSON reads a flat object: values are texts, numbers, booleans, null, or arrays of these. Anything deeper is
// refused where it begins, so that depth costs nothing.
func readJSON(data []byte, to admin.Values) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	first, err := d.Token()
	if err != nil {
		return notJSON(err, d)
	}
	if first != json.Delim('{') {
		return bad("expected a JSON object with the fields, got " + kindOf(first))
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return notJSON(err, d)
		}
		name, _ := t.(string)
		if _, twice := to[name]; twice {
			return admin.Wrong(name, nil, "one value, not several")
		}
		v, err := readValue(d, name)
		if err != nil {
			return err
		}
		to[name] = v // null is the field's default
	}
	if _, err := d.Token(); err != nil {
		return notJSON(err, d)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("something follows the JSON object")
	}
	return nil
}

func readValue(d *json.Decoder, name string) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, notJSON(err, d)
	}
	if t != json.Delim('[') {
		if _, deep := t.(json.Delim); deep {
			return nil, admin.Wrong(name, nil, "a text, a number or a boolean, not an object")
		}
		return t, nil
	}
	list := []any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, notJSON(err, d)
		}
		if _, deep := t.(json.Delim); deep {
			return nil, admin.Wrong(name, nil, "texts and numbers, not "+kindOf(t))
		}
		list = append(list, t)
	}
	if _, err := d.Token(); err != nil {
		return nil, notJSON(err, d)
	}
	return list, nil
}

func notJSON(err error, d *json.Decoder) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return bad("the JSON ends early")
	}
	return bad(fmt.Sprintf("this is not JSON, near byte %d: %v", d.InputOffset(), err))
}

func kindOf(t json.Token) string {
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return "an array"
		}
		return "an object"
	case string:
		return "a text"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	}
	return "null"
}
