package maildir

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

// uniqueName returns the name of a file that no other has: the time, what tells processes and their mails apart, the
// host (https://cr.yp.to/proto/maildir.html). Processes in containers share numbers and perhaps names, so there is
// chance as well.
func (s *Sender) uniqueName(now time.Time, host string) string {
	name := make([]byte, 0, 96)
	name = strconv.AppendInt(name, now.Unix(), 10)
	name = strconv.AppendInt(append(name, ".M"...), int64(now.Nanosecond()/1000), 10)
	name = strconv.AppendInt(append(name, 'P'), int64(os.Getpid()), 10)
	name = strconv.AppendUint(append(name, 'Q'), s.named.Add(1), 10)
	name = strconv.AppendUint(append(name, 'R'), rand.Uint64(), 16)
	return string(append(append(name, '.'), host...))
}

// hostPart returns a host's name as names of files have it.
func hostPart(host string) string {
	host = strings.NewReplacer("/", `\057`, ":", `\072`, ",", `\054`).Replace(host)
	return strings.Map(func(c rune) rune {
		if isControl(c) {
			return -1
		}
		return c
	}, host[:min(len(host), 64)])
}

const (
	tidyEvery = 24 * time.Hour
	abandoned = 36 * time.Hour // what is in tmp for so long is nobody's any more
	maxTidied = 50_000
)

// tidyUp removes what deliveries that were cut off left in tmp, once a day.
func (s *Sender) tidyUp(dir string, now time.Time) {
	s.mu.Lock()
	_, done := s.tidy.Get(dir, now)
	if !done {
		s.tidy.Limit = maxTidied
		s.tidy.Put(dir, struct{}{}, 1, now.Add(tidyEvery))
	}
	s.mu.Unlock()
	if done {
		return
	}
	entries, _ := os.ReadDir(dir + "/tmp")
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > abandoned {
			_ = os.Remove(dir + "/tmp/" + e.Name())
		}
	}
}
