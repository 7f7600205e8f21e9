package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/hnp-sync/hnp-sync/app/jobs"
	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/repo"
)

// gitHub is the App on GitHub as the jobs need it. current is asked for every call, because a reload of the
// configuration may exchange it.
type gitHub struct{ current func() *repo.App }

var _ jobs.Host = gitHub{}

func (g gitHub) Installations(ctx context.Context) ([]store.Installation, error) {
	list, err := g.current().Installations(ctx)
	out := make([]store.Installation, 0, len(list))
	for _, i := range list {
		selection := "selected"
		if i.AllRepositories {
			selection = "all"
		}
		if i.Suspended {
			g.current().Evict(i.ID)
		}
		out = append(out, store.Installation{ID: i.ID, Account: i.Account, RepositorySelection: selection, Suspended: i.Suspended})
	}
	return out, err
}

func (g gitHub) Repositories(ctx context.Context, installationID int64) ([]store.Repository, error) {
	list, err := g.current().Repositories(ctx, installationID)
	out := make([]store.Repository, 0, len(list))
	for _, r := range list {
		out = append(out, store.Repository{ID: r.ID, InstallationID: installationID, Owner: r.Owner, Name: r.Name,
			DefaultBranch: r.DefaultBranch, Private: r.Private, Archived: r.Archived, Present: true})
	}
	return out, err
}

func (g gitHub) Configuration(ctx context.Context, r store.Repository) (jobs.Configuration, error) {
	f, err := g.current().ReadConfig(ctx, refOf(r), "")
	if errors.Is(err, gitops.ErrBranchMissing) {
		return jobs.Configuration{}, nil // an empty repository has no configuration
	}
	out := jobs.Configuration{Path: f.Path, Blob: f.BlobOID, Data: f.Data, Both: f.Both, DefaultBranch: f.DefaultBranch}
	if f.BlobOID != "" && (errors.Is(err, repo.ErrConfigTooLarge) || errors.Is(err, repo.ErrConfigSymlink)) {
		out.Unusable, err = err.Error(), nil
	}
	return out, err
}

func (g gitHub) Head(ctx context.Context, r store.Repository, branch string) (string, error) {
	rp, err := g.current().Open(refOf(r), repo.Options{Branch: branch, ReadOnly: true})
	if err != nil {
		return "", err
	}
	head, _, err := rp.Head(ctx)
	if errors.Is(err, gitops.ErrBranchMissing) {
		return "", nil
	}
	return head, err
}

func (g gitHub) Directory(f store.Fabric) (gitops.Repository, error) {
	rp, err := g.current().Open(repo.Ref{InstallationID: f.InstallationID, RepositoryID: f.RepositoryID, Owner: f.Owner, Name: f.Repository},
		repo.Options{Branch: f.Branch, Directory: f.Directory, ReadOnly: f.Policy.Mode == gitops.ModeObserve, Deep: f.Policy.Layout == gitops.LayoutInPlace})
	if err != nil {
		return nil, fmt.Errorf("open %s of %s/%s: %w", f.Directory, f.Owner, f.Repository, err)
	}
	return rp, nil
}

func (g gitHub) Proposals(f store.Fabric) (gitops.Proposals, error) {
	p, err := g.current().OpenProposals(repo.Ref{InstallationID: f.InstallationID, RepositoryID: f.RepositoryID, Owner: f.Owner, Name: f.Repository},
		f.Branch, f.Directory)
	if err != nil {
		return nil, fmt.Errorf("open pull requests of %s/%s: %w", f.Owner, f.Repository, err)
	}
	return p, nil
}

func refOf(r store.Repository) repo.Ref {
	return repo.Ref{InstallationID: r.InstallationID, RepositoryID: r.ID, Owner: r.Owner, Name: r.Name}
}
