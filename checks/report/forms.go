package report

import "regexp"

// What programs write that know nothing of RFC 3464, or are older: the words of their bounces, as data. Everything is
// matched in lower case unless a pattern says otherwise. A program that is not listed is read as well, as long as it
// uses some of the usual words.

// phrases say that mail was not delivered, in a subject or a text.
var phrases = []string{
	"failure notice", "could not be delivered", "couldn't be delivered", "not be delivered", "cannot be delivered",
	"was not delivered",
	"undeliverable", "undelivered", "unable to deliver", "wasn't able to deliver", "was not able to deliver",
	"could not deliver",
	"error delivering", "trouble delivering", "trying to deliver", "delivery failed", "delivery failure",
	"delivery has failed",
	"delivery to the following", "had delivery errors", "permanent delivery errors", "permanent fatal errors",
	"permanent fatal error",
	"returned mail", "returned to sender", "returning message to sender", "did not reach the following",
	"delivery status notification",
	"non-delivery", "nondeliverable", "not deliverable", "could not send message", "failed addresses follow",
	"transcript of session follows",
	"konnte nicht zugestellt werden", "unzustellbar", "n'a pas pu être", "non remis", "no se pudo entregar",
	"no se ha podido entregar",
	"no pudo ser entregado", "mancata consegna", "não foi possível entregar", "não pôde ser entregue",
	"niet worden bezorgd", "onbestelbaar",
	"nie można dostarczyć", "had delivery problems", "no valid recipients", "送信できません", "配信できません", "送信に失敗しました",
	"送信されませんでした", "送信エラー",
}

// subjects say so in a subject alone: in a text people use them, too.
var subjects = []string{
	"mail delivery", "delivery notification", "delivery status", "delivery problem", "delivery error", "mail system error",
	"mail failure", "mail failed",
	"mail error", "error sending your mail", "failure delivery", "failed delivery", "are not member", "not member article",
	"loop alert", "loop back warning", "fml system error message", "warning: message", "message frozen", "user unknown",
	"mailer error", "message not delivered",
}

// answering begins the subject of an answer, or of a mail that is passed on.
var answering = regexp.MustCompile(`^\s*(?:re|aw|sv|fwd?|wg|tr|rv|enc)\s*:`)

// delays are the words of servers that go on trying.
var delays = []string{
	"still trying", "will keep trying", "will be retried", "could not send message for past", "not yet been delivered",
	"delivery is delayed",
	"still being retried", "warning message only", "this is a warning only", "only a temporary failure report",
	"attempts will continue",
	"delayed mail", "has been delayed",
}

// made says that no person wrote a text.
var made = []string{
	"this message was created automatically", "created automatically by mail", "automatically generated",
	"did not reach the following recipient",
	"failure reasons", "not a member of this mailing list", "please do not reply to this e-mail",
	"please do not reply to this email",
}

// returned begins the copy of the mail in a bounce, behind whatever dashes.
var returned = regexp.MustCompile(`(?i)^\W*(?:` +
	`below (?:this line )?is (?:a|the) copy|this is a copy of|(?:included|attached|here|following|enclosed) is a copy of the|a copy of the message|` +
	`(?:the )?(?:original|unsent|returned|undelivered|rejected) (?:e-?)?(?:mail|message) ?(?:is |text |headers? |info |details )?(?:below|follows|attached|is following|\W*$)|` +
	`(?:the )?headers? (?:of|from|for) the (?:original|unsent|undelivered) (?:e-?)?(?:mail|message)|message (?:text|headers?|body) (?:is )?follow|` +
	`original e?-?mail (?:info|as follows)|your original message|no message was collected|bounced e-?mail|received message|body of (?:the )?message\W*$)`)

// headerLine is a field that a mail may begin with.
var headerLine = regexp.MustCompile(`^(?i:received|return-path|message-id|delivered-to|x-[a-z-]+|from|to|date|subject|mime-version|content-type|dkim-signature|reply-to):`)

const (
	address = `((?:"[^"\n]+"|[^\s<>()\[\]":;,|@]+)@[^\s<>()\[\]":;,|@]+[^\s<>()\[\]":;,|@.?!'])`
	angled  = `["'<\[]*` + address + `["'>\]]*`
)

// anyAddress is an address anywhere in a text.
var anyAddress = regexp.MustCompile(address)

