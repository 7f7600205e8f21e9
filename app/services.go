package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"go.uber.org/zap"

	"github.com/hnp-sync/hnp-sync/app/api"
	"github.com/hnp-sync/hnp-sync/app/config"
	"github.com/hnp-sync/hnp-sync/app/jobs"
	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/repo"
	"github.com/hnp-sync/hnp-sync/handlers"
	"github.com/hnp-sync/hnp-sync/netbox"
)

// services is everything that one configuration describes. A reload makes new ones; what was begun with the old ones
// finishes with them.
type services struct {
	github      *repo.App
	netbox      map[string]*netbox.Connection
	tokens      []api.NetBoxTokens
	githubHooks *handlers.GitHub
	netboxHooks *handlers.NetBox
}

func (a *App) newServices(cfg *config.Config) (*services, error) {
	s := &services{netbox: map[string]*netbox.Connection{}}
	gh, err := repo.NewApp(repo.Config{
		AppID: cfg.GitHub.AppID, PrivateKey: []byte(cfg.GitHub.PrivateKeyPEM.Reveal()), BaseURL: cfg.GitHub.BaseURL,
		Now: a.opts.Clock.Now, Cache: a.opts.Blobs, Log: a.githubCall(hostOf(cfg.GitHub.BaseURL)), WriteSpacing: a.opts.WriteSpacing,
	})
	if err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	s.github = gh
	hooks := handlers.Receiver{Inbox: a.store, Now: a.opts.Clock.Now, Count: a.metrics.Webhook, Log: a.log}
	if s.githubHooks, err = handlers.NewGitHub(hooks, secretBytes(cfg.GitHub.WebhookSecrets)); err != nil {
		return nil, err
	}
	secrets := map[string][][]byte{}
	for _, n := range cfg.NetBox {
		transport := &countedTransport{next: http.DefaultTransport.(*http.Transport).Clone(), host: hostOf(n.URL), metrics: a.metrics, log: a.log, now: a.opts.Clock.Now}
		conn, err := netbox.Dial(netbox.Config{Name: n.Name, URL: n.URL, Token: n.Token.Reveal(), Transport: transport, Now: a.opts.Clock.Now,
			Log: a.log.Sugar().Infow})
		if err != nil {
			return nil, err
		}
		s.netbox[n.Name] = conn
		s.tokens = append(s.tokens, callerTokens{conn})
		secrets[n.Name] = secretBytes(n.WebhookSecrets)
	}
	if s.netboxHooks, err = handlers.NewNetBox(hooks, secrets); err != nil {
		return nil, err
	}
	return s, nil
}

// close drops idle connections; requests under way are not disturbed.
func (s *services) close() {
	s.github.Close()
	for _, c := range s.netbox {
		c.Close()
	}
}

func (s *services) connection(name string) (jobs.Connection, bool) {
	c, ok := s.netbox[name]
	return connection{c}, ok
}

// githubCall counts and logs every request to GitHub.
func (a *App) githubCall(host string) func(repo.Call) {
	return func(c repo.Call) {
		a.metrics.Request(host, c.Method, c.Operation, c.Status)
		a.log.Debug("request", zap.String("host", host), zap.String("method", c.Method), zap.String("route", c.Operation), zap.Int("status", c.Status),
			zap.Int64("installation", c.Installation), zap.Int("attempt", c.Attempt), zap.String("request_id", c.RequestID),
			zap.Duration("took", c.Duration), zap.Int("remaining", c.Remaining), zap.Error(c.Err))
	}
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "invalid"
	}
	return u.Host
}

func secretBytes(in []config.Secret) [][]byte {
	out := make([][]byte, 0, len(in))
	for _, s := range in {
		out = append(out, []byte(s.Reveal()))
	}
	return out
}

// connection is one NetBox as the jobs need it.
type connection struct{ c *netbox.Connection }

var _ jobs.Connection = connection{}

func (n connection) Fabrics(ctx context.Context) ([]jobs.NetBoxFabric, error) {
	list, err := n.c.Fabrics(ctx)
	out := make([]jobs.NetBoxFabric, 0, len(list))
	for _, f := range list {
		out = append(out, jobs.NetBoxFabric{ID: f.PK, Name: f.Name, Created: f.Created})
	}
	return out, err
}

func (n connection) CreateFabric(ctx context.Context, name string) (jobs.NetBoxFabric, error) {
	f, err := n.c.CreateFabric(ctx, name)
	var refused *netbox.StatusError
	if errors.As(err, &refused) && refused.Status >= 400 && refused.Status < 500 && refused.Status != http.StatusTooManyRequests {
		err = &gitops.PermissionError{Code: "missing_permission", Message: err.Error(), Err: err}
	}
	return jobs.NetBoxFabric{ID: f.PK, Name: f.Name, Created: f.Created}, err
}

func (n connection) Inventory(f store.Fabric) (gitops.Inventory, error) {
	return n.c.Fabric(f.NetBoxID), nil
}

func (n connection) URL() string { return n.c.URL() }

// callerTokens asks a NetBox about the tokens of API callers.
type callerTokens struct{ c *netbox.Connection }

var _ api.NetBoxTokens = callerTokens{}

func (t callerTokens) Name() string { return t.c.Name() }

func (t callerTokens) Check(ctx context.Context, token string) (login string, accepted bool, err error) {
	login, err = t.c.CheckToken(ctx, token)
	if errors.Is(err, netbox.ErrInvalidToken) {
		return "", false, nil
	}
	return login, err == nil, err
}
