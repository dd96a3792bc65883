package queue

// Attempts returns how many attempts were made so far: the number of results.
func (m *Message) Attempts() int { return len(m.Results) }
