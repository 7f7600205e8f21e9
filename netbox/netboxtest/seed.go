package netboxtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Seed fills an empty server.
type Seed struct {
	Tokens  map[string]SeedToken `yaml:"tokens"`
	Fabrics []SeedFabric         `yaml:"fabrics"`
	Backend string               `yaml:"backend"` // hedgehog (default)
	Version string               `yaml:"version"` // 4.7.3 (default) or 4.6.x
	Faults  []Fault              `yaml:"faults"`
}

// SeedToken gives one token to a user. Tokens of one username share the user;
// its permissions are those of all its tokens together.
type SeedToken struct {
	Username string `yaml:"username"`
	// Permissions; nil makes a superuser, an empty list a user who may do nothing.
	Permissions []SeedPermission `yaml:"permissions"`
	// WriteEnabled false makes a read-only token; default true.
	WriteEnabled *bool `yaml:"write_enabled"`
}

// SeedPermission is one object permission.
type SeedPermission struct {
	ObjectTypes []string `yaml:"object_types"` // netbox_hedgehog.vpc, core.objectchange, extras.webhook, …
	Actions     []string `yaml:"actions"`      // view, add, change, delete
	// Constraints is an object of Django lookups or a list of alternatives:
	// exact, in, startswith, endswith, contains (with i…), gt, gte, lt, lte, isnull.
	Constraints any `yaml:"constraints"`
}

// SeedFabric is one fabric. Without an id it gets the next free one.
type SeedFabric struct {
	ID                  int64  `yaml:"id"`
	Name                string `yaml:"name"`
	Description         string `yaml:"description"`
	KubernetesNamespace string `yaml:"kubernetes_namespace"`
	KubernetesToken     string `yaml:"kubernetes_token"`
	KubernetesCACert    string `yaml:"kubernetes_ca_cert"`
}

// DefaultSeed is one superuser "admin" with the token "nbt_stand0000001.in" and
// one fabric "fabric-1".
func DefaultSeed() *Seed {
	return &Seed{Tokens: map[string]SeedToken{"nbt_stand0000001.in": {Username: "admin"}}, Fabrics: []SeedFabric{{ID: 1, Name: "fabric-1"}}}
}

// ParseSeed reads a seed from YAML or JSON. Unknown keys are errors.
func ParseSeed(src []byte) (*Seed, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	dec.KnownFields(true)
	var seed Seed
	if err := dec.Decode(&seed); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("parse seed: %w", err)
	}
	return &seed, nil
}

// check refuses what this server is not, whether or not the seed is applied.
func (seed *Seed) check() error {
	switch seed.Backend {
	case "", "hedgehog":
	case "custom-objects":
		return errors.New("backend: custom-objects is not modelled yet; use backend: hedgehog")
	default:
		return fmt.Errorf("backend: %q is unknown; use hedgehog", seed.Backend)
	}
	if v := seed.Version; v != "" && !strings.HasPrefix(v, "4.7.") && !strings.HasPrefix(v, "4.6.") {
		return fmt.Errorf("version: %q is not modelled; use 4.7.3 or 4.6.8", v)
	}
	return nil
}

func (s *Server) applySeed(seed *Seed) error {
	s.version = seed.Version
	if s.version == "" {
		s.version = "4.7.3"
	}
	if err := s.seedTokens(seed.Tokens); err != nil {
		return err
	}
	for _, f := range seed.Fabrics {
		if err := s.seedFabric(f); err != nil {
			return fmt.Errorf("fabrics: %q: %w", f.Name, err)
		}
	}
	for i, f := range seed.Faults {
		if _, err := s.AddFault(f); err != nil {
			return fmt.Errorf("faults[%d]: %w", i, err)
		}
	}
	return nil
}

func (s *Server) seedTokens(tokens map[string]SeedToken) error {
	if len(tokens) == 0 {
		return errors.New("tokens: at least one is needed")
	}
	// Superusers first, so that the first of them is user 1 as in a new NetBox.
	keys := sortedKeys(tokens)
	slices.SortStableFunc(keys, func(a, b string) int {
		return boolInt(tokens[a].Permissions != nil) - boolInt(tokens[b].Permissions != nil)
	})
	byName := map[string]*user{}
	for _, key := range keys {
		t := tokens[key]
		if t.Username == "" || key == "" || strings.ContainsAny(key, " \t\r\n") {
			return fmt.Errorf("tokens: a token needs a username and must not hold blanks")
		}
		u := byName[t.Username]
		if u == nil {
			u = &user{id: int64(len(s.users.list) + 1), name: t.Username, joined: s.now()}
			byName[t.Username] = u
			s.users.list = append(s.users.list, u)
		}
		if t.Permissions == nil {
			u.superuser = true
		}
		for _, p := range t.Permissions {
			g, err := p.grant(s)
			if err != nil {
				return fmt.Errorf("tokens: permissions of %s: %w", t.Username, err)
			}
			u.grants = append(u.grants, g)
		}
		s.users.tokens = append(s.users.tokens, &token{key: key, user: u, writeEnabled: t.WriteEnabled == nil || *t.WriteEnabled})
	}
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (p SeedPermission) grant(s *Server) (grant, error) {
	g := grant{types: p.ObjectTypes, actions: p.Actions}
	for _, t := range p.ObjectTypes {
		if s.models[t] == nil && t != changesType {
			return g, fmt.Errorf("unknown object type %q", t)
		}
	}
	for _, a := range p.Actions {
		if !slices.Contains([]string{"view", "add", "change", "delete"}, a) {
			return g, fmt.Errorf("unknown action %q", a)
		}
	}
	if p.Constraints == nil {
		return g, nil
	}
	v, err := fromGo(p.Constraints)
	if err != nil {
		return g, fmt.Errorf("constraints: %w", err)
	}
	if o, ok := v.(*object); ok {
		v = []any{o}
	}
	list, ok := v.([]any)
	if !ok {
		return g, errors.New("constraints: not an object or a list of objects")
	}
	g.constraints = list
	return g, nil
}

func (s *Server) seedFabric(f SeedFabric) error {
	m := s.models["netbox_hedgehog.hedgehogfabric"]
	in := obj("name", f.Name, "description", f.Description, "kubernetes_token", f.KubernetesToken, "kubernetes_ca_cert", f.KubernetesCACert)
	if f.KubernetesNamespace != "" {
		in.set("kubernetes_namespace", f.KubernetesNamespace)
	}
	c := s.validate(m, nil, in, modeCreate, selection{})
	if len(c.errs.keys) > 0 {
		return fmt.Errorf("%s", encodeJSON(c.errs, compact))
	}
	if f.ID == 0 {
		f.ID = s.db.seq[m.typeName()] + 1
	}
	if s.db.get(m, f.ID) != nil {
		return fmt.Errorf("id %d is taken", f.ID)
	}
	s.db.seq[m.typeName()] = max(s.db.seq[m.typeName()], f.ID)
	c.row.id, c.row.created = f.ID, s.now()
	c.row.updated = s.now()
	s.db.set(m, f.ID, c.row)
	return nil
}

// fromGo turns a Go value into one of this package by way of JSON.
func fromGo(v any) (any, error) {
	src, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return parseJSON(src)
}
