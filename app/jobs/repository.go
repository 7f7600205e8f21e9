package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers"
	"github.com/hnp-sync/hnp-sync/manifests"
	"github.com/riverqueue/river"
	"go.uber.org/zap"
)

// Codes of findings in a repository's configuration that only show against the server and NetBox. What is wrong with
// the file itself has the parser's codes.
const (
	CodeNotAllowed       = "config-connection-not-allowed" // the server does not grant the connection to the repository
	CodeMissingFabric    = "config-fabric-missing"         // NetBox has no fabric of that name
	CodeTaken            = "config-fabric-taken"           // another entry or repository has the fabric or directory
	CodeNetBoxAway       = "config-netbox-unavailable"     // NetBox did not answer; the pairing stays as it was
	CodeUnusable         = "config-syntax"                 // the file is a symbolic link, or too large
	CodeBoth             = "config-overlap"                // both spellings of the file exist
	CodeCannotRead       = "config-unreadable"             // GitHub refuses the file or repository
	CodeConnectionFabric = "config-no-connection"          // the server has no such connection
	CodeRemoved          = "config-removed"                // a pull request removes the file
)

// repositoryArgs asks to read the configuration of one repository again.
type repositoryArgs struct {
	Repository int64 `json:"repository" river:"unique"`
}

// Kind implements river.JobArgs.
func (repositoryArgs) Kind() string { return "refresh_repository" }

func (a repositoryArgs) key() string { return fmt.Sprintf("repository/%d", a.Repository) }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (repositoryArgs) InsertOpts() river.InsertOpts { return uniqueJob(queueRefresh) }

type repositoryWorker struct {
	river.WorkerDefaults[repositoryArgs]
	m *Manager
}

func (w *repositoryWorker) Timeout(*river.Job[repositoryArgs]) time.Duration { return refreshTimeout }

func (w *repositoryWorker) NextRetry(job *river.Job[repositoryArgs]) time.Time {
	return time.Now().Add(retryAfter(job.Attempt))
}

// Work reads the configuration and pairs its fabrics.
func (w *repositoryWorker) Work(ctx context.Context, job *river.Job[repositoryArgs]) error {
	id := job.Args.Repository
	return refresh(ctx, w.m, job, fmt.Sprintf("configuration of repository %d", id), func(ctx context.Context) error {
		if err := w.m.refreshRepository(ctx, id); err != nil {
			if _, parked := limitOf(err); !parked && ctx.Err() == nil {
				w.m.memory.reading(id, err.Error())
			}
			return err
		}
		return w.m.goOn(ctx, id)
	})
}

