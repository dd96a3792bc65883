// Package human writes numbers, sizes, times and texts as people read them.
package human
