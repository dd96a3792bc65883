// Package inline moves the style sheets of an HTML mail into the style attributes of its tags, for mail programs that
// read no style sheets (MailerQ 5.13, json-messages, inlinecss).
//
// What [Inliner.Inline] does:
//
//  1. scan walks over the text and notes where each tag begins and what the style sheets are. Nothing else is
//     understood of the HTML, and nothing else is changed: what is malformed stays as it is, and so do comments, those
//     of conditions with all that is in them.
//  2. The style sheets, and names, classes, ids and styles of the tags, are the key of a cache. Mails that differ in
//     their text only have one plan.
//  3. plan parses style sheets (sheet.go) and HTML (golang.org/x/net/html), and finds the tags that each rule is for
//     (match.go). Rules for a tag are in the order of specificity and then of their place; !important ones are last
//     (CSS Cascading 4 §6).
//  4. splice writes the text with the styles in its tags. A style that a tag had stays stronger than any rule that is
//     not important.
//
// What cannot be in an attribute stays in the style sheet: at-rules such as @media and @font-face, and rules whose
// selector has a pseudo-class or pseudo-element. So do style sheets for other media than the screen, and those between
// <!--[if !mso]><!--> and <!--<![endif]-->.
//
// Files: inline.go; plan.go, match.go, declarations.go, sheet.go; scan.go.
package inline
