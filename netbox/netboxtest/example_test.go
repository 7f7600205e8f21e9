package netboxtest_test

import (
	"fmt"
	"io"
	"net/http"

	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

func ExampleNew() {
	s, err := netboxtest.New(netboxtest.Options{Seed: &netboxtest.Seed{
		Tokens:  map[string]netboxtest.SeedToken{"nbt_EXAMPLE00000.x": {Username: "admin"}},
		Fabrics: []netboxtest.SeedFabric{{ID: 1, Name: "fabric-1"}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	if err := s.Start("127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	req, err := http.NewRequest(http.MethodGet, s.URL()+"/api/plugins/hedgehog/fabrics/?fields=id,name", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Authorization", "Token nbt_EXAMPLE00000.x")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(body), err)
	// Output: 200 {"count":1,"next":null,"previous":null,"results":[{"id":1,"name":"fabric-1"}]} <nil>
}
