// Package console tests the pages of the console in a real browser. Package console of the root has all other tests.
package console
