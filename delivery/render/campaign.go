package render

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/sluicemail/sluice/delivery/render/part"
	"github.com/sluicemail/sluice/delivery/render/template"
	"github.com/sluicemail/sluice/queue"
)

// campaign is a mail that is sent to many: taken apart, its templates compiled, and what is the same in each of its
// mails encoded. It is not changed, and safe for concurrent use.
type campaign struct {
	mail  *part.Mail
	texts []filled // up to the first that is wrong
	err   error    // the mail cannot be taken apart
}

// filled is a text with tags.
type filled struct {
	name     string
	template *template.Template
	form     *part.Form
	err      error
}

// campaign returns the campaign that a mail belongs to: the one of the same bytes, when that has been asked for
// before. A mail of which there is only one would push others out.
func (r *Renderer) campaign(mail []byte) *campaign {
	if !r.seen.again(mail) {
		return r.prepare(mail)
	}
	return r.campaigns.Get(mail, func(text string) (*campaign, int) {
		return r.prepare([]byte(text)), campaignFactor * len(text)
	})
}

// campaignFactor is about how many bytes a byte of a mail takes in a campaign.
const campaignFactor = 4

func (r *Renderer) prepare(mail []byte) *campaign {
	parts, err := part.Parse(mail)
	if err != nil {
		return &campaign{err: err}
	}
	c := &campaign{mail: parts}
	for _, text := range parts.Texts() {
		f := filled{name: text.Name}
		var decoded []byte
		if decoded, f.err = text.Decode(); f.err == nil {
			f.template, f.err = r.templates.Compile(decoded)
		}
		if f.err == nil && f.template.Plain() {
			continue
		}
		if f.err == nil {
			f.form = text.Form(f.template.Literals())
		}
		if c.texts = append(c.texts, f); f.err != nil {
			break
		}
	}
	return c
}

// seen remembers some of the mails that there were. Its zero value is ready; its methods are safe for concurrent use.
type seen struct {
	once  sync.Once
	seed  maphash.Seed
	mails [1024]atomic.Uint64 // hashes, each at its place
}

// again reports whether a mail was there before, and no other one in its place since.
func (s *seen) again(mail []byte) bool {
	s.once.Do(func() { s.seed = maphash.MakeSeed() })
	hash := maphash.Bytes(s.seed, mail)
	at := &s.mails[hash%uint64(len(s.mails))]
	if at.Load() == hash {
		return true
	}
	at.Store(hash)
	return false
}

// personalise fills the values of data into the texts of a mail.
func (r *Renderer) personalise(m *queue.Message, mail []byte) ([]byte, error) {
	data, err := dataOf(m)
	if err != nil {
		return nil, failure(queue.StatePersonalize, "", err)
	}
	c := r.campaign(mail)
	if c.err != nil {
		return nil, failure(queue.StatePersonalize, "", c.err)
	}
	changes := c.mail.Change()
	defer changes.Close()
	for i := range c.texts {
		if err := r.fill(changes, &c.texts[i], data); err != nil {
			return nil, failure(queue.StatePersonalize, c.texts[i].name, err)
		}
	}
	if !changes.Made() {
		return mail, nil
	}
	return changes.Append(nil), nil
}

// fill has a text printed with data.
func (r *Renderer) fill(changes *part.Changes, f *filled, data *template.Data) error {
	if f.err != nil {
		return f.err
	}
	if unknown := f.template.Unknown(); len(unknown) > 0 {
		r.tell(unknown, f.name)
	}
	w := changes.Print(f.form)
	if err := f.template.Run(w, data); err != nil {
		return err
	}
	return w.End()
}

// dataOf returns what templates of a message may print.
func dataOf(m *queue.Message) (*template.Data, error) {
	data, err := template.ParseData(m.Data)
	if err != nil {
		return nil, err
	}
	data.Set("envelope", m.Envelope)
	data.Set("recipient", m.Recipient)
	return data, nil
}

// mostUnknown is how many names of modifiers that do not exist the log is told at most.
const mostUnknown = 100

// tell has the log know modifiers that do not exist.
func (r *Renderer) tell(names []string, where string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		if r.unknown[name] || len(r.unknown) >= mostUnknown {
			continue
		}
		if r.unknown == nil {
			r.unknown = make(map[string]bool)
		}
		r.unknown[name] = true
		r.log().Warn("a template has a modifier that does not exist: it has no effect", "modifier", name, "part", where)
	}
}
