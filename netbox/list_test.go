package netbox

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const listVPCs = "GET /api/plugins/hedgehog/vpcs/?ordering=id&fields=id,fabric,name,namespace,spec,labels,annotations,auto_sync,last_updated&limit=1000"

func TestListOnePage(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(int, call) reply {
		return reply{body: page(4, false, vpc(1, 1, "a"), vpc(2, 2, "a"), vpc(3, 1, "b"), vpc(9, 1, "b", `,"unknown":{"x":1}`))}
	})
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	c := dial(t, s.URL, nil)
	c.now = func() time.Time { return at }
	listings, err := c.Fabric(1).List(t.Context(), []string{"VPC", "VPC"})
	if err != nil || len(listings) != 1 {
		t.Fatal(listings, err)
	}
	l := listings["VPC"]
	var got []string
	for _, o := range l.Objects {
		got = append(got, fmt.Sprint(o.PK, o.Key.Name))
	}
	// Two objects with one identity stay two: what that means is the engine's to say.
	if l.Err != nil || !slices.Equal(got, []string{"1a", "3b", "9b"}) || !l.At.Equal(at) {
		t.Errorf("%v at %v, %v", got, l.At, l.Err)
	}
	if len(l.Elsewhere) != 1 || l.Elsewhere[2] != 2 {
		t.Errorf("elsewhere %v", l.Elsewhere)
	}
	if got := s.requests(); !slices.Equal(got, []string{listVPCs}) {
		t.Errorf("requests %v", got)
	}
}

// fakeTable answers lists over rows that a test may change between the pages; its page size is small.
type fakeTable struct {
	ids     []int64
	size    int
	between func(request int, f *fakeTable)
	asked   int
}

func (f *fakeTable) answer(_ int, c call) reply {
	if f.between != nil {
		f.between(f.asked, f)
	}
	f.asked++
	q, _ := url.ParseQuery(c.Query)
	from := 0
	if o := q.Get("offset"); o != "" {
		_, _ = fmt.Sscan(o, &from)
	}
	from = min(from, len(f.ids))
	to := min(from+f.size, len(f.ids))
	var rows []string
	for _, id := range f.ids[from:to] {
		rows = append(rows, vpc(id, 1, fmt.Sprintf("v%d", id)))
	}
	return reply{body: page(len(f.ids), to < len(f.ids), rows...)}
}

func TestPagesOverlap(t *testing.T) {
	t.Parallel()
	remove := func(f *fakeTable, id int64) {
		f.ids = slices.DeleteFunc(f.ids, func(x int64) bool { return x == id })
	}
	for name, tc := range map[string]struct {
		between func(request int, f *fakeTable)
		want    []int64
		asked   int
		err     error
	}{
		"nothing moves": {nil, []int64{1, 3, 4, 5, 6, 7, 8}, 3, nil},
		"a row of the first page is deleted: row 5 would slip between the pages unseen": {
			func(n int, f *fakeTable) {
				if n == 1 {
					remove(f, 3)
				}
			}, []int64{1, 4, 5, 6, 7, 8}, 5, nil}, // the first page, one that does not fit, three afresh
		"a row with a lower id appears late": {
			func(n int, f *fakeTable) {
				if n == 1 {
					f.ids = slices.Insert(f.ids, 1, 2)
				}
			}, []int64{1, 2, 3, 4, 5, 6, 7, 8}, 6, nil},
		"a new row at the end is simply read": {
			func(n int, f *fakeTable) {
				if n == 1 {
					f.ids = append(f.ids, 9)
				}
			}, []int64{1, 3, 4, 5, 6, 7, 8, 9}, 4, nil},
		"a row behind is deleted before it is read": {
			func(n int, f *fakeTable) {
				if n == 2 {
					remove(f, 8)
				}
			}, []int64{1, 3, 4, 5, 6, 7}, 3, nil},
		"rows never stop moving: unknown": {
			func(n int, f *fakeTable) {
				if n > 0 {
					remove(f, f.ids[0])
					f.ids = append(f.ids, f.ids[len(f.ids)-1]+1)
				}
			}, nil, 6, errShifted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeTable{ids: []int64{1, 3, 4, 5, 6, 7, 8}, size: 3, between: tc.between}
			s := newScript(t, f.answer)
			listings, err := dial(t, s.URL, nil).Fabric(1).List(t.Context(), []string{"VPC"})
			if err != nil {
				t.Fatal(err)
			}
			l := listings["VPC"]
			if !errors.Is(l.Err, tc.err) {
				t.Fatalf("error %v, want %v", l.Err, tc.err)
			}
			var got []int64
			for _, o := range l.Objects {
				got = append(got, o.PK)
			}
			if !slices.Equal(got, tc.want) || f.asked != tc.asked {
				t.Errorf("%v in %d requests, want %v in %d", got, f.asked, tc.want, tc.asked)
			}
			if tc.err != nil && (l.Objects != nil || l.Elsewhere != nil) {
				t.Error("an unknown kind holds objects")
			}
		})
	}
}

