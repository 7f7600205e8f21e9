package config

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// Unserved lists the keys that are set and valid and that a running server does not act on yet, as problems that name
// them. A server must refuse such a configuration (NewHolder and Reload do): a key that is accepted and does nothing
// would make an operator believe that it works. What reads a configuration for another purpose may accept it.
func (c *Config) Unserved() Problems { return slices.Clone(c.unserved) }

// later records a value that is right and that the server does not obey yet. A call is removed when it does.
func (d *decoder) later(n *yaml.Node, key, message string) {
	all := d.problems
	d.problems = nil
	d.fail(n, key, "%s", message)
	d.unserved = append(d.unserved, d.problems...)
	d.problems = all
}
