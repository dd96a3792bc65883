package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sluicemail/sluice/internal/wholefile"
)

// remembered is an instance in Options.File, which holds a JSON array of them.
type remembered struct {
	Instance
	Seen time.Time `json:"seen"`
}

// tooOld is how long ago an instance in the file may have been heard of.
const tooOld = 24 * time.Hour

// recall reads which instances were known before the restart. Instances that are not heard of again are forgotten as
// all others are.
func (m *Member) recall(now time.Time) {
	if m.opts.File == "" {
		return
	}
	list, err := readFile(m.opts.File)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.opts.Logger.Warn("which instances of the cluster there were is not known any more", "error", err)
	}
	m.change(func() {
		for _, r := range list {
			if i := r.Instance; i.sound() && now.Sub(r.Seen) < tooOld {
				i.Seen = now
				m.others[i.ID] = i
			}
		}
	})
}

func readFile(name string) (list []remembered, err error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxOthers*maxMessage {
		return nil, fmt.Errorf("%s has %d bytes", name, st.Size())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return list, nil
}

// save writes who is known. What cannot be written is missed at the next start only.
func (m *Member) save() {
	if m.opts.File == "" {
		return
	}
	list := []remembered{}
	for _, i := range m.Others() {
		list = append(list, remembered{i, i.Seen})
	}
	data, err := json.Marshal(list)
	if err == nil {
		err = wholefile.Write(m.opts.File, data, time.Time{})
	}
	if err != nil {
		m.opts.Logger.Warn("which instances of the cluster there are could not be written down", "error", err)
	}
}
