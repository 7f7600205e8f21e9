package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// MaxConfigBytes is the largest in-repository configuration that is read.
const MaxConfigBytes = gitops.MaxConfigBytes

// ConfigFile is the in-repository configuration as it stands on one branch.
type ConfigFile struct {
	// Path is .github/hnp-sync.yaml, or .github/hnp-sync.yml where only that exists; empty when neither does.
	Path string
	// Data is the file's content, nil when Path is empty.
	Data []byte
	// BlobOID is the file's object id, equal to GitSnapshot.ConfigBlob of the same head.
	BlobOID string
	// Both is true when both files exist; the .yml one is not looked at, and the user should know.
	Both bool
	// Branch and Head say where it was read.
	Branch, Head string
	// DefaultBranch is the repository's default branch, empty while the repository is empty.
	DefaultBranch string
	// Repository is where the repository is now, and whether it is archived.
	Repository Ref
	Archived   bool
}

// ErrConfigTooLarge: the configuration is over MaxConfigBytes. ErrConfigSymlink: it is a symbolic link, which is not
// followed. With either, ReadConfig's answer holds everything but Data.
var (
	ErrConfigTooLarge = errors.New("configuration file too large")
	ErrConfigSymlink  = errors.New("configuration file is a symbolic link, which is not followed")
)

// ReadConfig reads the in-repository configuration of a branch; "" means the default branch. A missing file is not
// an error (Path is empty), a missing branch or an empty repository is gitops.ErrBranchMissing. One request.
func (a *App) ReadConfig(ctx context.Context, ref Ref, branch string) (ConfigFile, error) {
	out, err := a.readConfig(ctx, ref, branch)
	if err != nil {
		return out, fmt.Errorf("read configuration of %s: %w", ref, err)
	}
	return out, nil
}

type configNode struct {
	ID               string `json:"id"`
	DatabaseID       int64  `json:"databaseId"`
	NameWithOwner    string `json:"nameWithOwner"`
	IsArchived       bool   `json:"isArchived"`
	DefaultBranchRef *struct {
		Name   string      `json:"name"`
		Target *commitNode `json:"target"`
	} `json:"defaultBranchRef"`
	Ref *refNode `json:"ref"`
}

func (a *App) readConfig(ctx context.Context, ref Ref, branch string) (ConfigFile, error) {
	// A placeholder: the branch is part of the query below, and a Repository brings the token and raw reads.
	opts := Options{Branch: branch, ReadOnly: true}
	if branch == "" {
		opts.Branch = "HEAD"
	}
	r, err := a.Open(ref, opts)
	if err != nil {
		return ConfigFile{}, err
	}
	file := "{mode type oid size object{" + blobFields + "}}"
	commit := fmt.Sprintf("target{oid ... on Commit{oid yaml:file(path:%q)%s yml:file(path:%q)%s}}", configYAML, file, configYML, file)
	text := "query Config($owner:String!,$name:String!"
	selection := "defaultBranchRef{name " + commit + "}"
	if branch != "" {
		text += ",$ref:String!"
		selection = "defaultBranchRef{name} ref(qualifiedName:$ref){" + commit + "}"
	}
	text += "){repository(owner:$owner,name:$name){" + repositoryFields + " isArchived " + selection + "}}"

	var node *configNode
	for relocated := false; node == nil; {
		vars := map[string]any{"owner": r.ref.Owner, "name": r.ref.Name}
		if branch != "" {
			vars["ref"] = r.refName()
		}
		var out struct {
			Repository *configNode `json:"repository"`
		}
		err := r.client.query(ctx, "read configuration", text, vars, 16<<20, 0, &out)
		switch {
		case err != nil && !notFound(err):
			return ConfigFile{}, permission(r.ref.String(), err)
		case err == nil && out.Repository != nil && out.Repository.DatabaseID == ref.RepositoryID:
			node = out.Repository
		case relocated:
			return ConfigFile{}, permission(r.ref.String(), &APIError{Operation: "read configuration", Status: http.StatusNotFound})
		default:
			relocated = true
			if _, err := r.locate(ctx); err != nil {
				return ConfigFile{}, err
			}
		}
	}
	if owner, name, found := strings.Cut(node.NameWithOwner, "/"); found && plainName(owner) && plainName(name) {
		r.ref.Owner, r.ref.Name = owner, name
		a.learn(ref.RepositoryID, repoFacts{owner: owner, name: name, nodeID: node.ID})
	}
	res := ConfigFile{Branch: branch, Archived: node.IsArchived, Repository: r.ref}
	if node.DefaultBranchRef != nil {
		res.DefaultBranch = node.DefaultBranchRef.Name
	}
	var head *commitNode
	switch {
	case branch == "" && node.DefaultBranchRef != nil:
		res.Branch, head = res.DefaultBranch, node.DefaultBranchRef.Target
	case branch != "" && node.Ref != nil:
		head = node.Ref.Target
	}
	if head == nil {
		return ConfigFile{}, gitops.ErrBranchMissing
	}
	if !isOID(head.OID) {
		return ConfigFile{}, errors.New("head without an object id")
	}
	res.Head = head.OID
	var found *entryNode
	for _, c := range []struct {
		path string
		node *entryNode
	}{{configYAML, head.YAML}, {configYML, head.YML}} {
		switch {
		case c.node == nil || c.node.Type != "blob":
		case found != nil:
			res.Both = true
		default:
			res.Path, found = c.path, c.node
		}
	}
	if found == nil {
		return res, nil
	}
	res.BlobOID = found.OID
	res.Data, err = r.configData(ctx, res.Path, found)
	if err != nil && !errors.Is(err, ErrConfigTooLarge) && !errors.Is(err, ErrConfigSymlink) {
		return ConfigFile{}, err
	}
	return res, err
}

func (r *Repository) configData(ctx context.Context, path string, n *entryNode) ([]byte, error) {
	var files []entry
	n.Name = path[strings.LastIndexByte(path, '/')+1:]
	if err := flatten("", []entryNode{*n}, 1, &files, new([]subtree)); err != nil {
		return nil, err
	}
	switch f := files[0]; {
	case f.mode == modeSymlink:
		return nil, fmt.Errorf("%w: %s", ErrConfigSymlink, path)
	case f.size > MaxConfigBytes:
		return nil, fmt.Errorf("%w: %s has %d bytes, the limit is %d", ErrConfigTooLarge, path, f.size, MaxConfigBytes)
	}
	contents, err := r.contents(ctx, files, nil)
	if err != nil {
		return nil, err
	}
	return contents[n.OID], nil
}
