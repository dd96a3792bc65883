package mailsig

// Kind says where a problem lies.
type Kind uint8

// The kinds of problems.
const (
	Syntax  Kind = iota // the signature cannot be read
	Scope               // it does not cover what it must: no From, a foreign identity
	Refused             // more than what we are willing to compute: a huge key, thousands of fields
	Weak                // an algorithm or key that RFC 8301 forbids
	NoKey               // no key is published, or it was revoked
	BadKey              // what is published is not a key that this signature may use
	Expired             // its time is over, or has not come
	Changed             // the mail is not what was signed
	DNS                 // the key could not be asked for now
	Partial             // it covers only the beginning of the body
	Away                // the private key could not be used now
)

// Problem is why a signature does not hold.
type Problem struct {
	Kind Kind
	Text string
	Err  error // the cause, may be nil
}

// Error returns what is wrong.
func (p *Problem) Error() string {
	if p.Err != nil {
		return p.Text + ": " + p.Err.Error()
	}
	return p.Text
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

func problem(kind Kind, text string) *Problem { return &Problem{Kind: kind, Text: text} }
