package mta

import (
	"context"
	"errors"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/render"
	"github.com/sluicemail/sluice/queue"
)

// newRenderer makes what makes mails of objects, fills in data and moves style sheets.
func newRenderer(b *base) *render.Renderer { return &render.Renderer{Logger: b.log} }

// rendering fits a renderer into the engine's hook.
func rendering(r *render.Renderer) func(context.Context, *queue.Message, queue.Body) (queue.Body, error) {
	return func(ctx context.Context, m *queue.Message, body queue.Body) (queue.Body, error) {
		made, err := r.Render(ctx, m, body)
		if e, ok := errors.AsType[*render.Error](err); ok {
			result := queue.Result{State: e.State, Result: queue.Error, Code: 554, Status: "5.6.0", Description: e.Error()}
			if e.State == queue.StateProcess {
				result.Result = queue.Invalid
			}
			return nil, &delivery.Failure{Temporary: e.Temporary, Cause: e, Result: result}
		}
		return made, err
	}
}
