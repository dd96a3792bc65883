package part

// Error says which part of a mail cannot be changed, and why.
type Error struct {
	Part   string // "Subject", "part 1.2 (text/html)", or "mail"
	Reason string
}

// Error implements error.
func (e *Error) Error() string { return e.Part + ": " + e.Reason }
