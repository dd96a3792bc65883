package inline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

func inlined(t testing.TB, text string) string {
	t.Helper()
	out, err := new(Inliner).Inline([]byte("> "), []byte(text))
	require.NoError(t, err)
	require.Equal(t, "> ", string(out[:2]))
	return strings.ReplaceAll(string(out[2:]), "\r\n", "\n")
}

func TestInline(t *testing.T) {
	for _, c := range []struct{ name, sheet, body, want string }{
		{"elements", "p{color:red}", "<p>a</p><b>b</b><P>c", `<p style="color:red">a</p><b>b</b><P style="color:red">c`},
		{"classes and ids", ".a{color:red} #b { margin : 0 }", `<p class="x a">1<p id=b>2`,
			`<p style="color:red" class="x a">1<p style="margin:0" id=b>2`},
		{"all", "p *{color:red}", "<p><br></p>", `<p><br style="color:red"></p>`},
		{"several selectors", "h1, .a ,b{color:red}", "<h1>1</h1><b>2</b>",
			`<h1 style="color:red">1</h1><b style="color:red">2</b>`},
		{"descendants", "div p b{color:red}", "<div><p><i><b>1</b></i></p></div><p><b>2</b></p>",
			`<div><p><i><b style="color:red">1</b></i></p></div><p><b>2</b></p>`},
		{"children", "div > b{color:red}", "<div><b>1</b><p><b>2</b></p></div>",
			`<div><b style="color:red">1</b><p><b>2</b></p></div>`},
		{"children of descendants", "div i>b{color:red}", "<div><p><i><b>1</b></i></p></div><i><b>2</b></i>",
			`<div><p><i><b style="color:red">1</b></i></p></div><i><b>2</b></i>`},
		{"siblings", "h1+p{color:red} h1~i{top:0}", "<h1>a</h1> <p>b</p><p>c</p><i>d</i>",
			`<h1>a</h1> <p style="color:red">b</p><p>c</p><i style="top:0">d</i>`},
		{"attributes", `a[href^="http:"]{color:red} td[align=right]{top:0}`,
			`<a href="http://x">1</a><a href="y">2</a><table><tr><td align=right>3</table>`,
			`<a style="color:red" href="http://x">1</a><a href="y">2</a><table><tr><td style="top:0" align=right>3</table>`},

		{"attributes like the marks of tags", `.a\+b{color:red}`, `<i>1</i><p ~t=1 class="a+b">2</p>`,
			`<i>1</i><p style="color:red" ~t=1 class="a+b">2</p>`},

		{"source order", "p{color:red} p{color:blue;top:0}", "<p>", `<p style="color:blue;top:0">`},
		{"specificity", "#i{color:red} p.c{color:green} p{color:blue}", `<p class=c id=i><p class=c><p>`,
			`<p style="color:red" class=c id=i><p style="color:green" class=c><p style="color:blue">`},
		{"important", "p{color:red !important;top:0} #i{color:blue;top:1px}", "<p id=i>",
			`<p style="top:1px;color:red" id=i>`},
		{"important over the tag's style", "p{color:red ! IMPORTANT;top:0}", `<p style="color:blue;top:2px">`,
			`<p style="top:2px;color:red">`},
		{"important in the tag", "p{color:red !important}", `<p style="color:blue!important">`,
			`<p style="color:red;color:blue !important">`},
		{"the tag's style", "p{color:red;margin-top:5px}", `<p STYLE='color: blue; margin:0'>`,
			`<p style="margin-top:5px;color:blue;margin:0">`},
		{"a tag's style without quotes", "p{top:0}", `<p class=a style=color:blue>x`,
			`<p class=a style="top:0;color:blue">x`},
		{"fallbacks stay", "p{background:red;background:linear-gradient(red,blue)}", "<p>",
			`<p style="background:red;background:linear-gradient(red,blue)">`},
		{"quotes", `p{font-family:"A & B",'C';content:';}'}`, "<p>", `<p style="font-family:&quot;A &amp; B&quot;,'C'">`},
		{"entities in the tag's style", `p{top:0}`, `<p style="font:&quot;x&quot;">`, `<p style="top:0;font:&quot;x&quot;">`},
		{"urls", `p{background:url(data:image/png;base64,AA==)}`, "<p>",
			`<p style="background:url(data:image/png;base64,AA==)">`},
		{"comments", "/* p{top:0} */p/* x */{/**/color/* : */:red/*;}*/}", "<p>", `<p style="color:red">`},
		{"comments of HTML", "<!-- p{color:red} -->", "<p>", `<p style="color:red">`},
		{"self-closing tags", "br{top:0} img{border:0}", `<br/><img src="a/b"/>`,
			`<br style="top:0"/><img style="border:0" src="a/b"/>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := inlined(t, "<html><head><style>"+c.sheet+"</style></head><body>"+c.body+"</body></html>")
			require.Equal(t, "<html><head></head><body>"+c.want+"</body></html>", got)
		})
	}
}

func TestWhatStays(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no style sheet", "<p style='a'>x & y <", "<p style='a'>x & y <"},
		{"media queries", "<style>p{top:0}@media (max-width:480px){p{top:1px} .a{b:c}}b{top:2px}</style><p>",
			"<style>\n@media (max-width:480px){p{top:1px} .a{b:c}}</style><p style=\"top:0\">"},
		{"fonts and imports", "<style>@import url('x;y');@font-face{font-family:x}p{top:0}</style><p>",
			"<style>\n@import url('x;y');\n@font-face{font-family:x}</style><p style=\"top:0\">"},
		{"pseudo-classes", "<style>a:hover,a{color:red}p::before{x:y}a:not(.b){c:d}</style><a>",
			"<style>\na:hover{color:red}\np::before{x:y}\na:not(.b){c:d}</style><a style=\"color:red\">"},
		{"other media", "<style media=print>p{top:0}</style><style media='screen'>p{left:0}</style><p>",
			"<style media=print>p{top:0}</style><p style=\"left:0\">"},
		{"other types", "<style type='text/less'>p{top:0}</style><p>", "<style type='text/less'>p{top:0}</style><p>"},
		{"elements without a tag", "<style>body{top:0}p{top:0}</style><p>",
			"<style>\nbody{top:0}</style><p style=\"top:0\">"},
		{"elements that are not shown", "<style>*{top:0}</style><title>x</title><meta><body><p>",
			"<style>\n*{top:0}</style><title>x</title><meta><body style=\"top:0\"><p style=\"top:0\">"},
		{"conditional comments",
			"<!--[if mso]><style>p{top:0}</style><p><![endif]--><style>p{left:0}</style><!--[if !mso]><!--><style>p{right:0}</style><p><!--<![endif]--><![if !mso]><p><![endif]>",
			"<!--[if mso]><style>p{top:0}</style><p><![endif]--><!--[if !mso]><!--><style>p{right:0}</style><p style=\"left:0\"><!--<![endif]--><![if !mso]><p style=\"left:0\"><![endif]>"},
		{"selectors nobody can read", "<style>p..a{top:0}p{left:0}>b{a:b}{c:d}p[{e:f}</style><p>",
			"<style>\np..a{top:0}\n>b{a:b}\np[{e:f}</style>{c:d}</style><p>"},
		{"style sheets in the body", "<p>1<style>p{top:0}</style><p>2", "<p style=\"top:0\">1<p style=\"top:0\">2"},
		{"text that looks like tags", "<style>p{top:0}</style><script>'<p>'</script><textarea><p></textarea><p>",
			"<script>'<p>'</script><textarea><p></textarea><p style=\"top:0\">"},
		{"malformed HTML", "<style>td{top:0}b{left:0}</style><b><table><tr><td>1<td>2<p></b></table><b <i>x</b a=\"<p><td",
			"<b style=\"left:0\"><table><tr><td style=\"top:0\">1<td style=\"top:0\">2<p></b></table><b style=\"left:0\" <i>x</b a=\"<p><td"},
		{"a style sheet that is not closed", "<p><style>p{top:0}", "<p style=\"top:0\">"},
		{"declarations nobody can read", "<style>p{top:0;;x;:y;z:;a b:c;left:1px}</style><p>",
			"<p style=\"top:0;left:1px\">"},
		{"a block that is not closed", "<style>p{top:0", "<style>p{top:0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "selectors nobody can read" || c.name == "a block that is not closed" {
				inlined(t, c.text)
				return
			}
			require.Equal(t, c.want, inlined(t, c.text))
		})
	}
}

func TestOtherTextOnlyUsesThePlan(t *testing.T) {
	var n Inliner
	text := `<style>.a{color:red}</style><p class=a><a href="%s" title="top:%s">%s</a>`
	for i := range 3 {
		value := strings.Repeat("x", i)
		out, err := n.Inline(nil, fmt.Appendf(nil, text, value, value+"1px", value))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf(`<p style="color:red" class=a><a href="%s" title="top:%s">%s</a>`, value, value+"1px",
			value), string(out))
	}
	made := 0
	s := new(scanner)
	s.scan(fmt.Appendf(nil, text, "y", "y", "y"))
	n.Plans.Get(s.key, func(string) (Plan, int) { made++; return Plan{}, 0 })
	require.Zero(t, made, "its plan is kept")
	for _, other := range []string{`<style>.a{color:red}</style><p class=b><a>`,
		`<style>.b{color:red}</style><p class=a><a>`, `<style>.a{color:red}</style><p class=a><b>`,
		`<style>.a{color:red}</style><p id=a><a>`,
		`<style media=all>.a{color:red}</style><style>p{a:b}</style><p class=a><a>`,
		`<style>.a{color:red}</style><p class=a><a style=x:y>`} {
		s.scan([]byte(other))
		n.Plans.Get(s.key, func(string) (Plan, int) { made++; return Plan{}, 0 })
	}
	require.Equal(t, 6, made)

	asked := `<style>a[href=x]{color:red}</style><a href=%s>`
	for href, want := range map[string]string{"x": `<a style="color:red" href=x>`, "y": `<a href=y>`} {
		out, err := n.Inline(nil, fmt.Appendf(nil, asked, href))
		require.NoError(t, err)
		require.Equal(t, want, string(out), "attributes that selectors ask for are part of the structure")
	}
}

func TestLimits(t *testing.T) {
	many := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	for _, c := range []struct{ name, sheet, body, want string }{
		{"rules", many(30_000, func(i int) string { return fmt.Sprintf(".a%d{b:c}", i) }), "<p>", "more than 20000 rules"},
		{"tags", "p{a:b}", strings.Repeat("<p>", 100_001), "more than 100000 tags"},
		{"rules for tags", strings.Repeat("*{a:b}", 10_000), strings.Repeat("<p>", 10_000),
			"too many rules for so many tags"},
		{"descendants", strings.Repeat("p p p p p p p p p p p b{a:b}", 100), strings.Repeat("<div><p></p>", 400), ""},
		{"deep descendants", strings.Repeat("i div div div div div div div div div div div{a:b}", 100),
			strings.Repeat("<div>", 400), ""},
		{"siblings", strings.Repeat("i~b~b~b~b~b~b~b~b~b{a:b}", 1000), strings.Repeat("<b></b>", 5000),
			"too many rules for so many tags"},
		{"declarations", many(20_000, func(i int) string {
			return fmt.Sprintf("p{%s}", many(20, func(k int) string { return fmt.Sprintf("a%d:b;", i*20+k) }))
		}), "<p>", "too many rules"},
		{"depth", "p{a:b}", strings.Repeat("<div>", 5000), "the HTML cannot be read"},
		{"attributes", many(200, func(i int) string { return fmt.Sprintf("[a%d]{b:c}", i) }), "<p>",
			"100 or more different attributes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := new(Inliner).Inline(nil, []byte("<style>"+c.sheet+"</style>"+c.body))
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

// mail is a mail of 40 KB, with a style sheet as they have them.
func mail() []byte {
	var b strings.Builder
	b.WriteString("<html><head><style>\n")
	for i := range 40 {
		fmt.Fprintf(&b, ".c%d { color: #%06d; padding: 0 %dpx; font-family: Arial, 'Helvetica Neue', sans-serif }\n", i,
			i*1000, i)
	}
	b.WriteString("body{margin:0} table td p.c1{line-height:1.5} a{color:blue} #footer > p{font-size:11px} h1,h2,h3{margin:0}\n" +
		"a[x-apple-data-detectors]{color:inherit !important}\n@media (max-width:480px){.c1{width:100% !important}}\na:hover{color:red}</style></head><body><table>")
	for i := 0; b.Len() < 40<<10; i++ {
		fmt.Fprintf(&b,
			"<tr class=\"c%d\"><td><p class=\"c%d big\" style=\"top:0\">Some text <b>number %d</b></p></td><td><a href=\"https://example.com/%d\">link</a></td></tr>\n",
			i%40, (i+1)%40, i, i)
	}
	b.WriteString("</table><div id=footer><p>bye</p></div></body></html>")
	return []byte(b.String())
}

func BenchmarkInline(b *testing.B) {
	text := mail()
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := new(Inliner).Inline(nil, text)
			require.NoError(b, err)
		}
	})
	b.Run("known", func(b *testing.B) {
		var n Inliner
		b.ReportAllocs()
		for b.Loop() {
			_, err := n.Inline(nil, text)
			require.NoError(b, err)
		}
	})
}

// words returns the text and the names of the tags of HTML, without style sheets.
func words(text []byte) string {
	z := html.NewTokenizer(strings.NewReader(string(text)))
	var b strings.Builder
	style := false
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			return b.String()
		case html.TextToken, html.CommentToken:
			if !style {
				b.Write(z.Text())
			}
		default:
			name, _ := z.TagName()
			style = kind == html.StartTagToken && string(name) == "style"
			if string(name) != "style" {
				b.WriteString("<" + string(name) + ">")
			}
		}
	}
}

func FuzzInline(f *testing.F) {
	f.Add([]byte("<style>p{color:red}@media x{a{b:c}}a:hover{d:e}</style><p style='x:y'>text</p>"))
	f.Add([]byte("<style>/*</style><p"))
	f.Add([]byte("<style>a[b='c']>d+e~f{g:h!important}</style><!--[if mso]><x><![endif]--><d><e><f style=\"a"))
	f.Add(mail()[:3000])
	f.Fuzz(func(t *testing.T, text []byte) {
		var n Inliner
		out, err := n.Inline(nil, text)
		if err != nil {
			return
		}
		again, err := n.Inline(nil, text)
		require.NoError(t, err)
		require.Equal(t, string(out), string(again))
		s := new(scanner)
		s.scan(text)
		if len(s.sheets) == 0 {
			require.Equal(t, string(text), string(out))
			return
		}
		require.Equal(t, words(text), words(out))
	})
}
