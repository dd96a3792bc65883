package monitor

// Several returns a Monitor that tells each of ms in turn. Monitors that ignore taps, as log files do, cost nothing
// when a session opens one.
func Several(ms ...Monitor) Monitor {
	switch len(ms) {
	case 0:
		return Discard
	case 1:
		return ms[0]
	}
	return several(append([]Monitor(nil), ms...))
}

type several []Monitor

func (s several) Observe(e *Event) {
	for _, m := range s {
		m.Observe(e)
	}
}

func (s several) Tap(session Session) Transcript {
	var only Transcript
	var all transcripts
	for _, m := range s {
		t := m.Tap(session)
		if _, none := t.(noTranscript); none {
			continue
		}
		if only == nil {
			only = t
			continue
		}
		if all == nil {
			all = transcripts{only}
		}
		all = append(all, t)
	}
	switch {
	case all != nil:
		return all
	case only != nil:
		return only
	}
	return noTranscript{}
}

// NoTranscript is a Transcript that nobody ever watches, for monitors that take no interest in sessions.
func NoTranscript() Transcript { return noTranscript{} }

type transcripts []Transcript

func (ts transcripts) Watched() bool {
	for _, t := range ts {
		if t.Watched() {
			return true
		}
	}
	return false
}

func (ts transcripts) Line(d Direction, data []byte) {
	for _, t := range ts {
		if t.Watched() {
			t.Line(d, data)
		}
	}
}

// MailWanted implements MailTranscript.
func (ts transcripts) MailWanted() int {
	most := 0
	for _, t := range ts {
		if m, ok := t.(MailTranscript); ok {
			most = max(most, m.MailWanted())
		}
	}
	return most
}

// Mail implements MailTranscript.
func (ts transcripts) Mail(d Direction, begin []byte, size int64) {
	for _, t := range ts {
		if m, ok := t.(MailTranscript); ok && m.MailWanted() > 0 {
			m.Mail(d, begin, size)
		}
	}
}

func (ts transcripts) Close() {
	for _, t := range ts {
		t.Close()
	}
}
