// Package blocks makes the HTML of a responsive mail of blocks (ResponsiveEmail, the pages block-* and property-*): a
// mime object says which texts, images and buttons there are, and [Render] how a mail client shows them.
//
//	{"content": {"blocks": [{"type": "heading", "content": "Hello"}, {"type": "button", "label": "Go", "link": "https://example.com"}]}}
//
// The blocks are text, html, heading, button, image, link, separator, spacer, columns, container, video, follow, share,
// feed and import. What the mail is like:
//
//   - Tables alone make the layout, 580 pixels wide in the centre and narrower on narrow screens. Every style is in an
//     attribute; the style sheet in the head has what cannot be there: columns stand on a grid of twelve, and one below
//     the other where the screen has less than 480 pixels; blocks for one kind of screen are hidden on the other.
//   - Nothing but the images of the object is loaded. The icons of follow and share are letters on colours. Scripts,
//     and addresses that are scripts, are taken out of HTML and refused elsewhere.
//   - A text has the colour that is asked for, or black or white, whichever is easier to read on its background; both
//     are always written, and the mail says that it is made for light screens, so that a client that darkens mails
//     changes both.
//   - An image has its alternative text, and its width in percent of what it stands in. Without a width it is
//     downloaded to find that out, if that can be done; with a height alone it has to be.
//   - Tags of personalisation survive wherever text may stand.
//
// A type of block that is not known, and a property of another type than the one described, is an [Error] that names
// its place. Properties that are not known are not looked at.
//
// # Files
//
//	render.go   Render, and the document
//	block.go    a block in its table cell: margin, padding, background, visibility
//	columns.go  columns and containers
//	text.go     text, html, heading
//	button.go   button and link
//	image.go    image and video
//	rule.go     separator and spacer
//	social.go   follow and share; platform.go: what is known of their platforms
//	feed.go     feed, and import
//	link.go     addresses
//	clean.go    HTML without scripts
//	style.go    fonts, colours, sizes
//	element.go  tags
package blocks
