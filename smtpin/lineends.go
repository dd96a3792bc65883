package smtpin

import "github.com/sluicemail/sluice/smtpin/internal/wire"

// LineEnds says what becomes of a CR or LF that stands alone, which some next hop may take for the end of a line, and
// of a NUL (RFC 5321 §2.3.8, RFC 5322 §3.5). Neither policy lets them end a line of the protocol.
type LineEnds = wire.LineEnds

const (
	RejectBare    = wire.RejectBare    // refuse the mail
	NormaliseBare = wire.NormaliseBare // make CR or LF a CRLF of the mail's text, leave NUL out
)
