package gitops

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/manifests"
)

const normalisationPage = "../docs/normalisation.md"

// normalisationText renders the tables behind ENGINE rule 1 and the registry of kinds.
func normalisationText() string {
	var b strings.Builder
	b.WriteString(`# Which differences count as none

Two values that differ only in one of these ways are equal: nothing is written because of them. This page is rendered from
the tables the program works with.

| what | rule |
|---|---|
`)
	for _, n := range Normalisations {
		fmt.Fprintf(&b, "| %s | %s |\n", n.What, n.Rule)
	}
	b.WriteString(`
## Lists

A list that is not named here is one field. In a path, ` + "`*`" + ` stands for one map key or list item.

| kind | list | merges | order |
|---|---|---|---|
`)
	for _, k := range manifests.Kinds() {
		for _, l := range k.Lists {
			how := "as one field"
			switch l.Type {
			case manifests.ListKeyed:
				how = "per item, known by `" + strings.Join(l.Keys, "`, `") + "`"
			case manifests.ListSet:
				how = "per member"
			}
			order := "does not count"
			if l.Ordered || l.Type == manifests.ListAtomic {
				order = "counts"
			}
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", k.Kind, l.Path, how, order)
		}
	}
	b.WriteString(`
## Defaults

A field that is absent on one side equals, on the other, the value Hedgehog itself fills in.

| kind | field | value |
|---|---|---|
`)
	for _, k := range manifests.Kinds() {
		for _, d := range k.Defaults {
			v, err := json.Marshal(d.Value)
			if err != nil {
				v = []byte(err.Error())
			}
			fmt.Fprintf(&b, "| %s | `%s` | `%s` |\n", k.Kind, d.Path, v)
		}
	}
	return b.String()
}

// TestNormalisationPageIsCurrent renders the page anew with -update.
func TestNormalisationPageIsCurrent(t *testing.T) {
	want := normalisationText()
	if *update {
		if err := os.WriteFile(normalisationPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(normalisationPage)
	if err != nil || string(got) != want {
		t.Errorf("docs/normalisation.md is not current (%v): go test ./gitops -run NormalisationPage -update", err)
	}
}