// A kind that cannot be read completely and credibly is unknown, and the others are read all the same.
func TestListFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer reply
		want   string
	}{
		"401":                  {reply{status: 401, body: `{"detail":"no"}`}, "status 401"},
		"403":                  {reply{status: 403, body: `{"detail":"You do not have permission to perform this action."}`}, "status 403: You do not have permission"},
		"404 page":             {reply{status: 404, body: "<html><title>Page Not Found</title></html>"}, "HTML page, status 404"},
		"409":                  {reply{status: 409}, "status 409"},
		"412":                  {reply{status: 412}, "status 412"},
		"422":                  {reply{status: 422}, "status 422"},
		"429":                  {reply{status: 429}, "status 429"},
		"500":                  {reply{status: 500, body: `{"error":"x","exception":"ImproperlyConfigured"}`}, "ImproperlyConfigured: x"},
		"502 page":             {reply{status: 502, body: "<html><title>502 Bad Gateway</title></html>"}, "answered with an HTML page, status 502"},
		"html 200":             {reply{body: "<html><title>Sign in</title></html>"}, "HTML page, status 200: Sign in"},
		"half a page":          {reply{body: page(1, false, vpc(1, 1, "a")), half: true}, "unexpected EOF"},
		"no results":           {reply{body: `{"count":0}`}, "results is null"},
		"results no list":      {reply{body: `{"count":1,"next":null,"results":{"a":1}}`}, "results is a mapping"},
		"no count":             {reply{body: `{"next":null,"results":[]}`}, "count is null"},
		"count too high":       {reply{body: page(5, false, vpc(1, 1, "a"))}, "1 rows read, 5 counted"},
		"count too low":        {reply{body: page(0, false, vpc(1, 1, "a"))}, "1 rows read, 0 counted"},
		"next without rows":    {reply{body: page(5, true)}, "no further page"},
		"the same page again":  {reply{body: page(9, true, vpc(1, 1, "a"), vpc(2, 1, "b"))}, "rows kept moving"},
		"ids fall":             {reply{body: page(2, false, vpc(2, 1, "a"), vpc(1, 1, "b"))}, "id 1 follows 2"},
		"an id twice":          {reply{body: page(2, false, vpc(2, 1, "a"), vpc(2, 1, "a"))}, "id 2 follows 2"},
		"a row that is a text": {reply{body: page(1, false, `"x"`)}, "result 0 is a text"},
		"hostile column":       {reply{body: page(1, false, strings.Replace(vpc(1, 1, "a"), `"fabric":1`, `"fabric":"1"`, 1))}, "VPC 1: fabric is a text"},
		"deep nesting":         {reply{body: `{"count":1,"next":null,"results":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}"}, "not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(_ int, c call) reply {
				if strings.Contains(c.Path, "/vpcs/") {
					return tc.answer
				}
				return reply{body: page(0, false)}
			})
			listings, err := dial(t, s.URL, nil).Fabric(1).List(t.Context(), []string{"VPC", "Switch"})
			lost := tc.answer.half
			if (err != nil) != lost {
				t.Fatalf("error %v", err)
			}
			l := listings["VPC"]
			if l.Err == nil || !strings.Contains(l.Err.Error(), tc.want) || l.Objects != nil || l.Elsewhere != nil {
				t.Errorf("%+v, want error %q", l, tc.want)
			}
			if !strings.HasPrefix(l.Err.Error(), "list VPC: ") {
				t.Errorf("the error does not name the kind: %v", l.Err)
			}
			if other := listings["Switch"]; !lost && (other.Err != nil || other.Objects == nil) {
				t.Errorf("the other kind: %+v", other)
			}
		})
	}
}

func TestListOfAKindWithoutTable(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(int, call) reply { return reply{body: page(0, false)} })
	listings, err := dial(t, s.URL, nil).Fabric(1).List(t.Context(), []string{"Gateway", "VPC"})
	if err != nil || listings["Gateway"].Err == nil || listings["VPC"].Err != nil || len(s.requests()) != 1 {
		t.Errorf("%v %v %v", listings, err, s.requests())
	}
}

func TestFabrics(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(int, call) reply {
		return reply{body: page(2, false, `{"id":1,"name":"fabric-1","created":"2026-11-23T13:07:35.363145Z"}`, `{"id":4,"name":"Test Lab K3s Cluster","created":null}`)}
	})
	got, err := dial(t, s.URL, nil).Fabrics(t.Context())
	want := []FabricInfo{{1, "fabric-1", "2026-11-23T13:07:35.363145+00:00"}, {4, "Test Lab K3s Cluster", ""}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got := s.requests(); !slices.Equal(got, []string{"GET /api/plugins/hedgehog/fabrics/?ordering=id&fields=id,name,created&limit=1000"}) {
		t.Errorf("requests %v", got)
	}
}

func TestCreateFabric(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer reply
		want   string
	}{
		"created":   {recordedAs(t, "fabric.json", "create fabric with omit=display_url").reply(), ""},
		"duplicate": {recordedAs(t, "fabric.json", "duplicate name").reply(), "name: Hedgehog Fabric with this name already exists."},
		"saved 500": {reply{status: 500, body: "<html><title>Server Error</title></html>"}, "HTML page, status 500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(int, call) reply { return tc.answer })
			f, err := dial(t, s.URL, nil).CreateFabric(t.Context(), "fabric-1")
			if tc.want == "" && (err != nil || f.PK != 2 || f.Name != "fabric-1") || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%+v, %v", f, err)
			}
			if got := s.last(); len(s.requests()) != 1 || got.String() != "POST /api/plugins/hedgehog/fabrics/?omit=display_url" || got.Body != `{"name":"fabric-1"}` {
				t.Errorf("sent %v %s", s.requests(), got.Body)
			}
		})
	}
}
