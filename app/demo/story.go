package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hnp-sync/hnp-sync/app/api"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

// chapter is one step: what people do, and what must hold once everything is at rest.
type chapter struct {
	name, title string
	// act is what people do; nil for the first, in which the App has only been installed.
	act func(ctx context.Context) error
	// check says what came of it, or what did not hold.
	check func(ctx context.Context, s *Step, st *api.Status) (string, error)
	// old is what the earlier system spent on the same: recorded in its repository's history, or its known way.
	old string
}

// story runs all chapters; a step that does not hold ends nothing, the others still run.
func (w *world) story(ctx context.Context) *Result {
	res := &Result{OK: true, URLs: map[string]string{
		"app": w.app.URL(), "clone": w.cloneURL(), "github_api": w.github.URL() + "/api/v3", "netbox": w.netbox.URL()}}
	for i, c := range w.chapters() {
		if ctx.Err() != nil {
			res.OK = false
			break
		}
		s := Step{Name: c.name}
		w.heading(i+1, c)
		if i > 0 {
			w.begin()
		}
		err := error(nil)
		if c.act != nil {
			err = c.act(ctx)
		}
		var st *api.Status
		if err == nil {
			st, err = w.settle(ctx)
		}
		w.counted(&s)
		if err == nil {
			s.Detail, err = c.check(ctx, &s, st)
		}
		if s.OK = err == nil; err != nil {
			s.Detail = err.Error()
			res.OK = false
		}
		w.tell(c, s)
		res.Steps = append(res.Steps, s)
	}
	return res
}

func (w *world) chapters() []chapter {
	return []chapter{
		{"ingest", "The App is installed: the directory is set up and 48 documents are filed, in one commit; NetBox gets them",
			nil, w.checkIngest,
			"about 66 commits and 132 API calls: a commit for every directory and every file"},
		{"netbox_edit", "Alice sets the VLAN of test-vpc to 1100 in NetBox: a one-line commit",
			func(ctx context.Context) error { return w.editNetBox(ctx, "test-vpc", "vlan", 1100) }, w.checkNetBoxEdit,
			"138 commits and 276 API calls: its own save started it again, up to the recursion limit"},
		{"git_edit", "Bob pushes VLAN 1202 for test-vpc-2: NetBox follows, Git gets no commit in return",
			func(context.Context) error { return w.editGit("test-vpc-2", "vlan: 1002", "vlan: 1202") }, w.checkGitEdit,
			"2,480 commits and 4,960 API calls, recorded: the import answered itself for 34 minutes"},
		{"merge", "At once: Alice sets the gateway of test-vpc in NetBox, Bob its VLAN in Git: both edits survive",
			func(ctx context.Context) error {
				return w.atOnce(
					func() error { return w.editNetBox(ctx, "test-vpc", "gateway", "10.0.1.254") },
					func() error { return w.editGit("test-vpc", "vlan: 1100", "vlan: 1101") })
			}, w.checkMerge,
			"one of the two edits: the last writer took the whole file"},
		{"conflict", "At once, the same field: Alice sets the VLAN of test-vpc-2 to 1300, Bob to 1400: nothing is overwritten",
			func(ctx context.Context) error {
				return w.atOnce(
					func() error { return w.editNetBox(ctx, "test-vpc-2", "vlan", 1300) },
					func() error { return w.editGit("test-vpc-2", "vlan: 1202", "vlan: 1400") })
			}, w.checkConflict,
			"one of the two values, without a word"},
		{"pull_request", "Bob opens a pull request with a VLAN that is no number, and without leaf-02: its checks say what merging would do",
			w.proposeHarm, w.checkPullRequest,
			"nothing: it looked at the branch after the merge, and sent what it found"},
		{"bad_file", "Bob pushes a broken file of server-01 and a good edit of server-02: only server-01 waits",
			func(context.Context) error {
				return w.push("break server-01, describe server-02", map[string]func(string) string{
					"managed/servers/server-01.yaml": func(s string) string { return s + "  spec: [unclosed\n" },
					"managed/servers/server-02.yaml": func(s string) string { return describe(s, "checked by Bob") },
				})
			}, w.checkBadFile,
			"the broken file skipped and archived; what it held stayed as it was, unsaid"},
		{"resolve", "Bob comments /hnp resolve C1 netbox on the App's issue: the conflict ends on both sides",
			func(ctx context.Context) error { return w.says(ctx, "/hnp resolve C1 netbox") }, w.checkResolve,
			"nothing to decide: one value was gone"},
		{"mass_delete", "Bob's script deletes 12 connections in one push: nothing is deleted before a person says so",
			w.massDelete, w.checkMassDelete,
			"12 resources deleted in NetBox, unasked"},
		{"approve", "Bob comments /hnp approve with the hash of exactly that plan",
			func(ctx context.Context) error { return w.says(ctx, "/hnp approve "+w.hash) }, w.checkApprove,
			"nothing to approve"},
		{"silence", "Everything is compared once more, on demand: nothing is left to do, and nothing is written",
			w.sync, w.checkSilence,
			"19 files rewritten with a new time stamp, each a commit"},
	}
}

