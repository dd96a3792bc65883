// Package rawjson writes and reads JSON where it lies, for what happens with every message: nothing needs reflection,
// and nothing is copied but texts with escapes.
//
// [AppendString] writes a text. [Members] and [Elements] walk over an object and an array, [Unquote] returns the text
// of a string. They expect valid JSON, such as queue.Unmarshal has let pass; of anything else less is found, in no more
// than one walk over it.
package rawjson
