package netbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// Releases of NetBox that change what can be done (facts/netbox.md §1, §7, §8).
var (
	versionOmit    = release{4, 5, 2} // omit=display_url; writes of the five kinds without an object page need it
	versionETag    = release{4, 6, 0} // ETag and If-Match
	versionPerItem = release{4, 7, 0} // bulk writes refuse unknown ids instead of skipping them
)

// probed is what was found out about one version of one NetBox. It is not changed after it was stored.
type probed struct {
	version    string
	release    release
	apiVersion string // API-Version header at the time, "" when it had none
	plugin     string // version of the Hedgehog plugin, "" when it is not installed
	companion  bool   // display_url resolves for fabrics, so the six missing page names exist
	changeLog  bool
	etag, bulk bool
	etagReason string
}

// Capabilities implements gitops.Inventory. The first call costs at most 5 requests: status, one fabric, the change
// log, and, when the change log names an object, a conditional write on it with a tag no object can have, single and
// bulk, which must be refused.
func (f *Fabric) Capabilities(ctx context.Context) (*gitops.Capabilities, error) {
	return f.c.Capabilities(ctx)
}

// Capabilities is the same for all fabrics of the connection.
func (c *Connection) Capabilities(ctx context.Context) (*gitops.Capabilities, error) {
	p, err := c.probe(ctx)
	if err != nil {
		return nil, err
	}
	caps := &gitops.Capabilities{Backend: "hedgehog", Version: p.version, ChangeLog: p.changeLog, ETag: p.etag, BulkETag: p.bulk,
		Kinds: map[string]gitops.KindCapability{}}
	c.mu.Lock()
	unread := maps.Clone(c.unread)
	c.mu.Unlock()
	for _, k := range manifests.Kinds() {
		if k.Role == manifests.RoleUser {
			caps.Kinds[k.Kind] = kindCapability(p, k.Kind, unread[k.Kind])
		}
	}
	return caps, nil
}

// noTable is why a kind cannot be in this backend.
func noTable(kind string) string {
	return "the Hedgehog NetBox Plugin has no table for " + kind
}

func kindCapability(p *probed, kind, unread string) gitops.KindCapability {
	t, ok := tableOf(kind)
	if !ok {
		return gitops.KindCapability{Reason: noTable(kind), Workaround: "its files are validated and left as they are"}
	}
	if p.plugin == "" {
		return gitops.KindCapability{Reason: "the Hedgehog NetBox Plugin (netbox_hedgehog) is not installed in this NetBox",
			Workaround: "install it, or point the connection at the right NetBox"}
	}
	k := gitops.KindCapability{Read: true, Create: true, Update: true, Delete: true, Events: true}
	var reasons, workarounds []string
	if !t.pages && !p.companion {
		k.Delete, k.Events = false, false
		reasons = append(reasons, fmt.Sprintf("the plugin has no page for %s: NetBox answers 500 to every delete, and an event rule on the type breaks every save", kind))
		workarounds = append(workarounds, "its changes are read from the change log; a delete must be made in the database by an administrator, until NetBox has a plugin with the missing page names")
		if p.release.less(versionOmit) {
			k.Create, k.Update = false, false
			reasons = append(reasons, "NetBox before "+versionOmit.String()+" cannot save it either")
			workarounds = append(workarounds, "upgrade NetBox")
		}
	}
	if !p.etag {
		reasons = append(reasons, p.etagReason)
		workarounds = append(workarounds, "objects are read again just before each write, so a write of someone else in between is overwritten; upgrade NetBox to 4.6 or later")
	}
	if unread != "" {
		k.Read, k.Create, k.Update, k.Delete, k.Denied = false, false, false, false, true
		reasons = append(reasons, unread)
		workarounds = append(workarounds, "grant the token's user view, add, change and delete on "+t.objectType())
	}
	k.Reason, k.Workaround = strings.Join(reasons, "; "), strings.Join(workarounds, "; ")
	return k
}

