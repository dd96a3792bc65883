package snapshot

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	limits "github.com/sluicemail/sluice/throttle/rules"
)

// Days keeps the counters of warm-ups in the table schedule_days. It is the Days of a throttle's rules.Live. Keeper
// must be set. What it writes does not make a new snapshot: nobody but the counters' owner looks at that table.
type Days struct {
	Keeper *Keeper

	mu  sync.Mutex
	ids map[pair]int64 // of the rows that are known
}

// pair is what a counter is about, as the columns have it.
type pair struct{ source, site string }

var _ limits.DayStore = (*Days)(nil)

// LoadDays returns all counters. Rows that make no sense are left out; of several about the same pair the furthest
// counts.
func (d *Days) LoadDays(ctx context.Context) ([]limits.Day, error) {
	var rows []settings.ScheduleDay
	err := d.Keeper.Read(ctx, func(s settings.Store) (err error) {
		rows, _, err = settings.List[settings.ScheduleDay](ctx, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ids = make(map[pair]int64, len(rows))
	place := make(map[pair]int, len(rows))
	var days []limits.Day
	for _, r := range rows {
		day, key, err := dayOf(r)
		if err != nil {
			continue
		}
		i, known := place[key]
		if !known {
			place[key], d.ids[key] = len(days), r.ID
			days = append(days, day)
		} else if day.Day > days[i].Day {
			d.ids[key], days[i] = r.ID, day
		}
	}
	return days, nil
}

// dayOf reads a row. A localip of nothing stands for mail whose source address the system chooses.
func dayOf(r settings.ScheduleDay) (day limits.Day, key pair, err error) {
	source, err := anyAddress("localip", r.LocalIP)
	if err != nil {
		return limits.Day{}, pair{}, err
	}
	sent, err := settings.ParseTime(r.LastSent)
	if err != nil || r.Site == "" || r.Day < 0 {
		return limits.Day{}, pair{}, errors.New("not a counter")
	}
	day = limits.Day{Source: source, Site: r.Site, Day: int(min(r.Day, 1<<30)), LastSent: sent}
	return day, keyOf(source, r.Site), nil
}

func keyOf(source netip.Addr, site string) pair {
	if !source.IsValid() {
		return pair{"", site}
	}
	return pair{source.String(), site}
}

// SaveDays writes counters in the place of those of the same pairs, all or none.
func (d *Days) SaveDays(ctx context.Context, days []limits.Day) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	added := make(map[pair]int64)
	_, err := d.Keeper.write(ctx, func(s settings.Store) error {
		clear(added)
		for _, day := range days {
			key := keyOf(day.Source, day.Site)
			row := settings.ScheduleDay{ID: d.ids[key], LocalIP: key.source, Site: key.site, Day: int64(day.Day),
				LastSent: day.LastSent.UTC().Format(time.DateOnly)}
			if row.ID != 0 {
				err := settings.Update(ctx, s, &row)
				if err == nil {
					continue
				}
				if !errors.Is(err, settings.ErrNotFound) {
					return err
				}
				row.ID = 0 // somebody deleted it
			}
			if err := settings.Insert(ctx, s, &row); err != nil {
				return err
			}
			added[key] = row.ID
		}
		return nil
	})
	if err != nil {
		return err
	}
	if d.ids == nil {
		d.ids = make(map[pair]int64)
	}
	for key, id := range added {
		d.ids[key] = id
	}
	return nil
}
