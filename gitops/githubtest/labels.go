package githubtest

import (
	"slices"
	"strings"
)

// Labels of a repository and of its issues.

func (c *call) renderLabels(names []string) []any {
	out := []any{}
	for _, name := range names {
		out = append(out, c.renderLabel(c.label(name)))
	}
	return out
}

// label finds or creates a label of the repository, as GitHub does when one
// is put on an issue.
func (c *call) label(name string) *labelRow {
	for _, l := range c.s.labels.rows {
		if l.RepoID == c.repo.ID && strings.EqualFold(l.Name, name) {
			return l
		}
	}
	l := &labelRow{ID: c.s.newID(), RepoID: c.repo.ID, Name: name, Color: "ededed"}
	c.s.labels.put(l.ID, l)
	return l
}

func (c *call) renderLabel(l *labelRow) map[string]any {
	return map[string]any{"id": l.ID, "node_id": nodeID("Label", l.ID), "url": c.repoURL("/labels/%s", l.Name), "name": l.Name, "color": l.Color, "default": false, "description": l.Description}
}

func (c *call) labelInput() ([]string, error) {
	text := strings.TrimSpace(string(c.body))
	var names []string
	if strings.HasPrefix(text, "[") {
		err := c.decode(&names)
		return names, err
	}
	var in struct {
		Labels []string `json:"labels"`
	}
	err := c.decode(&in)
	return in.Labels, err
}

func (c *call) changeLabels(replace bool) (int, any, error) {
	i, err := c.issueAt()
	if err != nil {
		return 0, nil, err
	}
	if err := c.mayChange(0, "triage"); err != nil {
		return 0, nil, err
	}
	names, err := c.labelInput()
	if err != nil {
		return 0, nil, err
	}
	if replace {
		i.Labels = nil
	}
	for _, name := range names {
		name = c.label(name).Name
		if !slices.Contains(i.Labels, name) {
			i.Labels = append(i.Labels, name)
		}
	}
	i.UpdatedAt = c.s.now()
	c.s.issues.put(i.ID, i)
	return 200, c.renderLabels(i.Labels), nil
}

func (c *call) addLabels() (int, any, error) { return c.changeLabels(false) }

func (c *call) setLabels() (int, any, error) { return c.changeLabels(true) }

func (c *call) removeLabel() (int, any, error) {
	i, err := c.issueAt()
	if err != nil {
		return 0, nil, err
	}
	if err := c.mayChange(0, "triage"); err != nil {
		return 0, nil, err
	}
	n := slices.IndexFunc(i.Labels, func(l string) bool { return strings.EqualFold(l, c.params["name"]) })
	if n < 0 {
		return 0, nil, fail(404, "Label does not exist")
	}
	i.Labels = slices.Delete(i.Labels, n, n+1)
	c.s.issues.put(i.ID, i)
	return 200, c.renderLabels(i.Labels), nil
}

func (c *call) listLabels() (int, any, error) {
	out := []any{}
	for _, l := range paginate(c, c.s.labels.find(func(l *labelRow) bool { return l.RepoID == c.repo.ID })) {
		out = append(out, c.renderLabel(l))
	}
	return 200, out, nil
}

func (c *call) createLabel() (int, any, error) {
	var in struct {
		Name        string `json:"name"`
		Color       string `json:"color"`
		Description string `json:"description"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if err := c.mayChange(0, "write"); err != nil {
		return 0, nil, err
	}
	if in.Name == "" {
		return 0, nil, invalid("Label", "name", "missing_field", "")
	}
	for _, l := range c.s.labels.rows {
		if l.RepoID == c.repo.ID && strings.EqualFold(l.Name, in.Name) {
			return 0, nil, invalid("Label", "name", "already_exists", "")
		}
	}
	l := c.label(in.Name)
	l.Description = in.Description
	if in.Color != "" {
		l.Color = in.Color
	}
	c.s.labels.put(l.ID, l)
	return 201, c.renderLabel(l), nil
}
