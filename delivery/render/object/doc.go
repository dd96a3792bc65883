// Package object makes a mail of a mime object: the properties of a mail as JSON, in the place of its source (MailerQ
// 5.13, responsiveemail and json-messages; ResponsiveEmail, top-level-properties).
//
//	{
//	    "from": {"name": "Joe", "address": "joe@example.com"},
//	    "to": ["a@example.org", {"name": "B", "address": "b@example.org"}],
//	    "subject": "Hello {$name}",
//	    "headers": {"list-unsubscribe": "<mailto:off@example.com>"},
//	    "html": "<p>Hello {$name}</p>",
//	    "attachments": [{"url": "https://example.com/terms.pdf"}]
//	}
//
// [Build] reads the object (package internal/jsontree), asks for its downloads, and writes
//
//	from, to, cc, replyTo  an address, {"name", "address"}, or an array of these; bcc is read and not written
//	subject                in encoded words where it is not ASCII
//	headers                further fields; a value is a string, a number, or an array of these
//	text                   the text; made from the HTML where there is none
//	html, or content       the HTML
//	content, an object     responsive blocks (package blocks)
//	attachments            data in base64, or url; name, type; inline, with cid
//
// as text/plain, multipart/alternative, multipart/related where files are inline, and multipart/mixed where there are
// others. Texts are UTF-8 in quoted-printable, files base64. Message-ID and Date are added where headers has none.
// Other properties are not looked at.
//
// Tags of personalisation survive: as text in texts, in HTML, in the subject, in names and in addresses, so that the
// mail can be personalised afterwards. Nothing can begin a header field of its own: line breaks are spaces in a
// subject, a name and the value of a field, and an error elsewhere.
//
// # Files
//
//	object.go      Build, and the order of things
//	parts.go       the tree of parts
//	attachment.go  files
//	header.go      fields, folded and encoded
//	address.go     addresses
//	plain.go       text made from HTML
package object