// goOn lets cycles that stopped for a newer configuration run at once.
func (m *Manager) goOn(ctx context.Context, repository int64) error {
	behind, err := m.Store.FabricsBehind(ctx)
	if err != nil {
		return err
	}
	return m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error {
		for _, f := range m.memory.list() {
			if until, _ := m.memory.heldBack(f.ID); f.RepositoryID != repository || !slices.Contains(behind, f.ID) || until.After(m.Clock.Now()) {
				continue
			}
			if err := m.enqueueTx(ctx, tx, reconcileArgs{Fabric: f.ID}, true); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *Manager) refreshRepository(ctx context.Context, id int64) error {
	r, err := m.Store.Repository(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	log := m.Log.With(zap.String(handlers.FieldRepository, r.Owner+"/"+r.Name))
	allowed := m.Settings().Allowed(r.Owner, r.Name)
	if !r.Present || len(allowed) == 0 {
		return m.endFabrics(ctx, r, log, "the App is not installed on it any more, or the server's configuration does not list it")
	}
	file, err := m.Host.Configuration(ctx, r)
	var denied *gitops.PermissionError
	if errors.As(err, &denied) {
		finding := configFinding(configPath(file), 0, CodeCannotRead, denied.Message, "see the installation's settings of the App")
		log.Error("configuration cannot be read", zap.Error(err))
		m.memory.reading(id, denied.Message)
		return m.keepConfiguration(ctx, r, r.ConfigBlob, []manifests.Diagnostic{finding})
	}
	if err != nil {
		return fmt.Errorf("read configuration of %s/%s: %w", r.Owner, r.Name, err)
	}
	m.memory.reading(id, "")
	if file.DefaultBranch != "" {
		r.DefaultBranch = file.DefaultBranch
	}
	if file.Blob == "" {
		if err := m.keepConfiguration(ctx, r, "", nil); err != nil {
			return err
		}
		return m.endFabrics(ctx, r, log, "it has no .github/hnp-sync.yaml on its default branch")
	}
	var entries []gitops.Fabric
	var findings []manifests.Diagnostic
	if file.Unusable != "" {
		findings = append(findings, configFinding(file.Path, 1, CodeUnusable, file.Unusable, "make it a regular file of less than 512 KB"))
	} else {
		entries, findings = m.ParseConfig(file.Path, file.Data)
	}
	if file.Both {
		d := configFinding(file.Path, 0, CodeBoth, ".github/hnp-sync.yml exists too and is not read", "keep one of the two")
		d.Severity = manifests.SeverityWarning
		findings = append(findings, d)
	}
	if len(entries) == 0 && wrong(findings) {
		// The last valid one stays in force: a typing error must not end a fabric's synchronisation.
		logFindings(log, "configuration is wrong: the last valid one stays in force", findings)
		return m.keepConfiguration(ctx, r, file.Blob, findings)
	}
	return m.pair(ctx, r, file, entries, allowed, findings, log)
}

func wrong(findings []manifests.Diagnostic) bool {
	return slices.ContainsFunc(findings, func(d manifests.Diagnostic) bool { return d.Severity == manifests.SeverityError })
}

func configPath(c Configuration) string {
	if c.Path != "" {
		return c.Path
	}
	return ".github/hnp-sync.yaml"
}

func configFinding(file string, line int, code, message, fix string) manifests.Diagnostic {
	return manifests.Diagnostic{File: file, Document: -1, StartLine: line, EndLine: line, Severity: manifests.SeverityError, Code: code, Message: message, Fix: fix}
}

func logFindings(log *zap.Logger, msg string, findings []manifests.Diagnostic) {
	for _, d := range findings {
		log.Warn(msg, zap.String("at", fmt.Sprintf("%s:%d:%d", d.File, d.StartLine, d.StartColumn)), zap.String("code", d.Code),
			zap.String("problem", d.Message), zap.String("fix", d.Fix))
	}
}

// keepConfiguration remembers what was read and found, and leaves the pairings as they are.
func (m *Manager) keepConfiguration(ctx context.Context, r store.Repository, blob string, findings []manifests.Diagnostic) error {
	if err := m.Store.SetRepositoryConfig(ctx, r.ID, blob, findings); err != nil {
		return err
	}
	return m.memory.reload(ctx, m.Store)
}

// endFabrics stops the synchronisation of a repository's fabrics. Nothing is deleted on either side.
func (m *Manager) endFabrics(ctx context.Context, r store.Repository, log *zap.Logger, why string) error {
	had, err := m.Store.FabricsOfRepository(ctx, r.ID)
	if err != nil {
		return err
	}
	if _, err := m.Store.SetFabrics(ctx, r.ID, nil, nil); err != nil {
		return err
	}
	if len(had) > 0 {
		log.Warn("synchronisation ended", zap.Int("fabrics", len(had)), zap.String("why", why))
	}
	return m.memory.reload(ctx, m.Store)
}

// pair resolves the entries against NetBox and makes them the repository's fabrics.
func (m *Manager) pair(ctx context.Context, r store.Repository, file Configuration, entries []gitops.Fabric, allowed []string,
	findings []manifests.Diagnostic, log *zap.Logger) error {
	had, err := m.Store.FabricsOfRepository(ctx, r.ID)
	if err != nil {
		return err
	}
	var want []store.Fabric
	var keep []int64
	if wrong(findings) {
		// Some entries were left out for their errors. Which of the old fabrics they are cannot be told, so those that
		// are named no more stay as they were instead of ending.
		for _, f := range had {
			if !slices.ContainsFunc(entries, func(e gitops.Fabric) bool { return e.NetBox == f.Connection && e.Name == f.Policy.Name }) {
				keep = append(keep, f.ID)
			}
		}
	}
	var away error
	lists := map[string][]NetBoxFabric{}
	for _, e := range entries {
		if e.Branch == "" {
			e.Branch = r.DefaultBranch
		}
		conn, known := m.Connection(e.NetBox)
		switch {
		case !known:
			findings = append(findings, configFinding(file.Path, e.Line, CodeConnectionFabric,
				fmt.Sprintf("fabric %q: the server has no NetBox connection %q", e.Name, e.NetBox), "name one of the server's connections in netbox:"))
			continue
		case !slices.Contains(allowed, e.NetBox):
			findings = append(findings, configFinding(file.Path, e.Line, CodeNotAllowed,
				fmt.Sprintf("fabric %q: this repository may not use NetBox connection %q", e.Name, e.NetBox), "list it under repositories: in the server's configuration"))
			continue
		}
		list, err := m.netboxFabrics(ctx, conn, e.NetBox, lists)
		if err != nil {
			findings = append(findings, configFinding(file.Path, e.Line, CodeNetBoxAway,
				fmt.Sprintf("fabric %q: NetBox %q did not answer: %v", e.Name, e.NetBox, err), "nothing to do: it is asked again"))
			away = errors.Join(away, fmt.Errorf("list fabrics of NetBox %s: %w", e.NetBox, err))
			for _, f := range had {
				if f.Connection == e.NetBox && f.Policy.Name == e.Name {
					keep = append(keep, f.ID)
				}
			}
			continue
		}
		i := slices.IndexFunc(list, func(n NetBoxFabric) bool { return n.Name == e.Name })
		if i < 0 && e.Create && e.Mode != gitops.ModeObserve && !e.Paused {
			made, err := conn.CreateFabric(ctx, e.Name)
			if err != nil {
				findings = append(findings, configFinding(file.Path, e.Line, CodeMissingFabric,
					fmt.Sprintf("NetBox %q has no fabric %q, and it could not be created: %v", e.NetBox, e.Name, err), "add it at "+conn.URL()+"/plugins/hedgehog/fabrics/add/"))
				var denied *gitops.PermissionError
				if !errors.As(err, &denied) { // what NetBox refuses for good is not asked again every minute
					away = errors.Join(away, fmt.Errorf("create fabric %s in NetBox %s: %w", e.Name, e.NetBox, err))
				}
				continue
			}
			log.Info("fabric created in NetBox", zap.String("netbox", e.NetBox), zap.String("name", e.Name))
			list = append(list, made)
			lists[e.NetBox], i = list, len(list)-1
		}
		if i < 0 {
			findings = append(findings, configFinding(file.Path, e.Line, CodeMissingFabric,
				fmt.Sprintf("NetBox %q has no fabric %q", e.NetBox, e.Name), "add it at "+conn.URL()+"/plugins/hedgehog/fabrics/add/, or correct the name"))
			continue
		}
		want = append(want, store.Fabric{
			Pairing: store.Pairing{Connection: e.NetBox, NetBoxID: list[i].ID, NetBoxCreated: list[i].Created, RepositoryID: r.ID,
				Branch: e.Branch, Directory: e.Directory},
			InstallationID: r.InstallationID, Owner: r.Owner, Repository: r.Name, Policy: e, ConfigBlob: file.Blob,
		})
	}
	results, err := m.Store.SetFabrics(ctx, r.ID, want, keep)
	if err != nil {
		return err
	}
	var requests []store.SyncRequest
	full := m.isFullDue(r.ID)
	for i, res := range results {
		if res.Refused != nil {
			findings = append(findings, configFinding(file.Path, want[i].Policy.Line, CodeTaken, fmt.Sprintf(
				"fabric %q is refused: NetBox fabric %d or directory %q belongs to fabric %q of %s/%s", want[i].Policy.Name, want[i].NetBoxID,
				want[i].Directory, res.Refused.Policy.Name, res.Refused.Owner, res.Refused.Repository), "a NetBox fabric and a directory belong to one entry each"))
			continue
		}
		if full || res.New || changed(had, res.ID, want[i].Policy) {
			requests = append(requests, store.SyncRequest{Fabric: res.ID, Full: true, Source: "timer"})
		}
	}
	if err := m.keepConfiguration(ctx, r, file.Blob, findings); err != nil {
		return err
	}
	if len(findings) > 0 {
		logFindings(log, "configuration", findings)
	} else {
		log.Info("configuration read", zap.Int("fabrics", len(want)))
	}
	err = m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error {
		for _, q := range requests {
			if err := m.requestTx(ctx, tx, q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.noteUnpaired(lists)
	if away == nil {
		m.fullDone(r.ID)
	}
	return away
}

// netboxFabrics lists a connection's fabrics once per reading.
func (m *Manager) netboxFabrics(ctx context.Context, conn Connection, name string, lists map[string][]NetBoxFabric) ([]NetBoxFabric, error) {
	if list, ok := lists[name]; ok {
		return list, nil
	}
	list, err := conn.Fabrics(ctx)
	if err == nil {
		lists[name] = list
	}
	return list, err
}

// changed says whether a fabric's entry differs from the one it had.
func changed(had []store.Fabric, id int64, policy gitops.Fabric) bool {
	for _, f := range had {
		if f.ID == id {
			old := f.Policy
			old.Line, policy.Line = 0, 0
			return !reflect.DeepEqual(old, policy)
		}
	}
	return true
}

// noteUnpaired remembers which NetBox fabrics no active pairing has, with the lines that would pair them.
func (m *Manager) noteUnpaired(lists map[string][]NetBoxFabric) {
	paired := map[string]bool{}
	for _, f := range m.memory.list() {
		paired[fmt.Sprintf("%s/%d", f.Connection, f.NetBoxID)] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for connection, list := range lists {
		var free []NetBoxFabric
		for _, n := range list {
			if !paired[fmt.Sprintf("%s/%d", connection, n.ID)] {
				free = append(free, n)
			}
		}
		if !slices.Equal(free, m.unpaired[connection]) {
			for _, n := range free {
				m.Log.Info("NetBox fabric is in no configuration", zap.String("netbox", connection), zap.String("name", n.Name), zap.String("add", PasteLines(connection, n)))
			}
		}
		m.unpaired[connection] = free
	}
}

// PasteLines are the lines below fabrics: of .github/hnp-sync.yaml that pair a NetBox fabric.
func PasteLines(connection string, n NetBoxFabric) string {
	return fmt.Sprintf("  - name: %q\n    netbox: %s\n    directory: gitops/hedgehog/%s\n", n.Name, connection, url.PathEscape(slug(n.Name)))
}

func slug(name string) string {
	out := []rune{}
	for _, r := range name {
		switch {
		case r >= 'A' && r <= 'Z':
			out = append(out, r+'a'-'A')
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			out = append(out, r)
		default:
			out = append(out, '-')
		}
	}
	return string(out)
}

func (m *Manager) isFullDue(id int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fullDue[id]
}

func (m *Manager) fullDone(id int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.fullDue, id)
}