// ---- what people do

// editNetBox is Alice, through NetBox's REST API: one field of the only subnet of a VPC.
func (w *world) editNetBox(ctx context.Context, vpc, field string, value any) error {
	o, ok := w.netbox.ByName("VPC", "default", vpc)
	if !ok {
		return fmt.Errorf("NetBox holds no VPC %s", vpc)
	}
	spec, err := clone(o.Spec)
	if err != nil {
		return err
	}
	subnet, ok := at(spec, "subnets", "test-subnet")
	if !ok {
		return fmt.Errorf("VPC %s has no subnet test-subnet", vpc)
	}
	subnet[field] = value
	url := fmt.Sprintf("%s/api/plugins/hedgehog/vpcs/%d/?omit=display_url", w.netbox.URL(), o.ID)
	return w.call(ctx, http.MethodPatch, url, "Bearer "+userToken, map[string]any{"spec": spec}, nil)
}

func clone(v any) (map[string]any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, json.Unmarshal(data, &out)
}

func at(v map[string]any, path ...string) (map[string]any, bool) {
	for _, p := range path {
		next, ok := v[p].(map[string]any)
		if !ok {
			return nil, false
		}
		v = next
	}
	return v, true
}

// editGit is Bob: one text replaced in the file of a VPC, committed and pushed.
func (w *world) editGit(vpc, old, new string) error {
	file := "managed/vpcs/" + vpc + ".yaml"
	return w.push(vpc+": "+new, map[string]func(string) string{file: func(s string) string { return strings.Replace(s, old, new, 1) }})
}

// push edits files of the fabric directory in one commit of Bob's.
func (w *world) push(message string, edits map[string]func(string) string) error {
	files := map[string]*string{}
	for name, edit := range edits {
		p := directory + "/" + name
		old, err := w.github.ReadFile(repository, branch, p)
		if err != nil {
			return err
		}
		text := edit(old)
		if text == old {
			return fmt.Errorf("%s: nothing to edit in %q", name, cut(old, 5))
		}
		files[p] = &text
	}
	_, err := w.github.CommitFiles(repository, branch, gitUser, message, files)
	return err
}

// describe sets a server's description, whatever its spec looked like.
func describe(s, text string) string {
	if strings.Contains(s, "description:") {
		lines := strings.SplitAfter(s, "\n")
		for i, l := range lines {
			if head, _, ok := strings.Cut(l, "description:"); ok {
				lines[i] = head + "description: " + text + "\n"
			}
		}
		return strings.Join(lines, "")
	}
	return strings.Replace(s, "spec: {}", "spec:\n  description: "+text, 1)
}

// atOnce lets two people save before the App hears of either: both sides' webhooks are held for a moment.
func (w *world) atOnce(inNetBox, inGit func() error) error {
	if _, err := w.netbox.AddFault(netboxtest.Fault{Route: "*", User: netboxUser, Action: "webhook_delay", DelayMS: 300, Times: 1}); err != nil {
		return err
	}
	if _, err := w.github.AddFault(githubtest.Fault{Route: "push", Action: "webhook_delay", DelayMS: 300, Times: 1}); err != nil {
		return err
	}
	return errors.Join(inNetBox(), inGit())
}

