// Package api is the REST API, version 1: an http.Handler for everything below /v1/.
//
// # A request
//
//  1. [Handler] looks for "Authorization: Bearer TOKEN". Without a token that is in force the answer is 401, whatever
//     was asked for; an address that guesses is answered 429 for a while (see guard).
//  2. The table of routes says what there is: 404, or 405 with Allow. The table also makes the OpenAPI document at
//     /v1/openapi.json, so the two cannot differ.
//  3. The body of POST and DELETE is JSON (one flat object) or a form, of 1 MB at most (413); fields may also stand in
//     the query. Numbers and booleans may be texts. A name that occurs twice is refused. Messages to inject are read
//     one after another, up to 10,000 in an array (413).
//  4. Fields are checked against the route: 400 names each with what was given and what is expected.
//  5. Package admin does it. Changes of settings are in force when the answer comes.
//
// # Answers
//
// All answers are JSON. An error is an object with "error", a sentence, and, where fields are wrong, "problems", each
// with field, given and expected. 409 is a conflict with another row or an edit that was faster, 501 what this server
// cannot do at all, 503 a database or broker that is down.
//
// Lists are arrays in which unset fields are left out. Long ones are written as they are read: one that is cut off
// before its closing bracket was broken by an error, and so was its connection.
package api
