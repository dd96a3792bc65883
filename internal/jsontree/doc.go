// Package jsontree reads JSON that people write, and says where in it something is wrong: a [Node] knows its place as a
// JSON pointer (RFC 6901). Members keep their order; of a name that is given twice the last one counts.
//
// The methods that ask a node for a value of some type return the zero value when there is none; when it has another
// type, they tell the tree, whose first problem [Node.Err] returns. So a program reads all it needs first, and looks
// for a problem once.
package jsontree
