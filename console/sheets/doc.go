// Package sheets has the pages of the settings: a list for each table, and a form for each row. Sheets.Pages returns
// them for a frame.
//
// A sheet describes the pages of one table; the sheets of what steers mail and of what sets the server up are listed in
// steering.go and setup.go. What a form asks for comes from the description of the table that package admin gives; the
// words are in words.go.
//
// # Files
//
// From top to bottom; a file uses what stands below it.
//
//   - setup.go, steering.go: which sheets there are
//   - dkim.go, tokens.go, names.go, response.go: what is special about some
//   - delete.go, try.go, fallback.go, sub.go: parts of the page of a row
//   - edit.go, touch.go: the page of a row, and the mail that it concerns
//   - cells.go, list.go, export.go: the list, on a page and as comma separated values
//   - form.go, words.go: fields and their words
//   - sheet.go, sheets.go, tools.go: a sheet, all of them, and what they ask of other rooms
package sheets