// ---- what must hold

func (w *world) fileOf(vpc string) (string, error) {
	return w.github.ReadFile(repository, branch, directory+"/managed/vpcs/"+vpc+".yaml")
}

// inNetBox reads one field of a VPC's subnet as text.
func (w *world) inNetBox(vpc, field string) string {
	o, _ := w.netbox.ByName("VPC", "default", vpc)
	spec, err := clone(o.Spec)
	if err != nil {
		return err.Error()
	}
	subnet, _ := at(spec, "subnets", "test-subnet")
	return fmt.Sprint(subnet[field])
}

// expect collects what did not hold.
type expect struct{ failed []string }

func (e *expect) that(ok bool, format string, args ...any) {
	if !ok {
		e.failed = append(e.failed, fmt.Sprintf(format, args...))
	}
}

func (e *expect) done(detail string) (string, error) {
	if len(e.failed) > 0 {
		return "", errors.New(strings.Join(e.failed, "; "))
	}
	return detail, nil
}

// both expects a text in the file and a value in NetBox.
func (w *world) both(e *expect, vpc, text, field, value string) {
	file, err := w.fileOf(vpc)
	e.that(err == nil && strings.Contains(file, text), "%s in Git should say %q: %v", vpc, text, err)
	got := w.inNetBox(vpc, field)
	e.that(got == value, "%s in NetBox should have %s %s, not %s", vpc, field, value, got)
}

// changed counts the lines a diff takes away and adds.
func changed(diff string) (removed, added int) {
	for _, l := range strings.Split(diff, "\n") {
		switch {
		case strings.HasPrefix(l, "---"), strings.HasPrefix(l, "+++"):
		case strings.HasPrefix(l, "-"):
			removed++
		case strings.HasPrefix(l, "+"):
			added++
		}
	}
	return removed, added
}

func (w *world) checkIngest(_ context.Context, s *Step, st *api.Status) (string, error) {
	var e expect
	files, err := w.github.Files(repository, branch, directory)
	e.that(err == nil, "read the directory: %v", err)
	managed, archived := 0, 0
	for p := range files {
		p = strings.TrimPrefix(p, directory+"/")
		if strings.HasPrefix(p, "managed/") && strings.HasSuffix(p, ".yaml") {
			managed++
		}
		if strings.HasPrefix(p, "raw/processed/") && strings.HasSuffix(p, ".yaml") {
			archived++
		}
	}
	objects := 0
	for _, kind := range []string{"Connection", "Server", "Switch", "SwitchGroup", "VPC"} {
		objects += len(w.netbox.Objects(kind))
	}
	e.that(managed == 48, "managed/ should hold 48 files, not %d", managed)
	e.that(archived == 3, "raw/processed/ should hold 3 originals, not %d", archived)
	e.that(objects == 48, "NetBox should hold 48 objects, not %d", objects)
	e.that(s.Commits == 1, "one commit is wanted, not %d", s.Commits)
	e.that(st.Fabrics[0].State == "equal", "the fabric should be equal, not %s: %s", st.Fabrics[0].State, st.Fabrics[0].Message)
	return e.done(fmt.Sprintf("%d files, %d originals archived, %d objects in NetBox", managed, archived, objects))
}

func (w *world) checkNetBoxEdit(_ context.Context, s *Step, _ *api.Status) (string, error) {
	var e expect
	w.both(&e, "test-vpc", "vlan: 1100", "vlan", "1100")
	removed, added := changed(s.Diff)
	e.that(s.Commits == 1 && removed == 1 && added == 1, "one commit of one line is wanted, not %d commits, -%d +%d", s.Commits, removed, added)
	return e.done("one line changed, comments and order untouched")
}

