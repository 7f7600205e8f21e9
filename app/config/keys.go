package config

// kind is the shape of a key's value.
type kind string

const (
	kindText     kind = "text"
	kindInteger  kind = "integer"
	kindBoolean  kind = "true or false"
	kindDuration kind = "duration"
	kindTexts    kind = "list of texts"
	kindMap      kind = "mapping of texts"
	kindFile     kind = "path of a secret file"
	kindFiles    kind = "list of paths of secret files"
	kindObject   kind = "mapping"
	kindItems    kind = "list of mappings"
)

// key is one key of the file: what is accepted, and its documentation (docs/configuration.md is checked against it).
type key struct {
	name     string
	kind     kind
	required bool
	unless   string // required too, except with this: another key of the mapping, or KEY: VALUE
	def      string // as a person would write it; empty: none
	doc      string
	fields   []key // of kindObject and kindItems
}

// keys of the whole file. A secret NAME_file has a twin that only the environment may set and that holds the value itself.
var keys = []key{
	{name: "listen", kind: kindText, def: DefaultListen, doc: "`HOST:PORT` of the HTTP server. Port 0 takes a free port; the ready line says which."},
	{name: "public_url", kind: kindText, doc: "Where people and GitHub reach this server; used in links."},
	{name: "database", kind: kindText, def: DefaultDatabase, doc: "`sqlite:PATH`. PostgreSQL arrives later and is refused for now."},
	{name: "api_token_file", kind: kindFile, doc: "A token for the REST API and the command line; callers otherwise use their NetBox token."},
	{name: "github", kind: kindObject, required: true, doc: "The GitHub App, or a personal access token.", fields: []key{
		{name: "app_id", kind: kindInteger, unless: "token_file", doc: "The App's id."},
		{name: "private_key_file", kind: kindFile, unless: "token_file", doc: "The App's private key, PEM (PKCS#1 or PKCS#8)."},
		{name: "webhook_secret_files", kind: kindFiles, unless: "delivery: poll", doc: "The webhook's secrets. All are accepted: put the new one first while rotating."},
		{name: "base_url", kind: kindText, def: DefaultGitHubURL, doc: "REST root. GitHub Enterprise Server: `https://HOST/api/v3` (GraphQL is then `/api/graphql`)."},
		{name: "token_file", kind: kindFile, doc: "A personal access token instead of the App: files, commits, pull requests, statuses and comments; no check runs and no buttons. Arrives later: `serve` refuses it for now."},
		{name: "delivery", kind: kindText, def: DeliveryWebhook, doc: "`webhook`, or `poll`: GitHub is asked and needs to reach no port here. `serve` refuses `poll` for now."},
	}},
	{name: "netbox", kind: kindItems, required: true, doc: "NetBox connections, at least one.", fields: []key{
		{name: "name", kind: kindText, required: true, doc: "Letters, digits, `-` and `_`. It is the last part of the webhook's path, `/webhooks/netbox/NAME`."},
		{name: "url", kind: kindText, required: true, doc: "NetBox's root, without `/api`."},
		{name: "token_file", kind: kindFile, required: true, doc: "NetBox's API token."},
		{name: "webhook_secret_files", kind: kindFiles, required: true, doc: "Secrets of NetBox's webhook; all are accepted."},
		{name: "backend", kind: kindText, def: "auto", doc: "`auto` or `hedgehog` (the Hedgehog plugin). `custom-objects` arrives later and is refused for now."},
	}},
	{name: "repositories", kind: kindItems, required: true, doc: "Which repositories may use which connections. Nothing is allowed that is not listed.", fields: []key{
		{name: "match", kind: kindText, required: true, doc: "`OWNER/NAME`; `*` and `?` do not match `/`. Case does not matter."},
		{name: "netbox", kind: kindTexts, required: true, doc: "Names of NetBox connections."},
	}},
	{name: "commands", kind: kindObject, doc: "Slash commands.", fields: []key{
		{name: "teams", kind: kindTexts, doc: "`ORG/TEAM-SLUG`. When set, only members of one of these teams who may also write to the repository may give commands. Needs the permission `members: read`. Arrives later: `serve` refuses it for now."},
	}},
	{name: "intervals", kind: kindObject, doc: "Timers; each at least `100ms`.", fields: []key{
		{name: "poll", kind: kindDuration, def: "60s", doc: "How often both sides are asked whether something moved, without a webhook."},
		{name: "full_compare", kind: kindDuration, def: "15m", doc: "How often everything is compared."},
		{name: "debounce", kind: kindDuration, def: "1s", doc: "Least time between two commits of one fabric. The first trigger starts at once."},
	}},
	{name: "mirror", kind: kindBoolean, def: "true", doc: "Write the mapping fields (file, hash, commit) back to NetBox. Accepted, but nothing is written back yet."},
	{name: "people", kind: kindMap, doc: "NetBox user to commit co-author: `alice: \"Alice Ng <alice@example.com>\"`."},
}
