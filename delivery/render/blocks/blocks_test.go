package blocks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/sluicemail/sluice/delivery/render/blocks"
	"github.com/sluicemail/sluice/delivery/render/fetch"
)

var update = flag.Bool("update", false, "write the golden files anew")

// web has the files of testdata/web, and a picture for each name that says its size.
type web struct{}

func (web) Fetch(_ context.Context, address string) (*fetch.File, error) {
	name := path.Base(address)
	var wide, high int
	if _, size, found := strings.Cut(name, "-"); found {
		fmt.Sscanf(size, "%dx%d", &wide, &high)
	}
	if wide > 0 {
		var b bytes.Buffer
		err := png.Encode(&b, image.NewGray(image.Rect(0, 0, wide, high)))
		return &fetch.File{Data: b.Bytes(), Type: "image/png"}, err
	}
	if strings.HasPrefix(address, "https://vimeo.com/api/") {
		return &fetch.File{Data: []byte(`{"thumbnail_url": "https://images.example.com/vimeo-640x360.png"}`)}, nil
	}
	if data, err := os.ReadFile("testdata/web/" + name); err == nil {
		return &fetch.File{Data: data, Type: "text/plain; charset=utf-8"}, nil
	}
	return nil, &fetch.Error{URL: address, Reason: "the server answered 404", Temporary: strings.Contains(address, "busy")}
}

func render(t *testing.T, text string) string {
	t.Helper()
	out, err := blocks.Render(t.Context(), json.RawMessage(text), blocks.Options{Fetcher: web{}})
	require.NoError(t, err)
	examine(t, out)
	return out
}

// TestCorpus makes the HTML of each object of testdata/objects, and compares it with the golden file beside it.
func TestCorpus(t *testing.T) {
	all, err := filepath.Glob("testdata/objects/*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(all), 30)
	for _, name := range all {
		t.Run(filepath.Base(name), func(t *testing.T) {
			in, err := os.ReadFile(name)
			require.NoError(t, err)
			out := render(t, string(in))
			golden := strings.TrimSuffix(name, ".json") + ".html"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(out), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), out)
		})
	}
}

// examine parses a document as browsers do, and looks at what holds of every mail.
func examine(t *testing.T, text string) {
	t.Helper()
	balanced(t, text)
	doc, err := html.Parse(strings.NewReader(text))
	require.NoError(t, err)
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "iframe", "object", "embed", "link", "base", "frame", "form":
			t.Errorf("<%s> in a mail", n.Data)
		case "html":
			require.NotEmpty(t, value(n, "lang"))
		case "img":
			require.True(t, slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "alt" }), "alt")
			require.NotEmpty(t, value(n, "src"))
		case "a":
			require.NotContains(t, value(n, "href"), "javascript:")
		case "style":
			require.NotContains(t, n.FirstChild.Data, "@import")
		}
		for _, a := range n.Attr {
			require.False(t, strings.HasPrefix(a.Key, "on"), a.Key)
		}
	}
	contrast(t, doc, [3]float64{1, 1, 1}, [3]float64{0, 0, 0})
}

func value(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// balanced asserts that each element of the layout has its end in its place: nothing that stands in a block breaks out
// of it.
func balanced(t *testing.T, text string) {
	t.Helper()
	var open []string
	z := html.NewTokenizer(strings.NewReader(text))
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		name, _ := z.TagName()
		switch tag := string(name); tag {
		case "table", "tr", "td", "body", "html", "div", "a", "span":
			if kind == html.StartTagToken {
				open = append(open, tag)
			} else if kind == html.EndTagToken {
				require.NotEmpty(t, open)
				require.Equal(t, open[len(open)-1], tag)
				open = open[:len(open)-1]
			}
		}
	}
	require.Empty(t, open)
}

