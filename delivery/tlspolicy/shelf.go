package tlspolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/wholefile"
)

// shelf keeps policies in a directory, one file for each domain. The empty shelf keeps nothing.
type shelf string

// record is a policy as it was fetched.
type record struct {
	Domain  string    `json:"domain"`
	ID      string    `json:"id"`
	Fetched time.Time `json:"fetched"`
	Policy  policy    `json:"policy"`
}

// fresh reports whether the policy need not be fetched again while its id is the same. One of the future was fetched
// before the clock jumped back.
func (r *record) fresh(now time.Time) bool {
	age := now.Sub(r.Fetched)
	return age >= 0 && age < min(renewal, r.Policy.MaxAge/2)
}

// until is when the policy is over.
func (r *record) until() time.Time { return r.Fetched.Add(r.Policy.MaxAge) }

// file returns the path of a domain's file; "" when the domain cannot have one.
func (s shelf) file(domain string) string {
	if s == "" || domain == "" || domain[0] == '.' || strings.ContainsAny(domain, "/\\\x00") || len(domain) > 250 {
		return ""
	}
	return filepath.Join(string(s), domain+suffix)
}

const suffix = ".sts"

// read returns what is kept of a domain; nil when that is nothing that still holds.
func (s shelf) read(domain string, now time.Time) (*record, error) {
	path := s.file(domain)
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	r := new(record)
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err == nil && (r.Domain != domain || r.Fetched.After(now.Add(time.Hour)) || r.Policy.Mode == "" ||
		r.Policy.MaxAge < 0 || r.Policy.MaxAge > maxAge) {
		err = fmt.Errorf("%s is no policy of %s", path, domain)
	}
	if err != nil {
		return nil, err
	}
	if !now.Before(r.until()) {
		return nil, nil
	}
	return r, nil
}

// write keeps a policy in the place of the one before.
func (s shelf) write(r *record) error {
	path := s.file(r.Domain)
	if path == "" {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return wholefile.Write(path, text, r.until()) // the time is for sweep
}

// sweep removes the files of policies that are over, and what writing left behind, and returns the domains of others.
func (s shelf) sweep(now time.Time) (kept []string, err error) {
	if s == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(string(s))
	for _, e := range entries {
		info, statErr := e.Info()
		if statErr != nil || !strings.Contains(e.Name(), suffix) {
			continue
		}
		if info.ModTime().Before(now) {
			err = errors.Join(err, os.Remove(filepath.Join(string(s), e.Name())))
		} else if domain, whole := strings.CutSuffix(e.Name(), suffix); whole {
			kept = append(kept, domain)
		}
	}
	return kept, err
}
