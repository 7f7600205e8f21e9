package config_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hnp-sync/hnp-sync/app/config"
)

// Every problem is reported at once, with its place.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "config")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chdir(dir); err != nil {
		panic(err)
	}
	file := "github: {app_id: x, private_key: abc}\nlisten: localhost\nnetbox: []\n"
	if err := os.WriteFile(filepath.Join(dir, "hnp-sync.yaml"), []byte(file), 0o600); err != nil {
		panic(err)
	}
	_, err = config.Load("hnp-sync.yaml", []string{"HNP_SYNC_MIRROR=maybe"})
	fmt.Println(err)
	// Output:
	// environment HNP_SYNC_MIRROR: mirror: must be true or false
	// hnp-sync.yaml:1: repositories: is missing
	// hnp-sync.yaml:1: github.private_key: a secret is not written here: put it into a file and name that in private_key_file
	// hnp-sync.yaml:1: github.webhook_secret_files: is missing
	// hnp-sync.yaml:1: github.app_id: must be an integer
	// hnp-sync.yaml:2: listen: must be HOST:PORT
	// hnp-sync.yaml:3: netbox: is empty
}
