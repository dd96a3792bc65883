package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sluicemail/sluice/delivery/render/blocks"
	"github.com/sluicemail/sluice/delivery/render/fetch"
)

// mails takes pictures of the mails that the objects of a folder make, on screens of three widths.
func mails(ctx context.Context, b *browser, o *options) error {
	all, err := filepath.Glob(filepath.Join(o.Mails, "*.json"))
	if err != nil || len(all) == 0 {
		return errors.Join(fmt.Errorf("%s has no objects", o.Mails), err)
	}
	site := httptest.NewServer(http.HandlerFunc(serveWeb))
	defer site.Close()
	for _, width := range []int64{320, 600, 1200} {
		if err := b.put(screen{"", width, 800, false}); err != nil {
			return err
		}
		for _, file := range all {
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			if !strings.HasPrefix(name, o.Only) {
				continue
			}
			object, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			html, err := blocks.Render(ctx, json.RawMessage(object), blocks.Options{Fetcher: web(filepath.Dir(o.Mails))})
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			for _, host := range []string{"https://images.example.com", "https://img.youtube.com"} {
				html = strings.ReplaceAll(html, host, site.URL)
			}
			page := filepath.Join(o.Out, name+".html")
			if err := os.WriteFile(page, []byte(html), 0o644); err != nil {
				return err
			}
			if err := b.open("file://" + page); err != nil {
				return err
			}
			if err := b.picture(filepath.Join(o.Out, fmt.Sprintf("%s-%d.png", name, width)), true); err != nil {
				return err
			}
		}
		fmt.Printf("%d mails, %d pixels\n", len(all), width)
	}
	return nil
}

// web has the files of the folder web beside the objects, and a picture for each name that says its size.
type web string

func (w web) Fetch(_ context.Context, address string) (*fetch.File, error) {
	if strings.HasPrefix(address, "https://vimeo.com/") {
		return &fetch.File{Data: []byte(`{"thumbnail_url": "https://images.example.com/vimeo-640x360.png"}`)}, nil
	}
	if data := picture(path.Base(address)); data != nil {
		return &fetch.File{Data: data, Type: "image/png"}, nil
	}
	data, err := os.ReadFile(filepath.Join(string(w), "web", path.Base(address)))
	return &fetch.File{Data: data, Type: "text/plain; charset=utf-8"}, err
}

func serveWeb(w http.ResponseWriter, r *http.Request) {
	data := picture(path.Base(r.URL.Path))
	if strings.HasSuffix(r.URL.Path, "/hqdefault.jpg") {
		data = picture("still-480x360.png")
	}
	if data == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(data)
}

// picture draws an image of the size that its name ends with, such as harbour-600x400.png; nil: it has none.
func picture(name string) []byte {
	var wide, high int
	if _, size, _ := strings.Cut(name, "-"); size == "" {
		return nil
	} else if n, _ := fmt.Sscanf(size, "%dx%d", &wide, &high); n != 2 || wide*high > 1<<24 {
		return nil
	}
	m := image.NewRGBA(image.Rect(0, 0, wide, high))
	for y := range high {
		for x := range wide {
			m.Set(x, y, color.RGBA{uint8(90 + 90*x/wide), uint8(120 + 60*y/high), 170, 255})
		}
	}
	var out bytes.Buffer
	if png.Encode(&out, m) != nil {
		return nil
	}
	return out.Bytes()
}
