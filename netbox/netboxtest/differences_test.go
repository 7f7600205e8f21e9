package netboxtest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Reasons shared by several differences.
const (
	background = "needs NetBox's job queue, which is not modelled: 501"
	options    = "OPTIONS is not modelled: 501"
	seeded     = "users, permissions and tokens come from the seed: 501"
)

// difference says why an exchange is not compared in full.
type difference struct {
	// statusOnly still sends the request and compares its status; otherwise it
	// is not sent at all.
	statusOnly bool
	reason     string
}

// differences is the complete list of recorded exchanges that are not replayed
// and compared in every header, key and value. Besides it, only times and random
// request ids (volatile) and two texts that quote PostgreSQL (known) may differ.
var differences = map[string]difference{
	"hnp/exchanges/filters.json[25]":     {reason: options},
	"hnp/exchanges/concurrency.json[22]": {reason: background},
	"hnp/exchanges/deletes.json[0]":      {reason: background},
	"hnp/exchanges/deletes.json[1]":      {reason: background},
	"hnp/exchanges/deletes.json[3]":      {reason: background},
	"hnp/exchanges/extra.json[10]":       {reason: background},
	"hnp/exchanges/extra.json[11]":       {reason: background},
	"hnp/exchanges/extra.json[12]":       {reason: background},
	"hnp/exchanges/extra.json[13]":       {reason: background},
	"hnp/exchanges/extra.json[21]":       {true, "lists rows of a race and of background requests that are not here"},
	"hnp/exchanges/extra2.json[3]":       {true, "a change log of 4780 rows"},
	"hnp/exchanges/extra2.json[4]":       {true, "a change log of 4831 rows"},
	"hnp/exchanges/permissions.json[0]":  {reason: seeded},
	"hnp/exchanges/permissions.json[6]":  {true, "another user's id and name"},
	"hnp/exchanges/permissions.json[8]":  {reason: seeded},

	"hnp/exchanges/netbox-4.6.8/extra.json[1]": {true, "ids of objects made by background requests before"},
	"hnp/exchanges/netbox-4.6.8/extra.json[3]": {true, "an answer of 3 MB was not recorded in full"},

	"netbox/exchanges/4.7.3-bulk.json[15]":          {reason: background},
	"netbox/exchanges/4.7.3-bulk.json[16]":          {reason: background},
	"netbox/exchanges/4.7.3-bulk.json[17]":          {reason: background},
	"netbox/exchanges/4.7.3-bulk.json[18]":          {reason: background},
	"netbox/exchanges/4.7.3-bulk.json[19]":          {reason: background},
	"netbox/exchanges/4.7.3-webhooks-setup.json[2]": {reason: "an event rule on a Custom Objects type, which is not modelled"},
}

// files says what becomes of every recorded file: "" is replayed by a test of
// this package.
var files = map[string]string{
	"hnp/exchanges/concurrency.json": "", "hnp/exchanges/create.json": "", "hnp/exchanges/deletes.json": "", "hnp/exchanges/empty_spec.json": "",
	"hnp/exchanges/events.json": "", "hnp/exchanges/extra.json": "", "hnp/exchanges/extra2.json": "", "hnp/exchanges/fabric.json": "",
	"hnp/exchanges/filters.json": "", "hnp/exchanges/journal.json": "", "hnp/exchanges/lists.json": "", "hnp/exchanges/object_changes.json": "",
	"hnp/exchanges/paging_1205_rows.json": "", "hnp/exchanges/permissions.json": "", "hnp/exchanges/plumbing.json": "", "hnp/exchanges/prepop_lists.json": "",
	"hnp/exchanges/prepop_load.json": "", "hnp/exchanges/stubs.json": "", "hnp/exchanges/validation.json": "", "hnp/exchanges/writes_no_event_rule.json": "",
	"hnp/exchanges/writes_with_event_rule.json":   "",
	"hnp/exchanges/netbox-4.6.8/concurrency.json": "", "hnp/exchanges/netbox-4.6.8/deletes.json": "", "hnp/exchanges/netbox-4.6.8/events.json": "",
	"hnp/exchanges/netbox-4.6.8/extra.json": "", "hnp/exchanges/netbox-4.6.8/permissions.json": "", "hnp/exchanges/netbox-4.6.8/validation.json": "",
	"hnp/exchanges/netbox-4.6.8/writes_with_event_rule.json": "",
	"netbox/exchanges/4.7.3-bulk.json":                       "", "netbox/exchanges/4.7.3-webhooks-setup.json": "", "netbox/exchanges/4.7.3-webhooks-conditions.json": "",
	"netbox/exchanges/4.7.3-etag-if-match.json":                 "",
	"netbox/exchanges/4.7.3-auth-status.json":                   "TestAuthentication and TestRoutesThatDoNotExist have its rules; its tokens are made by REST, which is not modelled",
	"netbox/exchanges/4.7.3-pagination.json":                    "its lists of 444 tags and of Custom Objects are not here; the rules are those of filters.json and lists.json",
	"netbox/exchanges/4.7.3-custom-objects-crud.json":           "Custom Objects are not modelled",
	"netbox/exchanges/4.7.3-custom-objects-permissions.json":    "Custom Objects are not modelled",
	"netbox/exchanges/4.7.3-custom-objects-schema.json":         "Custom Objects are not modelled",
	"netbox/exchanges/4.7.3-custom-objects-sync-operation.json": "Custom Objects are not modelled",
	"netbox/exchanges/4.7.3-custom-objects-types.json":          "Custom Objects are not modelled",
}

// TestEveryRecordedExchangeIsAccountedFor keeps the two tables complete and free
// of entries that name nothing.
func TestEveryRecordedExchangeIsAccountedFor(t *testing.T) {
	t.Parallel()
	var onDisk []string
	for _, dir := range []string{"hnp/exchanges", "netbox/exchanges"} {
		err := filepath.WalkDir(contractDir+dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				onDisk = append(onDisk, strings.TrimPrefix(filepath.ToSlash(path), contractDir))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var sources strings.Builder
	for _, name := range []string{"contract_test.go", "contract_events_test.go", "contract_older_test.go"} {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(src)
	}
	for _, f := range onDisk {
		reason, ok := files[f]
		if !ok {
			t.Errorf("%s is neither replayed nor listed", f)
		}
		base := filepath.Base(f)
		if reason == "" && !strings.Contains(sources.String(), base) && !strings.HasPrefix(base, "writes_") {
			t.Errorf("%s is said to be replayed and no test names it", f)
		}
	}
	for f := range files {
		if !slices.Contains(onDisk, f) {
			t.Errorf("%s does not exist", f)
		}
	}
	for k, d := range differences {
		file, index, _ := strings.Cut(strings.TrimSuffix(k, "]"), "[")
		n := len(loadExchanges(t, file))
		found := false
		for i := range n {
			found = found || itoa(i) == index
		}
		if !found || d.reason == "" || files[file] != "" {
			t.Errorf("difference %s names no replayed exchange or has no reason", k)
		}
	}
}
