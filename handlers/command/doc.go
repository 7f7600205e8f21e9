// Package command understands and carries out the slash commands people write in comments ("/hnp resolve C12 netbox").
//
// A comment is foreign text. It is parsed with a closed grammar, at line starts only, never inside code, quotes or HTML
// comments, and never when this program wrote it. What a command may do is decided by the sender's rights on the
// repository, read from GitHub when the command runs; when GitHub does not answer, nothing is done and the answer says
// so. Every text that came from a comment, a file or NetBox is escaped before it is part of an answer, and no answer
// parses as a command.
//
// The package decides and words; what it needs of the running program are the three small interfaces in control.go.
package command
