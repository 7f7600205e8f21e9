package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/manifests"
	"github.com/hnp-sync/hnp-sync/manifests/report"
)

// Limits of one run. A larger file is reported by the parser; a larger total is a mistake in the choice of the folder.
const (
	maxValidateFiles = 100_000
	maxValidateBytes = 1 << 30
)

func newValidateCommand() *cobra.Command {
	var output, crds string
	cmd := &cobra.Command{
		Use:   "validate [PATH...]",
		Short: "Check YAML files of a fabric: syntax, schema, names, references, subnets",
		Long: `Checks YAML files against the schemas of Hedgehog's resources and against each other.

PATH is a file, a folder or - for standard input; the default is the current folder.
In a folder, *.yaml and *.yml are read, except below .git/, .hnp/, unmanaged/,
raw/processed/, raw/errors/ and backup/. Symbolic links in it are not followed.

Exit code 0: no errors (warnings do not count), 1: errors, 2: wrong usage or an unreadable path.`,
		Example: `  hnp-sync validate gitops/hedgehog/fabric-1
  hnp-sync validate --output github .
  kubectl get vpc -o yaml | hnp-sync validate -`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(report.Formats(), output) {
				return usageError(fmt.Errorf("--output %s: use %s", output, strings.Join(report.Formats(), ", ")))
			}
			schemas, err := chosenSchemas(crds)
			if err != nil {
				return usageError(err)
			}
			if len(args) == 0 {
				args = []string{"."}
			}
			v := validation{stdin: cmd.InOrStdin(), seen: map[string]bool{}}
			for _, arg := range args {
				v.add(arg)
			}
			result := report.Report{
				Files: len(v.files), Documents: v.documents(),
				Diagnostics: append(v.found, manifests.Validate(v.files, schemas, manifests.Options{})...),
			}
			manifests.SortDiagnostics(result.Diagnostics)
			out := bufio.NewWriter(cmd.OutOrStdout())
			if err := errors.Join(report.Write(out, output, result), out.Flush()); err != nil {
				return fmt.Errorf("write report: %w", err)
			}
			switch {
			case len(v.unreadable) > 0:
				return usageError(errors.Join(v.unreadable...))
			case result.Errors() > 0:
				return &exitError{code: 1}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "text", "format: "+strings.Join(report.Formats(), ", "))
	cmd.Flags().StringVar(&crds, "crds", "", "folder of CustomResourceDefinitions to check against instead of the built-in ones")
	return cmd
}

func chosenSchemas(crds string) (*manifests.Schemas, error) {
	if crds == "" {
		return manifests.EmbeddedSchemas()
	}
	schemas, err := manifests.LoadCRDs(os.DirFS(crds))
	if err != nil {
		return nil, fmt.Errorf("--crds %s: %w", crds, err)
	}
	return schemas, nil
}

// validation collects the files of one run.
type validation struct {
	stdin      io.Reader
	seen       map[string]bool // paths as reported; a file named twice is read once
	files      []*manifests.File
	found      []manifests.Diagnostic
	unreadable []error
	bytes      int64
}

func (v *validation) documents() int {
	n := 0
	for _, f := range v.files {
		for _, d := range f.Documents() {
			if d.Class != manifests.ClassEmpty {
				n++
			}
		}
	}
	return n
}

// add reads a path as it was named on the command line.
func (v *validation) add(arg string) {
	if arg == "-" {
		v.parse("<stdin>", v.stdin)
		return
	}
	info, err := os.Stat(arg)
	if err != nil {
		v.unreadable = append(v.unreadable, err)
		return
	}
	if info.IsDir() {
		v.walk(arg)
		return
	}
	if !info.Mode().IsRegular() {
		v.unreadable = append(v.unreadable, fmt.Errorf("%s is neither a file nor a folder", arg))
		return
	}
	f, err := os.Open(arg)
	if err != nil {
		v.unreadable = append(v.unreadable, err)
		return
	}
	defer f.Close()
	v.parse(filepath.ToSlash(filepath.Clean(arg)), f)
}

// walk reads a folder. It is opened as a root, so that nothing in it can lead outside, not even a link that is
// exchanged in the meantime.
func (v *validation) walk(dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		v.unreadable = append(v.unreadable, err)
		return
	}
	defer root.Close()
	folder := root.FS()
	prefix := filepath.ToSlash(filepath.Clean(dir))
	err = fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			v.unreadable = append(v.unreadable, fmt.Errorf("%s: %w", path.Join(prefix, name), err))
			return nil
		}
		if entry.IsDir() {
			if name != "." && skippedFolder(path.Join(prefix, name)) {
				return fs.SkipDir
			}
			return nil
		}
		if ext := path.Ext(name); !entry.Type().IsRegular() || (ext != ".yaml" && ext != ".yml") {
			return nil
		}
		if len(v.files) >= maxValidateFiles || v.bytes >= maxValidateBytes {
			return fmt.Errorf("more than %d files or %d bytes; choose a smaller folder", maxValidateFiles, maxValidateBytes)
		}
		f, err := folder.Open(name)
		if err != nil {
			v.unreadable = append(v.unreadable, fmt.Errorf("%s: %w", path.Join(prefix, name), err))
			return nil
		}
		defer f.Close()
		v.parse(path.Join(prefix, name), f)
		return nil
	})
	if err != nil {
		v.unreadable = append(v.unreadable, fmt.Errorf("%s: %w", dir, err))
	}
}

// skippedFolder recognises what is not part of the desired state, wherever it stands.
func skippedFolder(name string) bool {
	switch path.Base(name) {
	case ".git", ".hnp", "unmanaged", "backup":
		return true
	case "processed", "errors":
		return path.Base(path.Dir(name)) == "raw"
	}
	return false
}

// parse reads one file, but never more of it than the parser takes.
func (v *validation) parse(name string, r io.Reader) {
	if v.seen[name] {
		return
	}
	v.seen[name] = true
	src, err := io.ReadAll(io.LimitReader(r, manifests.MaxFileBytes+1))
	if err != nil {
		v.unreadable = append(v.unreadable, fmt.Errorf("read %s: %w", name, err))
		return
	}
	v.bytes += int64(len(src))
	f, found := manifests.Parse(name, src)
	v.files = append(v.files, f)
	v.found = append(v.found, found...)
}
