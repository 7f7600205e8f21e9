// Command gen derives the embedded schemas from CRD files. Run it as "go generate ./manifests/schemas".
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hnp-sync/hnp-sync/manifests/schemas"
)

func main() {
	crds := flag.String("crds", "testdata/crds", "folder of CustomResourceDefinitions")
	out := flag.String("out", "manifests/schemas", "folder to write to; *.json in it is replaced")
	flag.Parse()
	if err := run(*crds, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(crds, out string) error {
	all, err := schemas.FromFS(os.DirFS(crds))
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(out, "*.json"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	for _, s := range all {
		data, err := s.Encode()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, s.FileName()), data, 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("%d schemas written to %s\n", len(all), out)
	return nil
}
