// Package render makes the mail of a message that is more than the mail as it came: a campaign's text with the values
// of one recipient, style sheets moved into the tags, a mail that is made of an object. It needs no engine: a
// [Renderer] takes a message and its mail and returns another mail.
//
// What [Renderer.Render] does, in this order (MailerQ 5.13, personalization and json-messages):
//
//  1. A mime that is an object becomes a mail (compose): package object.
//  2. The property data fills values into Subject, From, To and the plain and HTML parts (personalise): package part
//     decodes them, package template runs them, package part encodes the result.
//  3. The property list-unsubscribe adds the fields of that name, with one click too (unsubscribe).
//  4. The property inlinecss moves the style sheets of HTML parts into their tags (inlineCSS): package inline.
//
// A mail that is asked for again, as those of a campaign are, was taken apart, compiled and encoded then: a campaign
// (campaign.go). Only its templates run, and what they print is put where it belongs.
//
// A step that fails is an [*Error] with the state for the result and the place in the mail. The property force has the
// mail go without the step. Messages with none of these properties are not for Render: [Needed] says so without a look
// at the mail.
package render
