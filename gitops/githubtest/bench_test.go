package githubtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// discard is a ResponseWriter that keeps the status.
type discard struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return d.body.Write(p) }

func serve(h http.Handler, method, path string, body any) *discard {
	data, _ := json.Marshal(body)
	req, _ := http.NewRequest(method, "http://x"+path, bytes.NewReader(data))
	req.Header.Set("Authorization", "Bearer "+userToken)
	req.Header.Set("User-Agent", "bench")
	w := &discard{header: http.Header{}, status: 200}
	h.ServeHTTP(w, req)
	return w
}

// BenchmarkRequests times whole requests in process: a reference, a directory
// of 1,000 files with their text and the last 100 commits, a commit of one
// file on top of 300.
func BenchmarkRequests(b *testing.B) {
	seed := testSeed()
	files := map[string]string{}
	for i := range 1000 {
		files[fmt.Sprintf("d/%04d.yaml", i)] = fmt.Sprintf("apiVersion: v1\nkind: X\nn: %d\n", i)
	}
	seed.GitHub.Repos[0].Files = files
	s, err := New(Options{Dir: b.TempDir(), Seed: seed})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := range 300 {
		if _, err := s.PutFile(repoName, "main", "alice", "n", fmt.Sprint(i)); err != nil {
			b.Fatal(err)
		}
	}
	h := s.Handler()
	query := `query{repository(owner:"acme",name:"fabric"){ref(qualifiedName:"refs/heads/main"){target{oid ... on Commit{history(first:100){nodes{oid message}}}}} object(expression:"main:d"){... on Tree{entries{name mode oid object{... on Blob{text}}}}}}}`
	for name, one := range map[string]func() *discard{
		"ref":       func() *discard { return serve(h, "GET", "/repos/acme/fabric/git/ref/heads/main", nil) },
		"directory": func() *discard { return serve(h, "POST", "/graphql", map[string]any{"query": query}) },
		"commit": func() *discard {
			head, _ := s.Head(repoName, "main")
			return serve(h, "POST", "/graphql", map[string]any{"query": commitMutation, "variables": commitInput(head, map[string]string{"d/0001.yaml": newGUID()})})
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if w := one(); w.status != 200 || bytes.Contains(w.body.Bytes(), []byte(`"errors"`)) {
					b.Fatalf("%d %.300s", w.status, w.body.Bytes())
				}
			}
		})
	}
}
