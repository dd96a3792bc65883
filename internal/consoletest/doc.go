// Package consoletest is a whole console in tests, with what surrounds it: settings, a queue, mails that mean harm, and
// a real browser.
package consoletest
