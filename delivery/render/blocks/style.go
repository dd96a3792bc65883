package blocks

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/internal/jsontree"
	"github.com/sluicemail/sluice/internal/tagmask"
)

// font is how a text looks; "" where nothing is said.
type font struct{ family, size, lineHeight, color, weight string }

var firstFont = font{family: "Helvetica, Arial, sans-serif", size: "16px", lineHeight: "1.5"}

// font returns a font with what a block says of it.
func (f font) with(n *jsontree.Node) font {
	o := n.Object("font")
	if o == nil {
		return f
	}
	f.family = or(cssText(o, "family"), f.family)
	f.size = or(cssLength(o, "size"), f.size)
	f.lineHeight = or(cssLength(o, "lineHeight"), f.lineHeight)
	f.color = or(color(o, "color"), f.color)
	f.weight = or(cssText(o, "weight"), f.weight)
	return f
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// apply sets the font of an element on a background.
func (f font) apply(e *element, background string) *element {
	return e.style("font-family", f.family).style("font-size", f.size).style("line-height", f.lineHeight).
		style("font-weight", f.weight).style("color", f.on(background))
}

// on returns the colour of a text: its own, or the one that is easiest to read on a background.
func (f font) on(background string) string { return or(f.color, readable(background)) }

// cssText returns a property that is a value of CSS.
func cssText(n *jsontree.Node, key string) string {
	item := n.Get(key)
	if item == nil {
		return ""
	}
	value, ok := scalar(item)
	masked, _ := tagmask.Mask(value)
	if !ok || item.Kind == jsontree.Bool || strings.ContainsAny(masked, "{};<>\\") || scripted(masked) {
		item.Expected("a value of CSS")
		return ""
	}
	return value
}

var number = regexp.MustCompile(`^\d+(\.\d+)?$`)

// cssLength is cssText of a length; a number that stands alone is of pixels, except for heights of lines.
func cssLength(n *jsontree.Node, key string) string {
	value := cssText(n, key)
	if number.MatchString(value) && (key != "lineHeight" || len(value) > 1 && !strings.Contains(value, ".")) {
		return value + "px"
	}
	return value
}

var colors = regexp.MustCompile(`^(#[0-9a-fA-F]{3,8}|[a-zA-Z]+|(rgb|rgba|hsl|hsla)\([0-9.,%/ deg]+\))$`)

// color returns a property that is a colour of CSS. Three or six digits may lack their sign.
func color(n *jsontree.Node, key string) string {
	item := n.Get(key)
	if item == nil {
		return ""
	}
	value := strings.TrimSpace(item.Text)
	masked, _ := tagmask.Mask(value)
	switch {
	case item.Kind == jsontree.String && (colors.MatchString(value) || tagmask.Masked(masked)):
		return value
	case item.Kind == jsontree.String && value == "":
		return ""
	}
	item.Expected("a colour such as red or #ff0000")
	return ""
}

// background returns the colour of the property background.
func background(n *jsontree.Node) string {
	item := n.Get("background")
	if item.Is(jsontree.String) { // a colour alone
		return color(n, "background")
	}
	return color(n.Object("background"), "color")
}

// dark are the names of colours on which white is easier to read than black.
var dark = func() map[string]bool {
	names := map[string]bool{}
	for name := range strings.FieldsSeq("black navy darkblue mediumblue blue darkgreen green teal midnightblue indigo " +
		"maroon darkred purple rebeccapurple darkslategray darkslategrey darkslateblue darkolivegreen saddlebrown brown " +
		"firebrick crimson dimgray dimgrey darkmagenta sienna darkviolet mediumvioletred blueviolet darkorchid royalblue " +
		"slateblue") {
		names[name] = true
	}
	return names
}()

// readable returns a colour whose contrast with a background is at least 4.5 (WCAG 2.2, 1.4.3): white, or black, which
// is a dark grey where that suffices.
func readable(background string) string {
	const black, grey, white = "#000000", "#222222", "#ffffff"
	r, g, b, ok := rgb(background)
	if !ok {
		if dark[strings.ToLower(background)] {
			return white
		}
		return black
	}
	switch l := luminance(r, g, b); {
	case l < 0.179:
		return white
	case l < 0.25:
		return black
	}
	return grey
}

func luminance(r, g, b float64) float64 {
	linear := func(c float64) float64 {
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

// rgb returns a colour as three values from 0 to 1.
func rgb(color string) (r, g, b float64, ok bool) {
	if digits, found := strings.CutPrefix(color, "#"); found {
		if len(digits) == 3 || len(digits) == 4 {
			digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
		}
		if len(digits) < 6 {
			return 0, 0, 0, false
		}
		n, err := strconv.ParseUint(digits[:6], 16, 32)
		return float64(n>>16) / 255, float64(n>>8&255) / 255, float64(n&255) / 255, err == nil
	}
	if !strings.HasPrefix(color, "rgb") {
		return 0, 0, 0, false
	}
	values := strings.FieldsFunc(color, func(c rune) bool { return (c < '0' || c > '9') && c != '.' })
	if len(values) < 3 {
		return 0, 0, 0, false
	}
	var c [3]float64
	for i := range c {
		v, err := strconv.ParseFloat(values[i], 64)
		if err != nil {
			return 0, 0, 0, false
		}
		c[i] = min(v/255, 1)
	}
	return c[0], c[1], c[2], true
}

// box are widths around something, in pixels: top, right, bottom, left.
type box [4]int

var sides = [4]string{"top", "right", "bottom", "left"}

// readBox returns a margin or padding: a number for all sides, or an object; ok is false when nothing is said.
func readBox(n *jsontree.Node, key string) (b box, ok bool) {
	item := n.Get(key)
	switch {
	case item == nil:
		return b, false
	case item.Is(jsontree.Object):
		for i, side := range sides {
			b[i] = pixels(item, side, 0)
		}
		return b, true
	}
	all := pixels(n, key, 0)
	return box{all, all, all, all}, true
}

func (b box) plus(c box) box {
	for i := range b {
		b[i] += c[i]
	}
	return b
}

// inside returns what is left of a width.
func (b box) inside(width int) int { return max(1, width-b[1]-b[3]) }

func (b box) String() string {
	if b == (box{}) {
		return "0"
	}
	var texts [4]string
	for i, n := range b {
		texts[i] = strconv.Itoa(n)
		if n > 0 {
			texts[i] += "px"
		}
	}
	if b[0] == b[2] && b[1] == b[3] {
		return texts[0] + " " + texts[1]
	}
	return strings.Join(texts[:], " ")
}

const maxPixels = 10_000

// pixels returns a property that is a number of pixels, such as 10, "10" or "10px"; a negative one is zero.
func pixels(n *jsontree.Node, key string, otherwise int) int {
	item := n.Get(key)
	if item == nil {
		return otherwise
	}
	text, ok := scalar(item)
	value, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), "px"), 64)
	if !ok || item.Kind == jsontree.Bool || err != nil || math.IsNaN(value) || value > maxPixels {
		item.Expected("a number of pixels, at most %d", maxPixels)
		return otherwise
	}
	return int(max(0, value))
}

// whole returns a property that is a number from low to high.
func whole(n *jsontree.Node, key string, low, high, otherwise int) int {
	item := n.Get(key)
	if item == nil {
		return otherwise
	}
	value, err := strconv.Atoi(item.Text)
	if item.Kind != jsontree.Number && item.Kind != jsontree.String || err != nil || value < low || value > high {
		item.Expected("a number from %d to %d", low, high)
		return otherwise
	}
	return value
}

// choice returns a property that is one of some words, the first of them when it is not there.
func choice(n *jsontree.Node, key string, words ...string) string {
	item := n.Get(key)
	if item == nil {
		return words[0]
	}
	for _, word := range words {
		if item.Is(jsontree.String) && strings.EqualFold(item.Text, word) {
			return word
		}
	}
	item.Expected("one of %s", strings.Join(words, ", "))
	return words[0]
}
