package queue

// Plain forgets in which form a message came, which tests that compare messages by their fields do not look at.
func Plain(m *Message) *Message {
	m.forms = nil
	for i := range m.Results {
		m.Results[i].form = nil
	}
	return m
}
