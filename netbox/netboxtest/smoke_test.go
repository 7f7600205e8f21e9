package netboxtest_test

import (
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

func TestCreateReadUpdateDelete(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	a := s.do("POST", vpcs+omit, vpc("a")).want(t, 201)
	tag := a.header.Get("ETag")
	if got := a.json(t)["spec"]; got.(map[string]any)["ipv4Namespace"] != "default" {
		t.Fatal(got)
	}
	if !strings.Contains(a.body, `"spec":{"subnets":{"default":{"vlan":1001,`) {
		t.Errorf("keys not in PostgreSQL's order: %s", a.body)
	}
	s.do("PATCH", vpcs+"1/"+omit, `{"labels":{"x":"1"}}`, "If-Match", tag).want(t, 200)
	s.do("PATCH", vpcs+"1/"+omit, `{"labels":{"x":"2"}}`, "If-Match", tag).want(t, 412)
	s.do("GET", vpcs+"?ordering=id", "").want(t, 200)
	s.do("GET", vpcs, "").want(t, 500)
	s.do("DELETE", vpcs+"1/", "").want(t, 204)
	s.do("GET", vpcs+"1/", "").want(t, 404)
	if got := s.Stats().Routes["PATCH /api/plugins/hedgehog/vpcs/{id}/"]; got != 2 {
		t.Errorf("counted %d", got)
	}
}
