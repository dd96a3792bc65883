package frame

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/wholefile"
)

// keptFile has sessions outlive the process: a JSON file with what the sessions hold, tokens as hashes. Sessions are
// taken over only while what logins are judged by is the same as when the file was written.
type keptFile struct {
	path  string // "": nothing is kept
	salt  []byte
	stamp []byte // of what logins are judged by

	mu     sync.Mutex // held while the file is written: the last to write has the newest sessions
	broken bool       // it could not be written, and that was told
}

// keptSessions is what the file holds.
type keptSessions struct {
	Salt     []byte        `json:"salt"`
	Stamp    []byte        `json:"stamp"`
	Sessions []keptSession `json:"sessions"`
}

type keptSession struct {
	ID     []byte         `json:"id"` // hash of the token
	User   string         `json:"user"`
	Client netip.AddrPort `json:"client"`
	Begun  time.Time      `json:"begun"`
	Seen   time.Time      `json:"seen"`
	CSRF   string         `json:"csrf"`
}

// stampRounds make it slow to guess a password from the file.
const stampRounds = 100_000

// maxKept is the largest file that is read: that of all sessions, with room to spare.
const maxKept = 16 << 20

// seenEvery is how old the time of the last use in the file may be.
const seenEvery = time.Minute

// keep takes over the sessions of a file, and writes them there from now on. A file that is damaged, or of other
// credentials, is as good as none.
func (s *sessions) keep(path string, credentials []byte) error {
	var found keptSessions
	text, err := readKept(path)
	if err == nil && text != nil {
		err = json.Unmarshal(text, &found)
	}
	if len(found.Salt) < sha256.Size {
		found.Salt = make([]byte, sha256.Size)
		_, _ = rand.Read(found.Salt) // never fails
	}
	stamp, wrong := pbkdf2.Key(sha256.New, string(credentials), found.Salt, stampRounds, sha256.Size)
	if wrong != nil {
		return wrong
	}
	s.kept.path, s.kept.salt, s.kept.stamp = path, found.Salt, stamp
	if err != nil {
		return fmt.Errorf("the sessions of before are lost: %w", err)
	}
	if !bytes.Equal(stamp, found.Stamp) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID = map[[sha256.Size]byte]*session{}
	for _, one := range found.Sessions[:min(len(found.Sessions), maxSessions)] {
		if len(one.ID) != sha256.Size || one.CSRF == "" {
			continue
		}
		s.byID[[sha256.Size]byte(one.ID)] = &session{user: one.User, client: one.Client, begun: one.Begun, csrf: one.CSRF,
			seen: one.Seen, written: one.Seen, ended: make(chan struct{})}
	}
	s.sweepEnded()
	return nil
}

func readKept(path string) ([]byte, error) {
	info, err := os.Stat(path) // before it is opened: a named pipe would wait
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxKept:
		return nil, fmt.Errorf("%s: expected a regular file of at most %d MB", path, maxKept>>20)
	}
	return os.ReadFile(path)
}

// write keeps what the sessions are now. It is called without s.mu.
func (s *sessions) write() {
	k := &s.kept
	if k.path == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	all := keptSessions{Salt: k.salt, Stamp: k.stamp, Sessions: s.forFile()}
	text, err := json.Marshal(all)
	if err == nil {
		err = wholefile.Write(k.path, text, time.Time{})
	}
	if err != nil && !k.broken {
		s.log().Warn("the sessions of the console cannot be kept: whoever is logged in has to log in again after a restart",
			"file", k.path, "error", err)
	}
	k.broken = err != nil
}

func (s *sessions) forFile() []keptSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]keptSession, 0, len(s.byID))
	for id, one := range s.byID {
		one.written = one.seen
		all = append(all, keptSession{id[:], one.user, one.client, one.begun, one.seen, one.csrf})
	}
	return all
}