func (w *world) checkGitEdit(_ context.Context, s *Step, _ *api.Status) (string, error) {
	var e expect
	w.both(&e, "test-vpc-2", "vlan: 1202", "vlan", "1202")
	e.that(s.Commits == 0, "no commit is wanted, not %d", s.Commits)
	e.that(s.Writes.NetBox == 1, "one write to NetBox is wanted, not %d", s.Writes.NetBox)
	return e.done("NetBox has 1202; its own webhook about that was recognised and dropped")
}

func (w *world) checkMerge(_ context.Context, s *Step, st *api.Status) (string, error) {
	var e expect
	w.both(&e, "test-vpc", "vlan: 1101", "vlan", "1101")
	w.both(&e, "test-vpc", "gateway: 10.0.1.254", "gateway", "10.0.1.254")
	e.that(s.Commits == 1, "one commit is wanted, not %d", s.Commits)
	e.that(st.Fabrics[0].OpenConflicts == 0, "%d conflicts", st.Fabrics[0].OpenConflicts)
	return e.done("both sides hold VLAN 1101 and gateway 10.0.1.254")
}

func (w *world) checkConflict(ctx context.Context, s *Step, _ *api.Status) (string, error) {
	var e expect
	file, err := w.fileOf("test-vpc-2")
	e.that(err == nil && strings.Contains(file, "vlan: 1400"), "Git should keep 1400: %v", err)
	e.that(w.inNetBox("test-vpc-2", "vlan") == "1300", "NetBox should keep 1300, not %s", w.inNetBox("test-vpc-2", "vlan"))
	e.that(s.Commits == 0 && s.Writes.NetBox == 0, "nothing should be written, not %d commits and %d NetBox writes", s.Commits, s.Writes.NetBox)
	c, err := w.conflicts(ctx)
	e.that(err == nil && c.TotalConflicts == 1, "one conflict is wanted: %v", err)
	detail := ""
	if err == nil && c.TotalConflicts == 1 && len(c.Conflicts[0].Fields) == 1 {
		f := c.Conflicts[0].Fields[0]
		detail = fmt.Sprintf("C%d %s %s: base %v, Git %v, NetBox %v (%s:%d); it ends when one side takes the other's value",
			c.Conflicts[0].Number, c.Conflicts[0].ResourceName, f.Path, f.Base.Value, f.Git.Value, f.NetBox.Value, f.File, f.Line)
	}
	return e.done(detail)
}

func (w *world) checkBadFile(_ context.Context, s *Step, st *api.Status) (string, error) {
	var e expect
	_, ok := w.netbox.ByName("Server", "default", "server-01")
	e.that(ok, "server-01 should still be in NetBox")
	o2, _ := w.netbox.ByName("Server", "default", "server-02")
	spec, err := clone(o2.Spec)
	e.that(err == nil && spec["description"] == "checked by Bob", "server-02 should be described in NetBox: %v", o2.Spec)
	e.that(s.Writes.NetBox == 1, "one write to NetBox is wanted, not %d", s.Writes.NetBox)
	frozen, message := []string{}, ""
	for _, f := range st.Fabrics[0].Frozen {
		frozen = append(frozen, f.Resource)
		message = f.Message
	}
	e.that(len(frozen) == 1 && frozen[0] == "server/server-01", "only server/server-01 should be frozen, not %v", frozen)
	place := ""
	for _, d := range st.Fabrics[0].Diagnostics {
		if strings.Contains(d.File, "server-01.yaml") && d.Severity == "error" {
			place = fmt.Sprintf("%s:%d:%d: %s", d.File, d.StartLine, d.StartColumn, d.Message)
			break
		}
	}
	e.that(place != "", "the broken line should be named")
	return e.done(place + "; " + message)
}

func (w *world) checkSilence(_ context.Context, s *Step, _ *api.Status) (string, error) {
	var e expect
	e.that(s.Commits == 0, "no commit is wanted, not %d", s.Commits)
	e.that(s.Writes.GitHub == 0 && s.Writes.NetBox == 0, "no write is wanted, not %+v", s.Writes)
	return e.done(fmt.Sprintf("%d reads, 0 writes", s.Requests.GitHub+s.Requests.NetBox))
}