// contrast asserts that text has a contrast of at least 4.5 with its background (WCAG 2.2, 1.4.3), where both are
// colours in hexadecimal digits.
func contrast(t *testing.T, n *html.Node, back, front [3]float64) {
	t.Helper()
	if n.Data == "head" {
		return
	}
	for declaration := range strings.SplitSeq(value(n, "style"), ";") {
		name, v, _ := strings.Cut(declaration, ":")
		if c, ok := hex(v); ok && name == "background-color" {
			back = c
		} else if ok && name == "color" {
			front = c
		} else if name == "background-color" || name == "color" {
			return // a name: looked at in the pictures
		}
	}
	if n.Type == html.TextNode && strings.TrimSpace(n.Data) != "" {
		a, b := luminance(back), luminance(front)
		if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
			t.Errorf("a contrast of %.2f: %q", ratio, n.Data)
		}
	}
	for child := range n.ChildNodes() {
		contrast(t, child, back, front)
	}
}

func hex(s string) (c [3]float64, ok bool) {
	digits, found := strings.CutPrefix(s, "#")
	if len(digits) == 3 {
		digits = strings.Repeat(digits[:1], 2) + strings.Repeat(digits[1:2], 2) + strings.Repeat(digits[2:], 2)
	}
	v, err := strconv.ParseUint(digits, 16, 32)
	return [3]float64{float64(v>>16) / 255, float64(v>>8&255) / 255, float64(v&255) / 255}, found && err == nil
}

