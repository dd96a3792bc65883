// Package mailview takes a mail apart for people to look at: its header, its parts, its text, and its HTML in a form
// that can do nothing but be read.
//
// A mail may be made to attack whoever looks at it, so nothing of it is believed:
//
//   - [Parse] bounds all it makes: header fields, parts, their depth, the length of texts. What is beyond the limits is
//     left out, and View.Cut says so. Bytes that are no text of the charset become U+FFFD; control characters, and
//     those that turn the direction of text around, are shown as visible marks by [Printable].
//   - [View.Page] makes an HTML document of the mail's HTML: elements and attributes are let through only when they are
//     known to be harmless. Scripts, forms, frames, objects, SVG, style sheets, meta elements and event handlers are
//     gone, and so is every address but those of links, of images that are part of the mail and, only when asked for,
//     of remote images over https.
//
// The document belongs into a frame with the attribute sandbox, and into a response with the header of [PagePolicy]:
// even if something were let through, the browser would neither run nor load it.
//
// The pages that show a mail are added to a page of the console by [AddRoutes]; who calls it says where the mail is.
package mailview
