package netboxtest

import (
	"html/template"
	"net/http"
	"strings"
)

// The pages are for people who follow the demo: what is stored, and how to edit
// it. html/template escapes everything that came from a client.
var pages = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>{{.Title}}</title>
<style>body{font:15px/1.5 system-ui,sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}pre{background:#f4f4f4;padding:.6em;overflow:auto;margin:0}</style>
<h1>{{.Title}}</h1>
<p>A stand-in of NetBox {{.Version}} with the Hedgehog plugin. It has the plugin's REST API and no forms. <a href="/">All kinds</a></p>
{{if .Kinds}}<table><tr><th>kind</th><th>objects</th></tr>{{range .Kinds}}<tr><td><a href="/plugins/hedgehog/{{.Route}}/">{{.Name}}</a></td><td>{{.Count}}</td></tr>{{end}}</table>
<p>To edit, use the REST API with a token of the seed:</p>
<pre>curl -X PATCH -H "Authorization: Token $TOKEN" -H "Content-Type: application/json" \
  -d '{"labels":{"edited-by":"me"}}' "{{.Base}}/api/plugins/hedgehog/vpcs/1/?omit=display_url"</pre>{{end}}
{{if .Objects}}<table><tr><th>id</th><th>fabric</th><th>namespace</th><th>name</th><th>spec</th><th>labels</th><th>last updated</th></tr>
{{range .Objects}}<tr><td>{{.ID}}</td><td>{{.Fabric}}</td><td>{{.Namespace}}</td><td>{{.Name}}</td><td><pre>{{.Spec}}</pre></td><td><pre>{{.Labels}}</pre></td><td>{{.Updated}}</td></tr>{{end}}</table>{{end}}
`))

type pageData struct {
	Title, Version, Base string
	Kinds                []pageKind
	Objects              []pageObject
}

type pageKind struct {
	Route, Name string
	Count       int
}

type pageObject struct {
	ID                                             int64
	Fabric, Namespace, Name, Spec, Labels, Updated string
}

// page serves / and /plugins/hedgehog/<kind>/[<id>/], read-only.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "The pages are read-only; use the REST API.", http.StatusMethodNotAllowed)
		return
	}
	data, ok := s.pageData(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	if err := pages.Execute(w, data); err != nil {
		s.logf("netboxtest: write page: %v", err) // the client has gone
	}
}

func (s *Server) pageData(r *http.Request) (pageData, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := pageData{Title: "NetBox stand-in", Version: s.version, Base: "http://" + r.Host}
	if r.URL.Path == "/" {
		for _, m := range s.order {
			if m.resource {
				data.Kinds = append(data.Kinds, pageKind{Route: kindRoute(m), Name: m.plural, Count: len(s.db.rows(m))})
			}
		}
		return data, true
	}
	parts := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, "/plugins/hedgehog/"), "/"), "/")
	if !strings.HasPrefix(r.URL.Path, "/plugins/hedgehog/") || len(parts) > 2 {
		return data, false
	}
	if parts[0] == "ipv4namespaces" {
		parts[0] = "ipv4-namespaces"
	}
	m := s.byRoute[pluginRoot+parts[0]+"/"]
	if m == nil || !m.resource {
		return data, false
	}
	data.Title = m.plural
	for _, row := range s.db.rows(m) {
		if len(parts) == 2 && itoa(row.id) != parts[1] {
			continue
		}
		fabric := ""
		if f := s.db.get(s.models["netbox_hedgehog.hedgehogfabric"], row.int("fabric")); f != nil {
			fabric = f.str("name")
		}
		data.Objects = append(data.Objects, pageObject{ID: row.id, Fabric: fabric, Namespace: row.str("namespace"), Name: row.str("name"),
			Spec: string(encodeJSON(row.vals["spec"], compact)), Labels: string(encodeJSON(row.vals["labels"], compact)), Updated: restTime(row.updated)})
	}
	return data, len(parts) == 1 || len(data.Objects) == 1
}

func kindRoute(m *model) string {
	return strings.Trim(strings.TrimPrefix(m.route, pluginRoot), "/")
}