func luminance(c [3]float64) float64 {
	for i := range c {
		if c[i] <= 0.04045 {
			c[i] /= 12.92
		} else {
			c[i] = math.Pow((c[i]+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
}

// one is an object with one block.
func one(block string) string { return `{"content": {"blocks": [` + block + `]}}` }

func TestWrongBlocks(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                          "/: expected an object, got an array",
		`{"content": 5}`:              "/content: expected an object, got 5",
		`{"content": {"blocks": {}}}`: "/content/blocks: expected an array, got an object",
		one(`"x"`):                    `/content/blocks/0: expected an object, got "x"`,
		one(`{}`):                     `/content/blocks/0: expected a "type" in it`,
		one(`{"type": "spacer"}, {"type": "marquee"}`): `/content/blocks/1/type: expected one of button, columns,`,
		one(`{"type": 5}`):                                                                          `/content/blocks/0/type: expected a string, got 5`,
		one(`{"type": "text", "content": ["a"]}`):                                                   `/content/blocks/0/content: expected a string, got an array`,
		one(`{"type": "text", "font": "Arial"}`):                                                    `/content/blocks/0/font: expected an object, got "Arial"`,
		one(`{"type": "text", "font": {"color": "red;x"}}`):                                         `/content/blocks/0/font/color: expected a colour such as red or #ff0000, got "red;x"`,
		one(`{"type": "text", "font": {"family": "a\";}"}}`):                                        `/content/blocks/0/font/family: expected a value of CSS`,
		one(`{"type": "text", "background": 5}`):                                                    `/content/blocks/0/background: expected an object, got 5`,
		one(`{"type": "text", "background": {"color": []}}`):                                        `/content/blocks/0/background/color: expected a colour`,
		one(`{"type": "text", "margin": true}`):                                                     `/content/blocks/0/margin: expected a number of pixels`,
		one(`{"type": "text", "margin": {"left": "wide"}}`):                                         `/content/blocks/0/margin/left: expected a number of pixels`,
		one(`{"type": "text", "margin": 1e99}`):                                                     `/content/blocks/0/margin: expected a number of pixels, at most 10000`,
		one(`{"type": "heading", "size": 7}`):                                                       `/content/blocks/0/size: expected a number from 1 to 6, got 7`,
		one(`{"type": "image"}`):                                                                    `/content/blocks/0: expected a "src" in it`,
		one(`{"type": "image", "src": "javascript:alert(1)"}`):                                      `/content/blocks/0/src: expected an address that begins with http:, https:, cid:`,
		one(`{"type": "image", "src": "java\nscript:alert(1)"}`):                                    `/content/blocks/0/src: expected an address`,
		one(`{"type": "image", "src": "https://e.example/x", "width": "wide"}`):                     `/content/blocks/0/width: expected a number of pixels`,
		one(`{"type": "image", "src": "https://e.example/x", "width": "200%"}`):                     `/content/blocks/0/width: expected a width such as 50% or 290px`,
		one(`{"type": "image", "src": "https://e.example/x", "height": 5}`):                         `/content/blocks/0/src: download of https://e.example/x: the server answered 404`,
		one(`{"type": "image", "src": "https://e.example/rss.xml", "height": 5}`):                   `/content/blocks/0/src: expected an image`,
		one(`{"type": "image", "src": "https://e.example/x", "align": "top"}`):                      `/content/blocks/0/align: expected one of left, center, right, got "top"`,
		one(`{"type": "button", "corners": "sharp"}`):                                               `/content/blocks/0/corners: expected one of default, radius, round, got "sharp"`,
		one(`{"type": "button", "link": "JavaScript:alert(1)"}`):                                    `/content/blocks/0/link: expected an address`,
		one(`{"type": "button", "link": {"url": "data:text/html,x"}}`):                              `/content/blocks/0/link/url: expected an address`,
		one(`{"type": "button", "link": {"url": "http://a", "params": {"a": {}}}}`):                 `/content/blocks/0/link/params/a: expected a string, got an object`,
		one(`{"type": "button", "link": 5}`):                                                        `/content/blocks/0/link: expected a string, got 5`,
		one(`{"type": "text", "css": {"color": "red;} body{"}}`):                                    `/content/blocks/0/css/color: expected a value of CSS`,
		one(`{"type": "text", "css": {"a b": "c"}}`):                                                `/content/blocks/0/css/a b: expected the name of a CSS property`,
		one(`{"type": "text", "css": {"width": "expression(alert(1))"}}`):                           `/content/blocks/0/css/width: expected a value of CSS`,
		one(`{"type": "text", "attributes": {"onclick": "x"}}`):                                     `/content/blocks/0/attributes/onclick: expected the name of an attribute that is no script`,
		one(`{"type": "text", "attributes": {"a><b": "x"}}`):                                        "expected the name of an attribute",
		one(`{"type": "button", "a": {"attributes": {"href": " javascript:x"}}}`):                   `/content/blocks/0/a/attributes/href: expected a text that is no script`,
		one(`{"type": "columns"}`):                                                                  `/content/blocks/0: expected an array "columns" with 1 to 12 objects`,
		one(`{"type": "columns", "columns": [` + strings.Repeat("{},", 12) + `{}]}`):                `/content/blocks/0: expected an array "columns" with 1 to 12 objects`,
		one(`{"type": "columns", "columns": [{"size": 8}, {"size": 5}]}`):                           `/content/blocks/0/columns: expected sizes of 12 together`,
		one(`{"type": "columns", "columns": [{"size": 13}]}`):                                       `/content/blocks/0/columns/0/size: expected a number from 1 to 12, got 13`,
		one(`{"type": "columns", "columns": [{"blocks": [{"type": "columns", "columns": [{}]}]}]}`): `/content/blocks/0/columns/0/blocks/0: expected no columns within columns`,
		one(`{"type": "text", "visibility": {"device": "watch"}}`):                                  `/content/blocks/0/visibility/device: expected one of always, desktop, mobile, got "watch"`,
		one(`{"type": "video", "url": "https://example.com/v"}`):                                    `/content/blocks/0/url: expected the address of a video of YouTube or Vimeo`,
		one(`{"type": "video"}`):                                                                    `/content/blocks/0: expected a "url" in it`,
		one(`{"type": "follow"}`):                                                                   `/content/blocks/0: expected an object "platforms" in it`,
		one(`{"type": "follow", "platforms": {"orkut": "x"}}`):                                      `/content/blocks/0/platforms/orkut: expected the name of a platform`,
		one(`{"type": "follow", "platforms": {"behance": "x"}}`):                                    `/content/blocks/0/platforms/behance: expected an address, such as`,
		one(`{"type": "share", "platforms": ["facebook"]}`):                                         `/content/blocks/0: expected a "link" to share in it`,
		one(`{"type": "share", "link": "http://a", "platforms": ["skype"]}`):                        `/content/blocks/0/platforms/0: expected the name of a platform that can share`,
		one(`{"type": "feed"}`):                                                                     `/content/blocks/0: expected a "url" in it`,
		one(`{"type": "feed", "url": "https://e.example/blocks.json"}`):                             `/content/blocks/0/url: expected a feed in RSS or Atom`,
		one(`{"type": "feed", "url": "https://e.example/rss.xml", "blocks": ["marquee"]}`):          `/content/blocks/0/blocks/0: expected heading, image or html`,
		one(`{"type": "import", "url": "https://e.example/rss.xml"}`):                               `/content/blocks/0/url#: expected JSON`,
		one(`{"type": "import", "url": "https://e.example/x"}`):                                     `/content/blocks/0/url: download of https://e.example/x: the server answered 404`,
		one(`{"type": "import", "url": "https://e.example/endless.json"}`):                          `expected at most 20 imports`,
		one(`{"type": "import", "url": "https://e.example/wrong.json"}`):                            `/content/blocks/0/url#/1/type: expected one of`,
		strings.Repeat(`{"content":`, 1000) + "1" + strings.Repeat("}", 1000):                       "expected at most 100 levels",
		one(strings.Repeat(`{"type": "container", "blocks": [`, 21) + strings.Repeat("]}", 21)):     "expected at most 20 containers within each other",
		one(strings.Repeat(`{"type": "spacer"},`, 10_000) + `{"type": "spacer"}`):                   "/content/blocks/10000: expected at most 10000 blocks",
	} {
		_, err := blocks.Render(t.Context(), json.RawMessage(text), blocks.Options{Fetcher: web{}})
		require.Error(t, err, text)
		_, ok := errors.AsType[*blocks.Error](err)
		require.True(t, ok)
		require.Contains(t, err.Error(), want, text)
	}
}

// TestDownloadsThatFail tells images whose size would be good to know from what cannot be done without.
func TestDownloadsThatFail(t *testing.T) {
	for text, fails := range map[string]bool{
		`{"type": "image", "src": "https://busy.example/x"}`:                 false,
		`{"type": "image", "src": "https://busy.example/x", "width": "50%"}`: false,
		`{"type": "image", "src": "https://busy.example/x", "height": 20}`:   true,
		`{"type": "html", "url": "https://busy.example/x"}`:                  true,
		`{"type": "feed", "url": "https://busy.example/x"}`:                  true,
		`{"type": "import", "url": "https://busy.example/x"}`:                true,
	} {
		_, err := blocks.Render(t.Context(), json.RawMessage(one(text)), blocks.Options{Fetcher: web{}})
		if !fails {
			require.NoError(t, err)
			continue
		}
		e, ok := errors.AsType[*fetch.Error](err)
		require.True(t, ok, err)
		require.True(t, e.Temporary)
		_, err = blocks.Render(t.Context(), json.RawMessage(one(text)), blocks.Options{})
		require.ErrorContains(t, err, "downloads are not allowed")
	}
	render(t, one(`{"type": "image", "src": "https://example.com/x", "alt": "y"}`))
}

func TestDetails(t *testing.T) {
	for text, want := range map[string]string{
		`{"type": "image", "src": "https://e.example/a-290x10.png"}`:                                                                                         `width="290" style="height:auto;width:50%`,
		`{"type": "image", "src": "https://e.example/a-2000x10.png"}`:                                                                                        `width="580" style="height:auto;width:100%`,
		`{"type": "image", "src": "https://e.example/a-1000x600.png", "height": "60px"}`:                                                                     `width="100" style="height:auto;width:17.24%`,
		`{"type": "image", "src": "https://e.example/a", "width": 58, "height": 30}`:                                                                         `height="30" width="58" style="height:30px;width:10%`,
		`{"type": "columns", "columns": [{"blocks": [{"type": "image", "src": "https://e.example/a", "width": "145px"}]}, {}]}`:                              `width="145" style="height:auto;width:50%`,
		`{"type": "button", "label": "x", "link": {"url": "http://a.example?a=b", "params": {"type": "n b"}}}`:                                               `href="http://a.example?a=b&amp;type=n+b"`,
		`{"type": "button", "label": "x", "link": {"url": "http://a.example?a=b&c=d#f", "params": {"a": "x"}}}`:                                              `href="http://a.example?c=d&amp;a=x#f"`,
		`{"type": "button", "label": "x", "link": {"url": "http://a.example/{$a|default:\"?#\"}?b", "params": {"c": "{$d|default:\"&\"} e"}}}`:               `href="http://a.example/{$a|default:"?#"}?b&amp;c={$d|default:"&"}+e"`,
		`{"type": "text", "source": "older name"}`:                                                                                                           "older name",
		`{"type": "html", "content": "<p>a</td></table><b>c"}`:                                                                                               "<p>a<b>c</b></p></div>",
		`{"type": "html", "content": "<a href=\" java\nscript:x\" title=t>a</a>"}`:                                                                           `<a title="t">a</a>`,
		`{"type": "html", "content": "<html><head><title>t</title></head><body>a</body></html>"}`:                                                            ">a</div>",
		`{"type": "html", "content": "{if $a}<b>x</b>{else}y{/if}"}`:                                                                                         "{if $a}<b>x</b>{else}y{/if}</div>",
		`{"type": "html", "content": "a<style>@import 'x';</style><style>p{}</style>"}`:                                                                      "a<style>p{}</style></div>",
		`{"type": "html", "content": "a<style>b"}`:                                                                                                           "a<style>b</style></div>",
		`{"type": "follow", "platforms": {"twitter": "@joe", "facebook": "joe"}}`:                                                                            `href="https://twitter.com/joe"`,
		`{"type": "share", "link": "https://a.example/?b&c", "platforms": ["linkedin"]}`:                                                                     `url=https%3A%2F%2Fa.example%2F%3Fb%26c"`,
		`{"type": "share", "link": "https://a.example/", "description": "d e", "platforms": ["twitter"], "twitter": {"hashtags": ["a", "#b"], "via": "@c"}}`: `intent/tweet?url=https%3A%2F%2Fa.example%2F&amp;text=d+e&amp;hashtags=a%2Cb&amp;via=c"`,
		`{"type": "video", "url": "https://youtu.be/abcdefghijk?t=5"}`:                                                                                       `src="https://img.youtube.com/vi/abcdefghijk/hqdefault.jpg"`,
		`{"type": "feed", "url": "https://e.example/rss.xml"}`:                                                                                               "Café open again",
		`{"type": "text", "url": "https://e.example/rss.xml"}`:                                                                                               "&lt;title&gt;The harbour",
		`{"type": "html", "content": "<img onerror=alert(1) src=x>"}`:                                                                                        `<img src="x" alt="">`,
	} {
		require.Contains(t, render(t, one(text)), want, text)
	}
	require.Contains(t, render(t, `{"lang": "nl", "subject": "a <b>\r\nc", "blocks": [{"type": "text", "content": "top"}]}`),
		`<title>a &lt;b&gt; c</title>`)
	feed := render(t, one(`{"type": "feed", "url": "https://e.example/rss.xml"}`))
	require.NotContains(t, feed, "{$secret", "feeds are not personalised")
	pixel := `, "tracking": {"pixel": "https://e.example/p.gif"`
	require.Contains(t, render(t, `{"content": {}`+pixel+`}}`), "p.gif")
	image := `{"content": {"blocks": [{"type": "image", "src": "https://e.example/a"}]}`
	require.NotContains(t, render(t, image+pixel+`}}`), "p.gif")
	require.Contains(t, render(t, image+pixel+`, "force": true}}`), "p.gif")
}

// TestLargeObjects has 10 MB of text, which is more than a mail may have, and many blocks.
func TestLargeObjects(t *testing.T) {
	text, _ := json.Marshal(strings.Repeat("a & b ", 10<<20/6))
	began := time.Now()
	_, err := blocks.Render(t.Context(), json.RawMessage(one(`{"type": "text", "content": `+string(text)+`}`)), blocks.Options{})
	require.ErrorContains(t, err, "at most 16 MiB of HTML")
	render(t, one(strings.Repeat(`{"type": "text", "content": "x"},`, 5000)+`{"type": "spacer"}`))
	require.Less(t, time.Since(began), time.Minute)
}

func FuzzRender(f *testing.F) {
	all, _ := filepath.Glob("testdata/objects/*.json")
	for _, name := range all {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := blocks.Render(t.Context(), data, blocks.Options{Fetcher: web{}})
		if err != nil {
			_, ok := errors.AsType[*blocks.Error](err)
			require.True(t, ok)
			return
		}
		doc, err := html.Parse(strings.NewReader(out))
		require.NoError(t, err)
		for n := range doc.Descendants() {
			if n.Type == html.ElementNode {
				require.NotContains(t, []string{"script", "iframe", "object", "embed", "link", "base"}, n.Data)
			}
		}
	})
}
