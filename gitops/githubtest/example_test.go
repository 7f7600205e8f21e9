package githubtest_test

import (
	"fmt"

	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
)

func ExampleNew() {
	site, err := githubtest.New(githubtest.Options{Seed: &githubtest.Seed{
		Tokens: map[string]githubtest.SeedToken{"secret": {Login: "alice"}},
		GitHub: githubtest.SeedGitHub{Repos: []githubtest.SeedRepo{{Owner: "acme", Name: "fabric", Files: map[string]string{"a.yaml": "a: 1\n"}}}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer site.Close()
	if err := site.Start("127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	// A person pushes; from here on git, REST and GraphQL see the commit.
	if _, err := site.PutFile("acme/fabric", "main", "alice", "a.yaml", "a: 2\n"); err != nil {
		fmt.Println(err)
		return
	}
	content, err := site.ReadFile("acme/fabric", "main", "a.yaml")
	fmt.Print(content, err, "\n")
	// Output:
	// a: 2
	// <nil>
}
