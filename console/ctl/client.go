package ctl

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// patience is how long one answer may take: a change of very many settings takes a while to be in force.
const patience = 2 * time.Minute

// ask sends fields as JSON, or nothing, and returns the body of the answer.
func (s *session) ask(method, path string, fields any) ([]byte, error) {
	var body io.Reader
	if fields != nil {
		data, err := json.Marshal(fields)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	return s.send(method, path, body)
}

func (s *session) send(method, path string, body io.Reader) ([]byte, error) {
	token, err := s.token()
	if err != nil {
		return nil, err
	}
	server, err := s.server()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(s.ctx, method, server.URL+path, body)
	if err != nil {
		return nil, &failure{ExitUsage, err.Error()}
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	client := &http.Client{Timeout: patience, Transport: transport(server.Certificate),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		return nil, &failure{ExitUnavailable, fmt.Sprintf("the server at %s does not answer: %v", server.URL, cause(err))}
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, &failure{ExitUnavailable, fmt.Sprintf("the answer of %s was cut off: %v", server.URL, err)}
	}
	return data, refusal(response, data)
}

// cause leaves out what the message says already.
func cause(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

// refusal makes an error of an answer that is one.
func refusal(r *http.Response, data []byte) error {
	if r.StatusCode < 300 {
		return nil
	}
	var said struct{ Error string }
	_ = json.Unmarshal(data, &said)
	if said.Error == "" {
		said.Error = "the answer was " + r.Status
		if to := r.Header.Get("Location"); to != "" {
			said.Error += ": it is at " + to + " (--url)"
		}
	}
	code := ExitFailed
	switch r.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		code = ExitData
	case http.StatusUnauthorized, http.StatusTooManyRequests:
		code = ExitNoPerm
	case http.StatusServiceUnavailable:
		code = ExitUnavailable
	}
	return &failure{code, said.Error}
}

// transport believes a server that shows the certificate in a file.
func transport(file string) http.RoundTripper {
	t := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	data, err := os.ReadFile(file)
	if err != nil {
		return t
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return t
	}
	own := block.Bytes
	t.TLSClientConfig.InsecureSkipVerify = true // instead: it is the very certificate that is configured
	t.TLSClientConfig.VerifyPeerCertificate = func(shown [][]byte, _ [][]*x509.Certificate) error {
		if len(shown) == 0 || !bytes.Equal(shown[0], own) {
			return errors.New("the server shows another certificate than the configured one")
		}
		return nil
	}
	return t
}

// assignments reads k=v arguments.
func assignments(args []string) (map[string]any, error) {
	fields := map[string]any{}
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		if !ok || name == "" {
			return nil, &failure{ExitUsage, fmt.Sprintf("%q: expected column=value", a)}
		}
		if _, twice := fields[name]; twice {
			return nil, &failure{ExitUsage, name + " is given twice"}
		}
		if file, ok := strings.CutPrefix(value, "@"); ok && name == "privatekey" {
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, &failure{ExitNoInput, err.Error()}
			}
			value = string(data)
		}
		fields[name] = value
	}
	return fields, nil
}