// addressed is a line that begins with an address, and what follows it.
var addressed = regexp.MustCompile(`^\s*(?:[-*•]\s+|>>> |\d+[.)]\s+)?(?:(?i:rfc822|recipients?|addresse?e?|e-?mail|user)\s*[:;=]\s*(?:rfc822;\s*)?)?` +
	angled + `(?:\s+<[^>\s]*>)?(?:\s*[\[:;,.-]*\s+(.*)|[:;,.]*(\s*))$`)

// spoken are sentences that name a recipient; the reason follows. Blanks in a sentence may be line breaks.
var spoken = []*regexp.Regexp{
	// a reply, or what stands for one, about an address: old sendmail
	regexp.MustCompile(`(?m)^[45]\d\d[ -](?:[45]\.\d\.\d{1,3} )?<?` + address + `>?\.\.\. `),
	// the recipient of a dialogue: vtext, MailMarshal, InterScan
	regexp.MustCompile(`(?i)\brcpt to:\s*` + angled),
	// DragonFly, IMail, InterScan, KDDI, qmail and its children
	regexp.MustCompile(`(?i)\b(?:message|deliver|delivering|delivered|undeliverable|delivery|sent|send|sending|bounced|forward)\b[^@\n<>.!?]{0,60}?\b(?:to|for)\b:?[\s:]+` + angled),
	// IMail, X6, SMTP libraries
	regexp.MustCompile(`(?i)\b(?:unknown user|invalid (?:recipient|address|user)|rejected (?:the )?(?:recipient|address)|user ?id|no such (?:user|recipient)|failed (?:recipient|address)|, address)\b[:\s]+` + angled),
	// Exim of an address that it may not disclose, Exchange of one in X.400, lists that refuse a mail
	regexp.MustCompile(`(?i)\bgenerated (?:from|by) ` + address),
	regexp.MustCompile(`(?im)\bsmtp=` + address + ` on `),
	regexp.MustCompile(`(?i)\b(?:mailing list|reject mail from|article from|message-id in)\s+` + angled),
	// tables of what became of the mail: Domino, FML, Outlook, SurfControl
	regexp.MustCompile(`(?im)^\W*(?:the )?(?:recipients?|addressee|intended recipients?|failed (?:recipient|address)(?:es)?|address|to)(?: (?:address|name|e-?mail))?\s*[:=]\s*(?:[^@<\n]*<)?` + angled),
	// IMail, of whatever trouble
	regexp.MustCompile(`(?m)^[^@\n:]{3,80}:[ \t]+` + angled + `[ \t]*$`),
}

// firmReply and anyReply find a negative SMTP reply in a line: one where a reply is announced or begins the line, and a
// number of three digits that is followed by text.
var (
	firmReply = regexp.MustCompile(`(?i)(?:^\W*(?:(?:smtp|error|code|reason)\W+)?|(?:<<<|>>>|\bsaid|\bsays|\bresponded|\bresponse|\bfollows|\breturned|\bwas|code|\bmessage|\berror|\breply|\breason|\bstatus|\]) ?(?:was|is|as follows)?\W{1,6})([45][0-5]\d)(?:[ :#,.\-"'()\[\]<>;]|$)`)
	anyReply  = regexp.MustCompile(`\b([45][0-5]\d)(?:[ :#-]|$)`)
)

// troubles are words with which a reason without any code speaks of one.
var troubles = []string{
	"unknown", "not found", "no such", "not exist", "not listed", "failed", "failure", "rejected", "refused", "invalid",
	"full", "quota", "disabled",
	"undeliverable", "unreachable", "not reachable", "timed out", "timeout", "expired", "denied", "error", "unable",
	"could not", "cannot", "too ",
}

// exchangeTime is what Exchange put behind an address.
var exchangeTime = regexp.MustCompile(`^on \S+ .*\d\d:\d\d`)

// helpers are the local parts of addresses that a bounce names for other reasons than that they could not be reached.
var helpers = []string{"postmaster", "mailer-daemon", "abuse", "support", "help", "helpdesk", "admin", "administrator",
	"info", "noreply", "no-reply", "unblock", "spam", "security"}

// helping are the ends of the local parts of people who run lists.
var helping = []string{"-ctl", "-admin", "-help", "-owner", "-request"}