// probe finds out what this NetBox can do, once per version.
func (c *Connection) probe(ctx context.Context) (*probed, error) {
	if p := c.known(); p != nil {
		return p, nil
	}
	select {
	case c.probing <- struct{}{}:
		defer func() { <-c.probing }()
	case <-ctx.Done():
		return nil, fmt.Errorf("probe netbox %s: %w", c.name, ctx.Err())
	}
	if p := c.known(); p != nil {
		return p, nil
	}
	p, err := c.probeOnce(ctx)
	if err != nil {
		return nil, fmt.Errorf("probe netbox %s: %w", c.name, err)
	}
	c.mu.Lock()
	p.apiVersion = c.version
	c.probed = p
	c.mu.Unlock()
	c.report(p)
	return p, nil
}

func (c *Connection) known() *probed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.probed
}

// sawVersion forgets what was probed when the server's API version is another one.
func (c *Connection) sawVersion(api string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version = api
	if c.probed != nil && c.probed.apiVersion != api {
		c.probed = nil
	}
}

// Reprobe forgets what was probed: the next Capabilities asks again. For a changed permission, which no answer tells.
func (c *Connection) Reprobe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probed = nil
}

func (c *Connection) probeOnce(ctx context.Context) (*probed, error) {
	status, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	p := &probed{version: status.Version, release: parseRelease(status.Version), plugin: status.Plugins[pluginName]}
	if p.plugin == "" && len(status.Plugins) == 0 {
		p.plugin = "unknown" // a NetBox that lists no plugins is not told from one without; the listings will show
	}
	if p.plugin != "" {
		if p.companion, err = c.probeCompanion(ctx); err != nil {
			return nil, err
		}
	}
	candidate, err := c.probeChangeLog(ctx, p)
	if err != nil {
		return nil, err
	}
	p.etag = !p.release.less(versionETag)
	p.bulk = p.etag
	if !p.etag {
		p.etagReason = "NetBox " + p.version + " has no If-Match (4.6 has)"
		return p, nil
	}
	if candidate.path != "" && !c.trustVersion {
		if err := c.probeETag(ctx, p, candidate); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// probeCompanion asks for the display_url of one fabric, which every NetBox that matters has: 500 without the page
// names, whatever else the plugin can. An empty list proves nothing and counts as without.
func (c *Connection) probeCompanion(ctx context.Context) (bool, error) {
	m, _, err := c.getObject(ctx, fabricsPath+"?ordering=id&limit=1&fields=id,display_url")
	var e *StatusError
	switch {
	case errors.As(err, &e) && e.Status == http.StatusInternalServerError,
		errors.As(err, &e) && e.Status == http.StatusForbidden && !e.badToken():
		return false, nil
	case err != nil:
		return false, err
	}
	results, _, _, err := listAnswer(m)
	return err == nil && len(results) > 0, err
}

// candidate is an object that lived when the change log was read.
type candidate struct {
	path string // detail URL
	list string
	pk   int64
}

// probeChangeLog reads the newest change of a kind whose specs are never empty; 403 is the answer, not an error.
func (c *Connection) probeChangeLog(ctx context.Context, p *probed) (candidate, error) {
	q := changesPath + "?"
	for _, t := range tables {
		if t.pages && t.kind != "SwitchGroup" {
			q += "changed_object_type=" + t.objectType() + "&"
		}
	}
	m, _, err := c.getObject(ctx, q+"ordering=-id&limit=1&fields=id,action,changed_object_type,changed_object_id")
	var e *StatusError
	if errors.As(err, &e) && (e.Status == http.StatusForbidden || e.Status == http.StatusNotFound) && !e.badToken() {
		return candidate{}, nil
	}
	if err != nil {
		return candidate{}, err
	}
	p.changeLog = true
	results, _, _, err := listAnswer(m)
	if err != nil {
		return candidate{}, err
	}
	if len(results) == 0 {
		return candidate{}, nil
	}
	row, _ := results[0].(map[string]any)
	kind, ok := KindOfType(fmt.Sprint(row["changed_object_type"]))
	pk, err := positive(row, "changed_object_id")
	if !ok || err != nil || action(row) == "delete" {
		return candidate{}, nil
	}
	t, _ := tableOf(kind)
	return candidate{path: t.detail(pk), list: t.list(), pk: pk}, nil
}

// probeETag writes nothing where If-Match is honoured: the tag is of a time before NetBox. Where it is not (a proxy
// may drop the header), the empty PATCH changes no content.
func (c *Connection) probeETag(ctx context.Context, p *probed, o candidate) error {
	wrong := []string{etag("1999-01-01T00:00:00+00:00")}
	honoured := func(path string, body string) (bool, error) {
		a, err := c.send(ctx, http.MethodPatch, path, c.token, wrong, []byte(body))
		if err != nil {
			return false, err
		}
		// Only a success disproves it. A 403 (read-only token) or 404 (gone meanwhile) says nothing.
		return a.status < 200 || a.status > 299, nil
	}
	var err error
	if p.etag, err = honoured(o.path+"?omit=display_url", "{}"); err != nil {
		return err
	}
	if p.bulk, err = honoured(o.list+"?omit=display_url", `[{"id":`+strconv.FormatInt(o.pk, 10)+`}]`); err != nil {
		return err
	}
	if !p.etag {
		p.etagReason = "If-Match does not reach NetBox (a proxy in front of it may drop the header)"
	}
	return nil
}

// report says once per probe what does not work.
func (c *Connection) report(p *probed) {
	c.log("netbox probed", "netbox", c.name, "version", p.version, "plugin", p.plugin, "change_log", p.changeLog, "etag", p.etag, "bulk_etag", p.bulk, "companion", p.companion)
	if !p.changeLog {
		c.log("netbox limit", "netbox", c.name, "reason", gitops.ErrNoChangeLog.Message)
	}
	type limit struct{ reason, workaround string }
	said := map[limit][]string{}
	for _, k := range manifests.Kinds() {
		if k.Role != manifests.RoleUser {
			continue
		}
		kc := kindCapability(p, k.Kind, "")
		if kc.Reason != "" {
			l := limit{strings.ReplaceAll(kc.Reason, k.Kind, "the kind"), kc.Workaround}
			said[l] = append(said[l], k.Kind)
		}
	}
	limits := slices.SortedFunc(maps.Keys(said), func(a, b limit) int { return strings.Compare(a.reason, b.reason) })
	for _, l := range limits {
		slices.Sort(said[l])
		c.log("netbox limit", "netbox", c.name, "kinds", strings.Join(said[l], " "), "reason", l.reason, "workaround", l.workaround)
	}
}

// noteRead remembers a kind that the token may not list, until a listing succeeds.
func (c *Connection) noteRead(t table, err error) {
	var e *StatusError
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		delete(c.unread, t.kind)
	case errors.As(err, &e) && (e.Status == http.StatusForbidden || e.Status == http.StatusNotFound):
		c.unread[t.kind] = "NetBox refuses to list it: " + e.Words
	}
}

// release is a NetBox version, comparable.
type release [3]int

func (r release) less(o release) bool { return slices.Compare(r[:], o[:]) < 0 }

func (r release) String() string { return fmt.Sprintf("%d.%d.%d", r[0], r[1], r[2]) }

// parseRelease reads "4.7.3", "4.6.0-beta1" or "4.7.3-Docker-3.2"; what cannot be read is 0, older than everything.
func parseRelease(s string) release {
	var r release
	s, _, _ = strings.Cut(s, "-")
	for i, part := range strings.SplitN(s, ".", 4) {
		if i == 3 {
			break
		}
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			break
		}
		r[i] = n
	}
	return r
}
