package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/app/api"
)

// fabricFlags choose one fabric of a server.
type fabricFlags struct {
	fabric, netbox string
	planHash       string // chooses the fabric that waits with it, when nothing else is said
}

func (f *fabricFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.fabric, "fabric", "", "NetBox name or primary key of the fabric (default: the only one)")
	cmd.Flags().StringVar(&f.netbox, "netbox", "", "NetBox connection, when several have the fabric")
}

// chosenFabric is one fabric in the API's words.
type chosenFabric struct {
	id     int64
	netbox string
}

func (f chosenFabric) path(action string) string {
	return fmt.Sprintf("/api/plugins/hedgehog/fabrics/%d/%s/", f.id, action)
}

func (f chosenFabric) query() url.Values {
	if f.netbox == "" {
		return nil
	}
	return url.Values{"netbox": {f.netbox}}
}

// find resolves the flags; a name, or the lack of one, is looked up in the server's status.
func (f *fabricFlags) find(ctx context.Context, c *client) (chosenFabric, error) {
	if id, err := strconv.ParseInt(f.fabric, 10, 64); err == nil && id > 0 {
		return chosenFabric{id: id, netbox: f.netbox}, nil
	}
	var st api.Status
	if _, err := c.do(ctx, http.MethodGet, "/api/status", nil, nil, &st); err != nil {
		return chosenFabric{}, err
	}
	var found, waiting []api.Fabric
	var names []string
	for _, s := range st.Fabrics {
		names = append(names, show(s.NetBox+"/"+s.Name))
		if (f.fabric == "" || s.Name == f.fabric) && (f.netbox == "" || s.NetBox == f.netbox) {
			found = append(found, s)
			if f.planHash != "" && s.PlanHash == f.planHash {
				waiting = append(waiting, s)
			}
		}
	}
	if len(waiting) > 0 {
		found = waiting
	}
	switch {
	case len(found) == 1:
		return chosenFabric{id: found[0].NetBoxID, netbox: found[0].NetBox}, nil
	case len(st.Fabrics) == 0:
		return chosenFabric{}, errors.New("the server has no fabrics: hnp-sync status says more")
	case len(found) == 0:
		return chosenFabric{}, fmt.Errorf("there is no such fabric; the server has %s", strings.Join(names, ", "))
	}
	return chosenFabric{}, usageError(fmt.Errorf("which fabric? give --fabric NAME (and --netbox NAME); the server has %s", strings.Join(names, ", ")))
}

// show makes foreign text safe for a terminal: no control or formatting characters.
func show(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
}

// value shows a value of a conflict as JSON on one line.
func value(v api.Value) string {
	if v.Absent {
		return "(absent)"
	}
	b, err := json.Marshal(v.Value)
	if err != nil {
		return "(not shown)"
	}
	return show(string(b))
}

func itoa(n int) string { return strconv.Itoa(n) }
