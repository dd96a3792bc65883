package blocks

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	_ "image/gif"  // sizes of images
	_ "image/jpeg" // are asked for
	_ "image/png"  // in these formats
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/delivery/render/fetch"
	"github.com/sluicemail/sluice/internal/jsontree"
	"github.com/sluicemail/sluice/internal/tagmask"
)

// image writes an image, with a link perhaps.
func (r *renderer) image(n *jsontree.Node, s scope) {
	src := r.imageAddress(n, "src")
	if src == "" {
		if n.Err() == nil {
			n.Fail(&Error{Want: `a "src" in it`})
		}
		return
	}
	e := tag("img").attr("src", src).empty("alt", oneLine(n.String("alt")))
	r.size(e, n, s, src)
	e.style("max-width", "100%").style("border", "0").style("outline", "none").style("display", "inline-block").
		style("vertical-align", "bottom")
	s.font.with(n).apply(e, s.background) // of the text in its place
	r.linked(e.custom(n).custom(n.Object("img")), n, readLink(n, "link"))
}

// linked writes an image within its link.
func (r *renderer) linked(e *element, n *jsontree.Node, l hyperlink) {
	if l.url == "" {
		r.open(e)
		return
	}
	r.open(l.anchor(n).style("text-decoration", "none"))
	r.open(e)
	r.write("</a>")
}

// size sets the width of an image in percent of its cell, and in pixels for clients that know only those
// (ResponsiveEmail, property-image-width and property-image-height).
func (r *renderer) size(e *element, n *jsontree.Node, s scope, src string) {
	height := pixels(n, "height", 0)
	part, ok := imageWidth(n, s.width)
	if !ok {
		wide, high := r.ask(n, src, height > 0)
		switch {
		case wide == 0:
		case height > 0:
			part, ok = float64(height)*float64(wide)/float64(high)/float64(s.width), true
			height = 0
		default:
			part, ok = float64(wide)/float64(s.width), true
		}
	}
	if height > 0 {
		e.attr("height", strconv.Itoa(height)).style("height", strconv.Itoa(height)+"px")
	} else {
		e.style("height", "auto")
	}
	if ok {
		part = min(part, 1)
		e.attr("width", strconv.Itoa(max(1, int(part*float64(s.width))))).style("width", percent(part))
	}
}

// imageWidth returns the width of an image as a part of its cell.
func imageWidth(n *jsontree.Node, width int) (part float64, ok bool) {
	item := n.Get("width")
	if item == nil {
		return 0, false
	}
	text, found := strings.CutSuffix(strings.TrimSpace(item.Text), "%")
	if !found {
		return float64(pixels(n, "width", 0)) / float64(width), true
	}
	value, err := strconv.ParseFloat(text, 64)
	if item.Kind != jsontree.String || err != nil || !(value > 0 && value <= 100) {
		item.Expected("a width such as 50%% or 290px")
		return 0, false
	}
	return value / 100, true
}

// maxSide is the largest side of an image that is believed.
const maxSide = 1 << 20

// ask downloads an image to find out its size. It may be unknown, unless it is needed.
func (r *renderer) ask(n *jsontree.Node, src string, needed bool) (wide, high int) {
	masked, _ := tagmask.Mask(src)
	if r.stopped(n) || !needed && (r.opts.Fetcher == nil || tagmask.Masked(masked) || !strings.HasPrefix(src, "http")) {
		return 0, 0
	}
	file, err := r.download(src)
	var config image.Config
	if err == nil {
		if config, _, err = image.DecodeConfig(bytes.NewReader(file.Data)); err != nil {
			err = errors.New("expected an image in PNG, JPEG or GIF, whose size can be read")
		}
	}
	if err != nil || config.Width <= 0 || config.Height <= 0 || config.Width > maxSide || config.Height > maxSide {
		if needed {
			n.Get("src").Fail(&Error{Err: err})
		}
		return 0, 0
	}
	return config.Width, config.Height
}

var (
	youtube = regexp.MustCompile(`(?i)^(?:https?://)?(?:www\.|m\.)?(?:youtube(?:-nocookie)?\.com/(?:watch\?(?:.*&)?v=|embed/|v/|shorts/|live/)|youtu\.be/)([\w-]{6,20})`)
	vimeo   = regexp.MustCompile(`(?i)^(?:https?://)?(?:www\.|player\.)?vimeo\.com/(?:video/|channels/\w+/|groups/\w+/videos/)?(\d+)`)
)

// video writes a picture of a video that leads there. Clients show no videos.
func (r *renderer) video(n *jsontree.Node, s scope) {
	key := first(n, "url", "source")
	at := linkAddress(n, key)
	still := r.still(n, key, at)
	if still == "" {
		return
	}
	l := readLink(n, "link")
	if l.url == "" {
		l.url = at
	}
	r.images++
	e := tag("img").attr("src", still).attr("alt", or(l.title, "Watch the video")).attr("width", strconv.Itoa(s.width)).
		style("width", "100%").style("max-width", "100%").style("height", "auto").style("border", "0").
		style("display", "inline-block").style("vertical-align", "bottom")
	s.font.with(n).apply(e, s.background)
	r.linked(e.custom(n), n, l)
	f := s.font.with(n)
	r.open(f.apply(tag("div").style("padding", "8px 0").style("text-align", "center"), s.background))
	r.open(l.anchor(nil).style("color", f.on(s.background)))
	r.write("&#9654; ", escape(or(l.title, "Watch the video")), "</a></div>")
}

// still returns the address of a picture of a video.
func (r *renderer) still(n *jsontree.Node, key, at string) string {
	if m := youtube.FindStringSubmatch(at); m != nil {
		return "https://img.youtube.com/vi/" + m[1] + "/hqdefault.jpg"
	}
	m := vimeo.FindStringSubmatch(at)
	if m == nil {
		if item := n.Get(key); item != nil {
			item.Expected("the address of a video of YouTube or Vimeo")
		} else {
			n.Fail(&Error{Want: `a "url" in it`})
		}
		return ""
	}
	file, err := r.download("https://vimeo.com/api/oembed.json?url=" + url.QueryEscape("https://vimeo.com/"+m[1]))
	var answer struct {
		Picture string `json:"thumbnail_url"`
	}
	if err == nil {
		err = json.Unmarshal(file.Data, &answer)
	}
	if err == nil && !strings.HasPrefix(answer.Picture, "https://") {
		err = &fetch.Error{URL: "the picture of this video", Reason: "Vimeo has none"}
	}
	if err != nil {
		n.Get(key).Fail(&Error{Err: err})
		return ""
	}
	return answer.Picture
}
