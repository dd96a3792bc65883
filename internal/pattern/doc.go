// Package pattern matches text against patterns that operators write: exact text, a part of a text, shell wildcards, or
// a regular expression. None of them can take more than time in proportion to the product of both lengths, whatever is
// written, and regular expressions (RE2) less.
package pattern
