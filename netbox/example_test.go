package netbox_test

import (
	"context"
	"fmt"

	"github.com/hnp-sync/hnp-sync/netbox"
	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

// A connection, its fabrics, and a complete listing of one kind of one fabric.
func ExampleDial() {
	server, err := netboxtest.New(netboxtest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Close() }()
	if err := server.Start("127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	conn, err := netbox.Dial(netbox.Config{Name: "default", URL: server.URL(), Token: "nbt_stand0000001.in"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fabrics, err := conn.Fabrics(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range fabrics {
		listings, err := conn.Fabric(f.PK).List(ctx, []string{"VPC"})
		if err != nil || listings["VPC"].Err != nil {
			fmt.Println(err, listings["VPC"].Err)
			return
		}
		fmt.Println(f.Name, len(listings["VPC"].Objects))
	}
	// Output: fabric-1 0
}
